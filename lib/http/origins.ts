import type { IncomingMessage } from 'node:http';

/** Where a request was sent to, as its platform sees it: by the headers of proxies that the app trusts, or its own. */
export interface Addressee {
  /** Host and port. `undefined` if the request names no host. */
  host: string | undefined;
  isEncrypted: boolean;
}

const DEFAULT_PORTS: Record<string, string> = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443' };

/**
 * Why a handshake may not have the session of its cookie: a script element may have sent it, its origin is not allowed,
 * or the browser says that a page of another origin sent it.
 */
export type Refusal = 'script' | 'origin' | 'site';

/** The origins, besides the server's own, whose pages may open sockets, or send unsafe requests, with a session. */
export class AllowedOrigins {
  readonly #listed: ReadonlySet<string>;

  /** Throws a `TypeError` for a string that is not an origin. */
  constructor(origins: readonly string[] = []) {
    if (!Array.isArray(origins)) throw new TypeError("origins must be a list: ['https://app.example.com']");
    this.#listed = new Set(origins.map(checkOrigin));
  }

  /**
   * Why a handshake may not have a session; `undefined` if it may. Its origin must be listed, or the host that it was
   * sent to. Siblings of the host must be listed, because `SameSite` does not keep cookies from the sockets that they
   * open.
   *
   * A handshake without an `Origin` header comes from a client that is not a browser, or from a browser that sends
   * none: for a script element, which can read what JSONP polling returns, and for a request by `GET` to its own
   * origin.
   *
   * @param to where it was sent to; if that was not over TLS, a proxy may have terminated TLS
   */
  refusalOf(
    { headers, url = '' }: Pick<IncomingMessage, 'headers' | 'url'>,
    to: Addressee,
  ): Refusal | undefined {
    if (isByScript(headers, url)) return 'script';
    const { origin } = headers;
    const from = parseOrigin(origin);
    if (from && this.#listed.has(serialise(from))) return undefined;
    if (origin !== undefined && !isSameHost(from, to)) return 'origin';
    return OTHER_SITES.has(String(headers['sec-fetch-site'])) ? 'site' : undefined;
  }

  /**
   * Whether a page of another site may have sent a request that is no handshake. Pages of sibling hosts are of the same
   * site. A browser without `Sec-Fetch-Site` does not tell the two apart, so then the origin must be listed, or the host
   * itself.
   *
   * A request with neither header comes from a client that is not a browser, or from a very old one.
   *
   * @param to where it was sent to; if that was not over TLS, a proxy may have terminated TLS
   */
  isCrossSite({ headers }: Pick<IncomingMessage, 'headers'>, to: Addressee): boolean {
    const { origin, 'sec-fetch-site': site } = headers;
    const from = parseOrigin(origin);
    if (from && this.#listed.has(serialise(from))) return false;
    if (site !== undefined && site !== '') return !OWN_SITE.has(String(site));
    return origin !== undefined && !isSameHost(from, to);
  }
}

/** The values of `Sec-Fetch-Site` for a request that a page of the site sent, or the user alone. */
const OWN_SITE: ReadonlySet<string> = new Set(['same-origin', 'same-site', 'none']);

/** The values of `Sec-Fetch-Site` for a request of a page of another origin (Fetch Metadata Request Headers, 2.3). */
const OTHER_SITES: ReadonlySet<string> = new Set(['same-site', 'cross-site']);

/** Whether a script element may have sent a handshake: `j` asks engine.io for a response that is a script. */
function isByScript({ upgrade }: IncomingMessage['headers'], url: string): boolean {
  if (upgrade !== undefined || !url.includes('?')) return false;
  return new URLSearchParams(url.slice(url.indexOf('?'))).has('j');
}

function isSameHost(from: URL | undefined, { host, isEncrypted }: Addressee): boolean {
  if (!from || host === undefined) return false;
  const protocol = isEncrypted ? 'https:' : from.protocol;
  return hostOf(from) === hostOf(parseOrigin(`${protocol}//${host}`));
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
