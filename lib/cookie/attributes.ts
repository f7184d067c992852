import { stringifySetCookie } from 'cookie';
import { checkFlag, checkLifetime } from '../contract/option-checks.js';

/** The attributes of the session cookie. */
export interface SessionCookieOptions {
  /**
   * How long the browser and the store keep the session, in milliseconds. Default: the cookie lasts until the browser
   * is closed, and the store keeps the session for `idleTimeout`.
   */
  maxAge?: number | null | undefined;
  /** Whether scripts in the browser cannot read the cookie; default `true`. */
  httpOnly?: boolean | undefined;
  /** Default `'lax'`; `'auto'`: `'none'` for requests over HTTPS, `'lax'` for others. */
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined;
  /** `'auto'` (default): `true` for requests over HTTPS, `false` for others. `true`: never sent over plain HTTP. */
  secure?: boolean | 'auto' | undefined;
  /** The path of the requests with a session; default `'/'`. */
  path?: string | undefined;
  /** Default: only the host that set the cookie. */
  domain?: string | undefined;
  priority?: 'low' | 'medium' | 'high' | undefined;
  partitioned?: boolean | undefined;
}

/** The attributes of a cookie for one request, with `'auto'` resolved. */
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

/** Whether an attribute's value is a string that a `Set-Cookie` header can carry. */
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

/** The attributes that are stored, each with the check of its value. Nothing else is loaded. */
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
/** The names of the attributes that are stored. */
export const ATTRIBUTE_NAMES = Object.keys(ATTRIBUTES) as (keyof CookieAttributes)[];

/** The attributes that may be `'auto'`. */
const AUTO = new Set<keyof CookieAttributes>(['secure', 'sameSite']);

/**
 * Checks the configured attributes of a cookie and adds defaults. Throws a `TypeError` that says what to write instead.
 */
export function resolveCookie(
  cookie: SessionCookieOptions = {},
  defaults: SessionCookieOptions = COOKIE_DEFAULTS,
): ResolvedCookie {
  if (typeof cookie !== 'object' || cookie === null) {
    throw new TypeError('cookie must be an object of attributes: write cookie: { maxAge: 30 * 60_000 }');
  }
  if ('then' in cookie) {
    throw new TypeError(
      'cookie must be attributes, not a promise of them: write a function that returns them synchronously',
    );
  }
  if ('expires' in cookie) {
    throw new TypeError(
      'cookie.expires must not be set, because all sessions would expire at the same instant: write cookie: { maxAge: milliseconds }',
    );
  }
  const unknown = Object.keys(cookie).find((name) => !Object.hasOwn(ATTRIBUTES, name));
  if (unknown !== undefined)
    throw new TypeError(
      `Unknown cookie attribute "${unknown}". Valid attributes: ${ATTRIBUTE_NAMES.join(', ')}`,
    );
  const { maxAge = null, path = '/', secure, sameSite, ...attributes } = { ...defaults, ...defined(cookie) };
  if (maxAge === Infinity)
    throw new TypeError(
      'cookie.maxAge must be finite: write idleTimeout: Infinity for sessions that never expire',
    );
  if (maxAge !== null)
    checkLifetime('cookie.maxAge', maxAge, 'leave it out for a cookie that ends with the browser');
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError("cookie.path must be a path: write one such as '/'");
  if (secure !== 'auto') checkFlag('cookie.secure', secure, " or 'auto'");
  const wrong = ATTRIBUTE_NAMES.find((name) => {
    const value = cookie[name];
    return value !== undefined && !(AUTO.has(name) && value === 'auto') && !ATTRIBUTES[name](value);
  });
  if (wrong !== undefined) {
    throw new TypeError(
      `cookie.${wrong} must be a value that a cookie can have: see the attributes of Set-Cookie`,
    );
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

/** The options without those that are `undefined`, which count as left out. */
function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** The known attributes with valid values in a JSON text. Anything else in it is left out. */
export function ownAttributes(text: string): CookieAttributes {
  const own: Record<string, unknown> = {};
  try {
    const stored = Object(JSON.parse(text)) as Record<string, unknown>;
    for (const name of ATTRIBUTE_NAMES) {
      if (Object.hasOwn(stored, name) && ATTRIBUTES[name](stored[name])) own[name] = stored[name];
    }
  } catch {
    // Not JSON: the cookie has the default attributes, as if it had never been changed.
  }
  return own;
}
