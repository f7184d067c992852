import { parseCookie } from 'cookie';
import { resolveCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { isTokenName, type SessionIdentity } from './identity.js';
import { scope, type IdentityScope } from './scope.js';

/** The options of `cookieIdentity`. `path` and `host` also say which requests it applies to. */
export interface CookieIdentityOptions extends SessionCookieOptions, IdentityScope {
  /** The cookie's name; default `'sid'`. Browsers accept the prefixes `__Host-` and `__Secure-` only over HTTPS. */
  name?: string | undefined;
}

/** The prefixes with a meaning for browsers, in any case (RFC 6265bis, section 5.7). */
const PREFIX = /^__(host|secure)-/i;

/**
 * The token travels in a signed cookie, as in express-session. Throws a `TypeError` for attributes that browsers do not
 * accept.
 */
export function cookieIdentity(options: CookieIdentityOptions = {}): SessionIdentity {
  return identityOf(options, true);
}

/** As `cookieIdentity`, but the cookie has `Expires` alone, as in express-session. */
export function cookieIdentityWithoutMaxAge(options: CookieIdentityOptions): SessionIdentity {
  return identityOf(options, false);
}

function identityOf(options: CookieIdentityOptions, withMaxAge: boolean): SessionIdentity {
  const { name = 'sid', host, ...cookie } = options;
  if (!isTokenName(name)) {
    throw new TypeError(
      `name must be a cookie name such as 'sid': write letters, digits and !#$%&'*+-.^_\`|~`,
    );
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
    // The session layer always passes a `LiveCookie`.
    set(res, token, session) {
      const line = LiveCookie.set(session.cookie as LiveCookie, name, token, session.expiresAt, withMaxAge);
      // As a list, because adapters of serverless platforms take a single string for a header that cannot be repeated.
      res.appendHeader('Set-Cookie', [line]);
    },
    remove(res, session) {
      res.appendHeader('Set-Cookie', [LiveCookie.clear(session.cookie as LiveCookie, name)]);
    },
  };
}

/** All values with this name in a `Cookie` header. A parsed header keeps only the first of several with one name. */
function cookiesOf(header: string | undefined, name: string): string[] | undefined {
  if (header === undefined || !header.includes(name)) return undefined;
  let values: string[] | undefined;
  for (const part of header.split(';')) {
    const pair = part.replace(SURROUNDING, '');
    if (!pair.startsWith(name)) continue;
    const value = parseCookie(pair, UNDECODED)[name];
    if (value !== undefined) (values ??= []).push(value);
  }
  return values;
}

/** What may surround a cookie: a name that begins with another space is another name (RFC 6265bis, section 5.6). */
const SURROUNDING = /^[ \t]+|[ \t]+$/g;

const UNDECODED = { decode: (value: string) => value };

function checkCookiePrefix(name: string, isAlwaysSecure: boolean, cookie: SessionCookieOptions): void {
  const [prefix, kind] = PREFIX.exec(name) ?? [];
  if (prefix === undefined) return;
  if (!isAlwaysSecure) {
    throw new TypeError(
      `secure must be true for a ${prefix} cookie, or browsers reject it: write secure: true next to name`,
    );
  }
  if (kind!.toLowerCase() === 'host' && (cookie.domain !== undefined || (cookie.path ?? '/') !== '/')) {
    throw new TypeError(
      `path must be '/' and domain absent for a ${prefix} cookie, or browsers reject it: leave both out`,
    );
  }
}
