import { stringifySetCookie } from 'cookie';
import { Cookie } from 'express-session';
import { NEVER } from '../contract/record.js';
import type { SessionCookie } from './cookie.js';
import { ATTRIBUTES, ATTRIBUTE_NAMES, ownAttributes, type CookieAttributes } from './attributes.js';

/**
 * The longest age of a cookie, in milliseconds: 400 days, as browsers have it (RFC 6265bis, section 5.5). They shorten
 * a longer one.
 */
export const LONGEST_AGE = 400 * 24 * 60 * 60_000;

const AS_IT_IS = { encode: (value: string) => value };

/** The current attributes of a cookie. */
type Attributes = { -readonly [Name in keyof CookieAttributes]: CookieAttributes[Name] };

/**
 * The cookie of one session in one request, at `session.cookie`. It extends express-session's `Cookie`, whose `maxAge`
 * and `expires` apps set. A `maxAge` that was set stays the same, while the original derives it from the running clock.
 * It also knows which attributes differ from the defaults.
 */
export class LiveCookie implements SessionCookie {
  declare path: CookieAttributes['path'];
  declare expires?: Date | null;
  declare _expires?: Date | null;
  declare originalMaxAge: number | null;
  declare httpOnly: CookieAttributes['httpOnly'];
  declare secure: CookieAttributes['secure'];
  declare sameSite: CookieAttributes['sameSite'];
  declare domain: CookieAttributes['domain'];
  declare priority: CookieAttributes['priority'];
  declare partitioned: CookieAttributes['partitioned'];
  readonly #defaults: CookieAttributes;
  #ownText: string | undefined;
  /** The group that `setGroupName` set. Stored with the attributes, where no data of the app can be. */
  #groupName: string | undefined;

  static {
    // The original's constructor is not called: its loops cost more than everything else.
    Object.setPrototypeOf(this.prototype, Cookie.prototype);
    Object.defineProperty(this, 'name', { value: 'Cookie' });
  }

  /**
   * @param defaults the configured attributes, with `secure` resolved for this request
   * @param ownText the JSON text of what this session has changed: attributes, and its group name; `undefined` if that
   *   is nothing
   */
  constructor(defaults: CookieAttributes, ownText?: string) {
    this.#defaults = defaults;
    this.#take(ownText);
  }

  #take(ownText: string | undefined): void {
    const attributes =
      ownText === undefined ? this.#defaults : { ...this.#defaults, ...ownAttributes(ownText) };
    const { maxAge = null, domain, priority, partitioned } = attributes;
    this.path = attributes.path;
    this._expires = maxAge === null ? null : new Date(Date.now() + maxAge);
    this.originalMaxAge = maxAge;
    this.httpOnly = attributes.httpOnly;
    this.secure = attributes.secure;
    this.sameSite = attributes.sameSite;
    if (domain !== this.domain) this.domain = domain;
    if (priority !== this.priority) this.priority = priority;
    if (partitioned !== this.partitioned) this.partitioned = partitioned;
    this.#groupName = ownText === undefined ? undefined : groupNameIn(ownText);
    this.#ownText = ownText === undefined ? undefined : this.#current();
  }

  set maxAge(age: number | null | undefined) {
    // The original would treat '' as null.
    if (typeof age === 'string') throw new TypeError('maxAge must be a number of milliseconds, or null');
    Reflect.set(Cookie.prototype, 'maxAge', age, this);
    if (typeof age === 'number') this.originalMaxAge = age;
  }

  get maxAge(): number | null | undefined {
    return Reflect.get(Cookie.prototype, 'maxAge', this) as number | null | undefined;
  }

  // Static methods, because apps hold the object.

  /** How long the session lives from now on, in milliseconds; `idleTimeout` if the cookie has no `maxAge`. */
  static lifetime({ originalMaxAge: age }: LiveCookie, idleTimeout: number): number {
    if (typeof age !== 'number') return Math.min(idleTimeout, NEVER);
    if (!Number.isFinite(age)) {
      throw new TypeError('session.cookie.maxAge must be a finite number of milliseconds, or null');
    }
    return Math.min(age, NEVER);
  }

  /**
   * How the cookie differs from what is stored of it; `undefined` if it does not. Throws a `TypeError` that names an
   * attribute with an invalid value.
   *
   * @param keeps what is stored of it: what differs from the defaults, or all attributes
   * @param isStored whether anything is stored yet
   */
  static change(
    cookie: LiveCookie,
    keeps: 'own' | 'whole' = 'own',
    isStored = true,
  ): CookieChange | undefined {
    const text = cookie.#current();
    if (text === cookie.#ownText && (isStored || keeps === 'own')) return undefined;
    const now = attributesOf(cookie);
    for (const name of ATTRIBUTE_NAMES) {
      if (now[name] === cookie.#defaults[name] || now[name] === undefined || ATTRIBUTES[name](now[name]))
        continue;
      throw new TypeError(`session.cookie.${name} must be a value that a cookie can have`);
    }
    return {
      text,
      stored: keeps === 'whole' ? LiveCookie.whole(cookie) : text,
      isForClient: attributesTextOf(text) !== attributesTextOf(cookie.#ownText),
    };
  }

  /** The group that `setGroupName` has set; `undefined` if there is none. */
  static groupName(cookie: LiveCookie): string | undefined {
    return cookie.#groupName;
  }

  static setGroupName(cookie: LiveCookie, group: string): void {
    cookie.#groupName = group;
  }

  /** Copies the attributes of another session's cookie. */
  static adopt(cookie: LiveCookie, other: LiveCookie): void {
    const { maxAge, ...attributes } = attributesOf(other);
    if (maxAge !== attributesOf(cookie).maxAge) cookie.maxAge = maxAge;
    for (const name of Object.keys(attributes) as (keyof typeof attributes)[]) {
      if (cookie[name] !== attributes[name]) Object.assign(cookie, { [name]: attributes[name] });
    }
  }

  /** The JSON text of all attributes, and of the group name. */
  static whole(cookie: LiveCookie): string {
    const { secure = false, sameSite = false, ...others } = attributesOf(cookie);
    return JSON.stringify({ ...others, secure, sameSite, groupName: cookie.#groupName });
  }

  /** Whether a JSON text has all attributes of a cookie, not only the changed ones. */
  static isWhole(text: string): boolean {
    return ownAttributes(text).path !== undefined;
  }

  /**
   * Loads the attributes that another request stored meanwhile, unless this request has changed any. Returns whether it
   * loaded them.
   */
  static refresh(cookie: LiveCookie, text: string | undefined): boolean {
    if (cookie.#current() !== cookie.#ownText) return false;
    cookie.#take(text);
    return true;
  }

  /** Records that `text` was stored. */
  static saved(cookie: LiveCookie, text: string | undefined): void {
    cookie.#ownText = text;
  }

  /** Sets how long the session still lives, in milliseconds. `originalMaxAge` stays the same. */
  static expireIn(cookie: LiveCookie, left: number): void {
    if (typeof cookie.originalMaxAge === 'number')
      cookie._expires = new Date(Math.min(Date.now() + left, NEVER));
  }

  /** Counts the cookie's `maxAge` from now again. */
  static renew(cookie: LiveCookie): void {
    if (typeof cookie.originalMaxAge === 'number') cookie.maxAge = cookie.originalMaxAge;
  }

  /**
   * The `Set-Cookie` value that gives the client `value` until `expiresAt`, at most for {@link LONGEST_AGE}. `value` must
   * need no escaping.
   *
   * @param withMaxAge whether to send `Max-Age` too. A browser whose clock is ahead drops a cookie that has only
   *   `Expires`
   */
  static set(
    cookie: LiveCookie,
    name: string,
    value: string,
    expiresAt: number,
    withMaxAge: boolean,
  ): string {
    const { originalMaxAge, maxAge: left } = cookie;
    if (typeof originalMaxAge !== 'number' || typeof left !== 'number')
      return cookie.#serialise(name, value, cookie.expires || undefined);
    const age = Math.min(left, LONGEST_AGE);
    const maxAge = withMaxAge ? Math.ceil(age / 1000) : undefined;
    return cookie.#serialise(name, value, new Date(expiresAt - (left - age)), maxAge);
  }

  /** The `Set-Cookie` value that makes the client remove the cookie. */
  static clear(cookie: LiveCookie, name: string): string {
    return cookie.#serialise(name, '', new Date(0));
  }

  #serialise(name: string, value: string, expires: Date | undefined, maxAge?: number): string {
    const { path, domain, httpOnly, secure, sameSite, priority, partitioned } = this;
    return stringifySetCookie(
      { name, value, maxAge, expires, path, domain, httpOnly, secure, sameSite, priority, partitioned },
      AS_IT_IS,
    );
  }

  /** The JSON text of the attributes that differ from the defaults and of the group name; `undefined` without any. */
  #current(): string | undefined {
    const own = this.#changed();
    if (this.#groupName === undefined) return own && JSON.stringify(own);
    return JSON.stringify({ ...own, groupName: this.#groupName });
  }

  /** The attributes that differ from the defaults; `undefined` if none does. */
  #changed(): Record<string, unknown> | undefined {
    const now = attributesOf(this);
    let own: Record<string, unknown> | undefined;
    for (const name of ATTRIBUTE_NAMES) {
      if (now[name] !== this.#defaults[name]) (own ??= {})[name] = now[name];
    }
    return own;
  }
}

/** What a save stores of a cookie. */
export interface CookieChange {
  /** The JSON text of what differs from the defaults; `undefined` if nothing does. */
  text: string | undefined;
  /** The JSON text that is stored: `text`, or that of all attributes. */
  stored: string | undefined;
  /** Whether attributes have changed, so that the client needs its cookie again. */
  isForClient: boolean;
}

/** The group name in a stored text; `undefined` if there is none, or the text is damaged. */
function groupNameIn(text: string): string | undefined {
  // Few sessions have one, and parsing costs more than this.
  if (!text.includes('"groupName"')) return undefined;
  try {
    const { groupName } = Object(JSON.parse(text)) as { groupName?: unknown };
    return typeof groupName === 'string' && groupName.isWellFormed() ? groupName : undefined;
  } catch {
    return undefined;
  }
}

/** The part of a text that `#current` made that is for the client. */
function attributesTextOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const { groupName: _, ...attributes } = JSON.parse(text) as Record<string, unknown>;
  return Object.keys(attributes).length === 0 ? undefined : JSON.stringify(attributes);
}

function attributesOf(cookie: LiveCookie): Attributes {
  return {
    maxAge: typeof cookie.originalMaxAge === 'number' ? cookie.originalMaxAge : null,
    path: cookie.path,
    domain: cookie.domain,
    httpOnly: cookie.httpOnly,
    secure: cookie.secure,
    sameSite: cookie.sameSite,
    priority: cookie.priority,
    partitioned: cookie.partitioned,
  };
}
