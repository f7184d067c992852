import { parseCookie } from 'cookie';
import { resolveCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { isTokenName, type SessionIdentity } from './identity.js';
import { scope, type IdentityScope } from './scope.js';

/** A signed cookie. `path` and `host` say as well which requests it is for. */
export interface CookieIdentityOptions extends SessionCookieOptions, IdentityScope {
  /** The cookie's name; default `'sid'`. With `__Host-` or `__Secure-` before it browsers take it over HTTPS only. */
  name?: string;
}

/** The names that mean something to browsers, whatever their case (RFC 6265bis, section 5.7). */
const PREFIX = /^__(host|secure)-/i;

/** The token in a signed cookie, as express-session has it. Throws a `TypeError` for what no browser would take. */
export function cookieIdentity(options: CookieIdentityOptions = {}): SessionIdentity {
  const { name = 'sid', host, ...cookie } = options;
  if (!isTokenName(name)) {
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
    // The cookie that the session layer hands in is always its own.
    set(res, token, session) {
      const line = LiveCookie.set(session.cookie as LiveCookie, name, token, session.expiresAt);
      res.appendHeader('Set-Cookie', line);
    },
    remove(res, session) {
      res.appendHeader('Set-Cookie', LiveCookie.clear(session.cookie as LiveCookie, name));
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
