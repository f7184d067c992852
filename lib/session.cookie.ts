import { stringifySetCookie } from 'cookie';
import expressSession from 'express-session';
import { NEVER } from './session.store.js';

/** How the session cookie is set. What is left out takes the default beside it. */
export interface SessionCookieOptions {
  /** How long browser and store keep the session, in milliseconds. Absent: a cookie that ends with the browser, and `ttl` in the store. */
  maxAge?: number | null;
  /** Kept from scripts; default `true`. */
  httpOnly?: boolean;
  /** Default `'lax'`. */
  sameSite?: boolean | 'lax' | 'strict' | 'none';
  /** `'auto'` (default): as the request was; `true`: never sent over plain HTTP. */
  secure?: boolean | 'auto';
  /** Default `'/'`; requests elsewhere have no session. */
  path?: string;
  /** Default: the host that set it, alone. */
  domain?: string;
  priority?: 'low' | 'medium' | 'high';
  partitioned?: boolean;
}

/** What a session's cookie can have of its own, apart from the configured defaults. */
type CookieAttributes = Omit<SessionCookieOptions, 'maxAge'> & { maxAge?: number | null };

type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === 'string';
const isBoolean: Check = (value) => typeof value === 'boolean';

/** The attributes that are kept, each with what it may be: on load nothing else is taken. */
const ATTRIBUTES: Record<keyof CookieAttributes, Check> = {
  maxAge: (value) => value === null || (typeof value === 'number' && Number.isFinite(value)),
  path: isString,
  domain: isString,
  httpOnly: isBoolean,
  secure: isBoolean,
  sameSite: (value) => isBoolean(value) || value === 'lax' || value === 'strict' || value === 'none',
  priority: (value) => value === 'low' || value === 'medium' || value === 'high',
  partitioned: isBoolean,
};
const ATTRIBUTE_NAMES = Object.keys(ATTRIBUTES) as (keyof CookieAttributes)[];

/** The known and well-typed attributes in `text`; whatever else it holds is left out. */
function ownAttributes(text: string): CookieAttributes {
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

/**
 * The cookie at `session.cookie`: express-session's, but an age set is the age that stays, where the original derives it
 * from a clock that ticks, and made without its loops.
 */
class Cookie {
  declare path: CookieAttributes['path'];
  declare httpOnly: CookieAttributes['httpOnly'];
  declare secure: CookieAttributes['secure'];
  declare sameSite: CookieAttributes['sameSite'];
  declare domain: CookieAttributes['domain'];
  declare priority: CookieAttributes['priority'];
  declare partitioned: CookieAttributes['partitioned'];
  declare expires?: Date | null;
  declare originalMaxAge: number | null;
  declare _expires?: Date | null;

  static {
    Object.setPrototypeOf(this.prototype, expressSession.Cookie.prototype);
  }

  constructor(attributes: CookieAttributes) {
    const { maxAge = null, domain, priority, partitioned } = attributes;
    this.path = attributes.path;
    this._expires = maxAge === null ? null : new Date(Date.now() + maxAge);
    this.originalMaxAge = maxAge;
    this.httpOnly = attributes.httpOnly;
    this.secure = attributes.secure;
    this.sameSite = attributes.sameSite;
    if (domain !== undefined) this.domain = domain;
    if (priority !== undefined) this.priority = priority;
    if (partitioned !== undefined) this.partitioned = partitioned;
  }

  set maxAge(age: number | null | undefined) {
    Reflect.set(expressSession.Cookie.prototype, 'maxAge', age, this);
    if (typeof age === 'number') this.originalMaxAge = age;
  }

  get maxAge(): number | null | undefined {
    return Reflect.get(expressSession.Cookie.prototype, 'maxAge', this) as number | null | undefined;
  }
}

/** The cookie of one session in one request. Its class is express-session's, whose `maxAge` and `expires` apps set. */
export class SessionCookie {
  readonly cookie: expressSession.Cookie;
  readonly #defaults: CookieAttributes;
  #ownText: string | undefined;

  /**
   * @param defaults the configured attributes, `secure` resolved for this request
   * @param ownText the JSON text of what this session's cookie has of its own
   */
  constructor(defaults: CookieAttributes, ownText?: string) {
    this.#defaults = defaults;
    const attributes = ownText === undefined ? defaults : { ...defaults, ...ownAttributes(ownText) };
    this.cookie = new Cookie(attributes) as unknown as expressSession.Cookie;
    this.#ownText = ownText === undefined ? undefined : this.#current();
  }

  /** How long the session lives from now, in milliseconds; `ttl` when the cookie itself has no age. */
  lifetime(ttl: number): number {
    const age = this.cookie.originalMaxAge;
    if (age === null || age === undefined || (age as unknown) === false) return Math.min(ttl, NEVER);
    if (!Number.isFinite(age)) {
      throw new TypeError('session.cookie.maxAge must be a finite number of milliseconds, or null');
    }
    return Math.min(age, NEVER);
  }

  /** The JSON text of what differs from the defaults, `undefined` when nothing does; and whether that is new. */
  own(): { text: string | undefined; changed: boolean } {
    const text = this.#current();
    return { text, changed: text !== this.#ownText };
  }

  /** Takes what was stored, `text`, as unchanged. */
  saved(text: string | undefined): void {
    this.#ownText = text;
  }

  /** Counts the cookie's age from now again. */
  renew(): void {
    const { cookie } = this;
    if (typeof cookie.originalMaxAge === 'number') cookie.maxAge = cookie.originalMaxAge;
  }

  /** The `Set-Cookie` value that gives the client `value` until `expiresAt`. */
  set(name: string, value: string, expiresAt: number): string {
    const { maxAge, ...attributes } = this.#attributes();
    const expires = typeof maxAge === 'number' ? new Date(expiresAt) : undefined;
    if (expires) this.#expire(expires, maxAge as number);
    return stringifySetCookie({ name, value, ...(attributes as object), expires });
  }

  /** The `Set-Cookie` value that makes the client forget the cookie. */
  clear(name: string): string {
    const { maxAge: _, ...attributes } = this.#attributes();
    return stringifySetCookie({ name, value: '', ...(attributes as object), expires: new Date(0) });
  }

  /** Sets the expiry alone: the class takes every new expiry for a new age. */
  #expire(expires: Date, age: number): void {
    this.cookie.expires = expires;
    this.cookie.originalMaxAge = age;
  }

  #attributes(): CookieAttributes {
    const { cookie } = this;
    return {
      maxAge: typeof cookie.originalMaxAge === 'number' ? cookie.originalMaxAge : null,
      path: cookie.path,
      domain: cookie.domain,
      httpOnly: cookie.httpOnly,
      secure: cookie.secure,
      sameSite: cookie.sameSite,
      priority: (cookie as expressSession.CookieOptions).priority,
      partitioned: (cookie as expressSession.CookieOptions).partitioned,
    };
  }

  #current(): string | undefined {
    const now = this.#attributes();
    let own: Record<string, unknown> | undefined;
    for (const name of ATTRIBUTE_NAMES) {
      if (now[name] === this.#defaults[name]) continue;
      (own ??= {})[name] = now[name];
    }
    return own && JSON.stringify(own);
  }
}
