import { checkNoOthers } from '../contract/option-checks.js';
import { resolveCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { isTokenName, type SessionIdentity } from './identity.js';
import { checkPath, scope, type IdentityScope } from './scope.js';

/** The options of `headerIdentity`. */
export interface HeaderIdentityOptions extends IdentityScope {
  /** The name of the header in requests and responses; default `'x-auth-token'`. */
  name?: string | undefined;
  /** How long a session lives unused, in milliseconds; default: `idleTimeout`. */
  maxAge?: number | undefined;
}

/**
 * The token travels in a header, for clients that are not browsers. No cookie is sent. A request with the header never
 * uses another identity. Scripts of other origins need the name in `Access-Control-Expose-Headers`.
 */
export function headerIdentity(options: HeaderIdentityOptions = {}): SessionIdentity {
  const { name = 'x-auth-token', host, path = '/', maxAge, ...others } = options;
  checkNoOthers('headerIdentity', others, 'name, host, path, maxAge');
  if (!isTokenName(name) || /^(set-)?cookie$/i.test(name)) {
    throw new TypeError("name must be the name of a header: write one such as 'x-auth-token'");
  }
  const header = name.toLowerCase();
  if (header === 'authorization') {
    throw new TypeError(
      "name must not be Authorization, which has a scheme before its token: write one such as 'x-auth-token'",
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
