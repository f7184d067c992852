import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseCookie } from 'cookie';
import { checkNoOthers } from '../contract/options.js';
import { resolveCookie, SessionCookie, type SessionCookieOptions } from '../cookie/cookie.js';

/** How a client's token travels: where it is read from, put and removed. */
export interface SessionIdentity {
  /** What `session.identity` says. */
  readonly name: string;
  /** The request header that the token comes in. */
  readonly header: string;
  /** The defaults of `session.cookie`, and with that how long sessions live; default: as a cookie without options. */
  readonly cookie?: SessionCookieOptions;
  /** Whether a request may have a session of this identity; default: any. */
  appliesTo?(req: IncomingMessage): boolean;
  /**
   * What the client presents, as it was given to `set`. Anything but `undefined` decides: without a good token among
   * these there is no session, whatever other identities find.
   */
  get(req: IncomingMessage): readonly string[] | undefined;
  /** Gives the client a token: text that cookies and headers can hold as it is. */
  set(res: ServerResponse, token: string, session: IdentifiedSession): void;
  /** Lets the client forget its token. */
  remove(res: ServerResponse, session: IdentifiedSession): void;
}

/** The session that a token is for. */
export interface IdentifiedSession {
  /** As the handler left it. */
  readonly cookie: SessionCookie;
  /** Epoch milliseconds; 8.64e15 for never. */
  readonly expiresAt: number;
}

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

/** A signed cookie. `path` and `host` say as well which requests it is for. */
export interface CookieIdentityOptions extends SessionCookieOptions, IdentityScope {
  /** The cookie's name; default `'sid'`. With `__Host-` or `__Secure-` before it browsers take it over HTTPS only. */
  name?: string;
}

/** A header, the same in requests and in answers. */
export interface HeaderIdentityOptions extends IdentityScope {
  /** The header's name; default `'x-auth-token'`. */
  name?: string;
  /** How long a session lives unused, in milliseconds; default: `idleTimeout`. */
  maxAge?: number;
}

/** A name of a cookie or a header: a token of RFC 9110, section 5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** The names that mean something to browsers, whatever their case (RFC 6265bis, section 5.7). */
const PREFIX = /^__(host|secure)-/i;

/** The token in a signed cookie, as express-session has it. Throws a `TypeError` for what no browser would take. */
export function cookieIdentity(options: CookieIdentityOptions = {}): SessionIdentity {
  const { name = 'sid', host, ...cookie } = options;
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new TypeError(`name must be a cookie name such as 'sid': letters, digits and !#$%&'*+-.^_\`|~`);
  }
  const { plain } = resolveCookie(cookie);
  checkCookiePrefix(name, plain.secure === true, cookie);
  const path = plain.path!;
  return {
    name,
    header: 'Cookie',
    cookie,
    appliesTo: scope(host, path),
    get: (req) => cookiesOf(req.headers.cookie, name),
    set(res, token, session) {
      res.appendHeader('Set-Cookie', SessionCookie.set(session.cookie, name, token, session.expiresAt));
    },
    remove(res, session) {
      res.appendHeader('Set-Cookie', SessionCookie.clear(session.cookie, name));
    },
  };
}

/**
 * The token in a header, for clients that are no browsers: no cookie is sent. A request that has the header is never
 * taken for another identity's. Scripts of other origins need the name in `Access-Control-Expose-Headers`.
 */
export function headerIdentity(options: HeaderIdentityOptions = {}): SessionIdentity {
  const { name = 'x-auth-token', host, path = '/', maxAge, ...others } = options;
  checkNoOthers('headerIdentity', others, 'name, host, path and maxAge');
  if (typeof name !== 'string' || !TOKEN.test(name) || /^(set-)?cookie$/i.test(name)) {
    throw new TypeError("name must be the name of a header such as 'x-auth-token'");
  }
  const header = name.toLowerCase();
  if (header === 'authorization') {
    throw new TypeError(
      "name must not be Authorization, which has a scheme before its token: use 'x-auth-token'",
    );
  }
  checkPath(path);
  const cookie: SessionCookieOptions = { path, ...(maxAge !== undefined && { maxAge }) };
  resolveCookie(cookie);
  return {
    name,
    header: name,
    cookie,
    appliesTo: scope(host, path),
    get(req) {
      const value = req.headers[header];
      return typeof value === 'string' ? [value] : value;
    },
    set(res, token) {
      res.setHeader(name, token);
    },
    remove(res) {
      res.setHeader(name, '');
    },
  };
}

/** Values as they stand in a `Cookie` header, because a parsed header keeps only the first of those that share a name. */
function cookiesOf(header: string | undefined, name: string): string[] | undefined {
  if (header === undefined || !header.includes(name)) return undefined;
  let values: string[] | undefined;
  for (const part of header.split(';')) {
    const pair = part.trim();
    if (!pair.startsWith(name)) continue;
    const value = parseCookie(pair, UNDECODED)[name];
    if (value !== undefined) (values ??= []).push(value);
  }
  return values;
}

const UNDECODED = { decode: (value: string) => value };

function checkCookiePrefix(name: string, isAlwaysSecure: boolean, cookie: SessionCookieOptions): void {
  const [prefix, kind] = PREFIX.exec(name) ?? [];
  if (prefix === undefined) return;
  if (!isAlwaysSecure) {
    throw new TypeError(`browsers take ${prefix} cookies only with Secure: write secure: true beside name`);
  }
  if (kind!.toLowerCase() === 'host' && (cookie.domain !== undefined || (cookie.path ?? '/') !== '/')) {
    throw new TypeError(`browsers take ${prefix} cookies only with path: '/' and without domain`);
  }
}

type Applies = (req: IncomingMessage) => boolean;

/** Whether a request is to one of the hosts and under the path; `undefined` where each is. */
function scope(host: IdentityScope['host'], path: string): Applies | undefined {
  checkPath(path);
  const hosts = host === undefined ? undefined : [host].flat().map(hostPattern);
  if (!hosts && path === '/') return undefined;
  return (req) => (!hosts || isOneOf(hosts, hostOf(req))) && isUnder(path, pathOf(req));
}

function checkPath(path: unknown): void {
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
