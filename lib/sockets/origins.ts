import type { Addressee } from '../nest/handshake.js';

const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443' };

/** The origins, besides the server's own, whose pages may open sockets with a session. */
export class AllowedOrigins {
  readonly #listed: ReadonlySet<string>;

  /** Throws a `TypeError` for a string that is not an origin. */
  constructor(origins: readonly string[] = []) {
    if (!Array.isArray(origins)) throw new TypeError("origins must be a list: ['https://app.example.com']");
    this.#listed = new Set(origins.map(checkOrigin));
  }

  /**
   * Whether a handshake may have a session: it has no `Origin` header, or its origin is the host that it was sent to,
   * or is listed. Only browsers send the header. Siblings of the host must be listed, because `SameSite` does not keep
   * cookies from the sockets that they open.
   *
   * @param to where it was sent to; if that was not over TLS, a proxy may have terminated TLS
   */
  allow(origin: string | undefined, { host, isEncrypted }: Addressee): boolean {
    if (origin === undefined) return true;
    const url = parseOrigin(origin);
    if (!url || host === undefined) return false;
    if (this.#listed.has(serialise(url))) return true;
    const protocol = isEncrypted ? 'https:' : url.protocol;
    return hostOf(url) === hostOf(parseOrigin(`${protocol}//${host}`));
  }
}

function checkOrigin(origin: unknown): string {
  const url = parseOrigin(origin);
  if (!url) {
    throw new TypeError(
      `origins: ${JSON.stringify(origin)} is not an origin: write scheme, host and, if it is not the default, port, as in 'https://app.example.com'`,
    );
  }
  return serialise(url);
}

/** Parses an origin. `undefined` for anything else, such as `null`. */
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

/** Host and port, the default port included. In lower case, which `URL` does only for the schemes of the web. */
function hostOf(url: URL | undefined): string | undefined {
  return url && `${url.hostname.toLowerCase()}:${url.port || DEFAULT_PORTS[url.protocol] || ''}`;
}
