import { checkNoOthers } from '../contract/options.js';
import { resolveCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { isTokenName, type SessionIdentity } from './identity.js';
import { checkPath, scope, type IdentityScope } from './scope.js';

/** A header, the same in requests and in answers. */
export interface HeaderIdentityOptions extends IdentityScope {
  /** The header's name; default `'x-auth-token'`. */
  name?: string;
  /** How long a session lives unused, in milliseconds; default: `idleTimeout`. */
  maxAge?: number;
}

/**
 * The token in a header, for clients that are no browsers: no cookie is sent. A request that has the header is never
 * taken for another identity's. Scripts of other origins need the name in `Access-Control-Expose-Headers`.
 */
export function headerIdentity(options: HeaderIdentityOptions = {}): SessionIdentity {
  const { name = 'x-auth-token', host, path = '/', maxAge, ...others } = options;
  checkNoOthers('headerIdentity', others, 'name, host, path, maxAge');
  if (!isTokenName(name) || /^(set-)?cookie$/i.test(name)) {
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
