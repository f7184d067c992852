import type { IncomingMessage } from 'node:http';

/** Which requests an identity is for: where its token is read, and no boundary between those who have one. */
export interface IdentityScope {
  /**
   * A host name, or `*.` and a domain for all below it; a list of them; default: any. On Express as `trust proxy` has it,
   * elsewhere, sockets included, as the `Host` header.
   */
  host?: string | string[];
  /** Requests to this path and below, as browsers match it, in upper and lower case as written; default `'/'`. */
  path?: string;
}

type Applies = (req: IncomingMessage) => boolean;

/** Whether a request is to one of the hosts and under the path; `undefined` where each is. */
export function scope(host: IdentityScope['host'], path: string): Applies | undefined {
  checkPath(path);
  const hosts = host === undefined ? undefined : [host].flat().map(hostPattern);
  if (!hosts && path === '/') return undefined;
  return (req) => (!hosts || isOneOf(hosts, hostOf(req))) && isUnder(path, pathOf(req));
}

export function checkPath(path: unknown): void {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError("path must be a path such as '/'");
}

/** The end of a name for `*.` and a domain, else the name. */
function hostPattern(host: unknown): string {
  if (typeof host !== 'string' || !/^(\*\.)?([\w-]+\.)*[\w-]+$|^\[[\da-f:.]+\]$/i.test(host)) {
    throw new TypeError("host must be a name without a port, such as 'example.com' or '*.example.com'");
  }
  return host.replace(/^\*/, '').toLowerCase();
}

function isOneOf(hosts: readonly string[], host: string): boolean {
  return hosts.some((one) => (one.startsWith('.') ? host.endsWith(one) : host === one));
}

/** Express knows it behind a proxy that is trusted. */
function hostOf(req: IncomingMessage & { hostname?: string }): string {
  const host = req.hostname ?? req.headers.host ?? String(req.headers[':authority'] ?? '');
  return host.replace(/:\d+$/, '').toLowerCase();
}

/** The path of a request, also of one that names its host in the first line, without its query. */
export function pathOf({ originalUrl, url }: IncomingMessage & { originalUrl?: string }): string {
  const [, path] = /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(originalUrl ?? url ?? '')!;
  return path || '/';
}

/** Whether a request's path is one that a cookie is sent to (RFC 6265, section 5.1.4). */
function isUnder(path: string, requested: string): boolean {
  if (path === '/') return true;
  if (!requested.startsWith(path)) return false;
  const next = requested[path.length];
  return path.endsWith('/') || next === undefined || next === '/';
}
