import type { IncomingHttpHeaders } from 'node:http';

const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443' };

/** The origins whose pages may open sockets that have a session, beside the server's own. */
export class AllowedOrigins {
  readonly #listed: ReadonlySet<string>;

  /** Throws a `TypeError` for what is no origin. */
  constructor(origins: readonly string[] = []) {
    if (!Array.isArray(origins)) throw new TypeError("origins must be a list: ['https://app.example.com']");
    this.#listed = new Set(origins.map(checkOrigin));
  }

  /**
   * Whether a handshake may carry a session: it names no Origin, as none but browsers' do, or the host it came to, or one
   * that is listed. Siblings of the host must be listed: `SameSite` does not keep cookies from sockets they open.
   *
   * @param encrypted whether it came over TLS, as far as we see; a proxy may have ended that
   */
  allow({ origin, host }: IncomingHttpHeaders, encrypted: boolean): boolean {
    if (origin === undefined) return true;
    const url = parseOrigin(origin);
    if (!url || host === undefined) return false;
    if (this.#listed.has(serialise(url))) return true;
    const protocol = encrypted ? 'https:' : url.protocol;
    return hostOf(url) === hostOf(parseOrigin(`${protocol}//${host}`));
  }
}

function checkOrigin(origin: unknown): string {
  const url = parseOrigin(origin);
  if (!url) {
    throw new TypeError(
      `origins: ${JSON.stringify(origin)} is no origin: write scheme, host and, if it is not the scheme's own, port, such as 'https://app.example.com'`,
    );
  }
  return serialise(url);
}

/** An origin's parts; `undefined` for what is none, `null` among it. */
function parseOrigin(origin: unknown): URL | undefined {
  if (typeof origin !== 'string' || !/^[a-z][a-z\d+.-]*:\/\/[^/?#@\\\s,*]+$/i.test(origin)) return undefined;
  try {
    return new URL(origin);
  } catch {
    return undefined;
  }
}

function serialise(url: URL): string {
  return `${url.protocol}//${hostOf(url)}`;
}

/** Host and port, the default port too; schemes that are not the web's keep the case of a host as it is written. */
function hostOf(url: URL | undefined): string | undefined {
  return url && `${url.hostname.toLowerCase()}:${url.port || DEFAULT_PORTS[url.protocol] || ''}`;
}
