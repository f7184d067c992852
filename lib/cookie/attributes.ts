import { stringifySetCookie } from 'cookie';
import { checkFlag, checkLifetime } from '../contract/options.js';

/** How the session cookie is set. What is left out takes the default beside it. */
export interface SessionCookieOptions {
  /** How long browser and store keep the session, in milliseconds. Absent: a cookie that ends with the browser, and `idleTimeout` in the store. */
  maxAge?: number | null;
  /** Kept from scripts; default `true`. */
  httpOnly?: boolean;
  /** Default `'lax'`; `'auto'`: `'none'` for requests over HTTPS, `'lax'` for others. */
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto';
  /** `'auto'` (default): as the request was; `true`: never sent over plain HTTP. */
  secure?: boolean | 'auto';
  /** Default `'/'`; requests elsewhere have no session. */
  path?: string;
  /** Default: the host that set it, alone. */
  domain?: string;
  priority?: 'low' | 'medium' | 'high';
  partitioned?: boolean;
}

/** The attributes of a cookie for one request: what `'auto'` comes to is known. */
export type CookieAttributes = Omit<SessionCookieOptions, 'sameSite' | 'secure'> & {
  sameSite?: boolean | 'lax' | 'strict' | 'none';
  secure?: boolean;
};

/** A cookie's attributes for requests over HTTPS, and for others. */
export interface ResolvedCookie {
  secure: CookieAttributes;
  plain: CookieAttributes;
}

type Check = (value: unknown) => boolean;

/** Whether a `Set-Cookie` header can carry the text of an attribute. */
const isText =
  (attribute: 'path' | 'domain'): Check =>
  (value) => {
    if (typeof value !== 'string') return false;
    try {
      stringifySetCookie({ name: 'n', value: '', [attribute]: value });
      return true;
    } catch {
      return false;
    }
  };
const isBoolean: Check = (value) => typeof value === 'boolean';

/** The attributes that are kept, each with what it may be: on load nothing else is taken. */
export const ATTRIBUTES: Record<keyof CookieAttributes, Check> = {
  maxAge: (value) => value === null || (typeof value === 'number' && Number.isFinite(value)),
  path: isText('path'),
  domain: isText('domain'),
  httpOnly: isBoolean,
  secure: isBoolean,
  sameSite: (value) => isBoolean(value) || value === 'lax' || value === 'strict' || value === 'none',
  priority: (value) => value === 'low' || value === 'medium' || value === 'high',
  partitioned: isBoolean,
};
export const ATTRIBUTE_NAMES = Object.keys(ATTRIBUTES) as (keyof CookieAttributes)[];

/** The attributes that may be `'auto'`. */
const AUTO = new Set<keyof CookieAttributes>(['secure', 'sameSite']);

/**
 * Checks the configured attributes of a cookie and fills in `defaults`. Throws a `TypeError` that says what to write
 * instead.
 */
export function resolveCookie(
  cookie: SessionCookieOptions = {},
  defaults: SessionCookieOptions = COOKIE_DEFAULTS,
): ResolvedCookie {
  if (typeof cookie !== 'object' || cookie === null) {
    throw new TypeError('cookie must be an object of attributes: cookie: { maxAge: 30 * 60_000 }');
  }
  if ('then' in cookie) {
    throw new TypeError(
      'cookie must be attributes, not a promise of them: a function must return them at once',
    );
  }
  if ('expires' in cookie) {
    throw new TypeError(
      'cookie.expires would end every session at one instant: write cookie: { maxAge: milliseconds }',
    );
  }
  const unknown = Object.keys(cookie).find((name) => !Object.hasOwn(ATTRIBUTES, name));
  if (unknown !== undefined)
    throw new TypeError(`cookie has no attribute \`${unknown}\`: ${ATTRIBUTE_NAMES.join(', ')} are all`);
  const { maxAge = null, path = '/', secure, sameSite, ...attributes } = { ...defaults, ...defined(cookie) };
  if (maxAge === Infinity)
    throw new TypeError(
      'cookie.maxAge must be finite; for sessions that never end write idleTimeout: Infinity',
    );
  if (maxAge !== null)
    checkLifetime('cookie.maxAge', maxAge, 'leave it out for a cookie that ends with the browser');
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError("cookie.path must be a path such as '/'");
  if (secure !== 'auto') checkFlag('cookie.secure', secure, " or 'auto'");
  const wrong = ATTRIBUTE_NAMES.find((name) => {
    const value = cookie[name];
    return value !== undefined && !(AUTO.has(name) && value === 'auto') && !ATTRIBUTES[name](value);
  });
  if (wrong !== undefined) {
    throw new TypeError(`cookie.${wrong} is not what a cookie can have: see the attributes of Set-Cookie`);
  }
  const at = (isSecure: boolean): CookieAttributes => ({
    maxAge,
    ...attributes,
    path,
    secure: secure === 'auto' ? isSecure : secure,
    sameSite: sameSite === 'auto' ? (isSecure ? 'none' : 'lax') : sameSite,
  });
  return { secure: at(true), plain: at(false) };
}

const COOKIE_DEFAULTS: SessionCookieOptions = { httpOnly: true, sameSite: 'lax', secure: 'auto' };

/** The options that are given: one that is `undefined` is as if left out. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** The known and well-typed attributes in `text`; whatever else it holds is left out. */
export function ownAttributes(text: string): CookieAttributes {
  const own: Record<string, unknown> = {};
  try {
    const stored = Object(JSON.parse(text)) as Record<string, unknown>;
    for (const name of ATTRIBUTE_NAMES) {
      if (Object.hasOwn(stored, name) && ATTRIBUTES[name](stored[name])) own[name] = stored[name];
    }
  } catch {
    // Not JSON: the session's cookie has nothing of its own, as if it had never been changed.
  }
  return own;
}
