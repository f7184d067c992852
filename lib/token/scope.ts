import type { IncomingMessage } from 'node:http';

/**
 * Which requests an identity applies to. This is no security boundary: a token is valid wherever its identity is read.
 */
export interface IdentityScope {
  /**
   * A host name, `*.` and a domain for all its subdomains, or a list of these; default: any host. On Express a
   * request's host depends on `trust proxy`, on Fastify on `trustProxy`.
   */
  host?: string | string[] | undefined;
  /** Requests to this path and below it, matched as browsers match it, case-sensitively; default `'/'`. */
  path?: string | undefined;
}

type Applies = (req: IncomingMessage) => boolean;

/** Returns a function that checks a request's host and path; `undefined` if every request matches. */
export function scope(host: IdentityScope['host'], path: string): Applies | undefined {
  checkPath(path);
  const hosts = host === undefined ? undefined : [host].flat().map(hostPattern);
  if (!hosts && path === '/') return undefined;
  return (req) => (!hosts || isOneOf(hosts, hostOf(req))) && isUnder(path, pathOf(req));
}

/** Throws a `TypeError` for a value that is not a path. */
export function checkPath(path: unknown): void {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError("path must be a path: write one such as '/'");
}

/** The host name in lower case; for `*.` and a domain, the end of the name. */
function hostPattern(host: unknown): string {
  if (typeof host !== 'string' || !/^(\*\.)?([\w-]+\.)*[\w-]+$|^\[[\da-f:.]+\]$/i.test(host)) {
    throw new TypeError(
      "host must be a name without a port: write one such as 'example.com' or '*.example.com'",
    );
  }
  return host.replace(/^\*/, '').toLowerCase();
}

function isOneOf(hosts: readonly string[], host: string): boolean {
  return hosts.some((one) => (one.startsWith('.') ? host.endsWith(one) : host === one));
}

/** The host of a request: that of `hostname`, where a platform has set it by the proxies that it trusts. */
export function hostOf(req: IncomingMessage & { hostname?: string }): string {
  const host = req.hostname ?? req.headers.host ?? String(req.headers[':authority'] ?? '');
  return host.replace(/:\d+$/, '').toLowerCase();
}

/** The path of a request, without its query. The request line may also be a full URL. */
export function pathOf({ originalUrl, url }: IncomingMessage & { originalUrl?: string }): string {
  const [, path] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(originalUrl ?? url ?? '')!;
  return path || '/';
}

/** Whether a cookie with this path is sent to a requested path (RFC 6265, section 5.1.4). */
function isUnder(path: string, requested: string): boolean {
  if (path === '/') return true;
  if (!requested.startsWith(path)) return false;
  const next = requested[path.length];
  return path.endsWith('/') || next === undefined || next === '/';
}

/**
 * Whether a host is this machine. Chromium and Firefox keep cookies with `Secure` that come from it over plain HTTP;
 * Safari does not.
 */
export function isLocalhost(host: string): boolean {
  return /^(.+\.)?localhost$|^127(\.\d{1,3}){3}$|^\[::1\]$/.test(host);
}
