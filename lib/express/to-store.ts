import expressSession from 'express-session';
import { cookieOf, cookieText, expiryOf, type ExpressSessionJson } from '../stores/express/cookie.js';
import { ownProperty, serialise } from '../session/data.js';
import {
  valuesOf,
  NEVER,
  type SessionChange,
  type SessionRecord,
  NO_SECRET_HASH,
} from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { checkLifetime, checkNoOthers } from '../contract/options.js';
import { checkStore } from '../options/store.js';

/** How sessions look to express-session. Durations are milliseconds. */
export interface ToExpressStoreOptions {
  /** How long a session lives whose cookie has no age of its own; default 24 h, `Infinity` never ends. */
  idleTimeout?: number;
  /** The attributes of a cookie that has none of its own: those of the middleware that made the sessions. */
  cookie?: object;
}

/** One of our stores as plain express-session and its companions want it. */
export interface StoreForExpress extends expressSession.Store {
  /** Puts a new session on a request; express-session sets it. */
  generate: ((req: any) => void) | undefined;
  touch: NonNullable<expressSession.Store['touch']>;
  all: NonNullable<expressSession.Store['all']>;
  length: NonNullable<expressSession.Store['length']>;
  clear: NonNullable<expressSession.Store['clear']>;
  /** Closes what its first call opened. */
  close(): Promise<void>;
}

type Callback<T = void> = (error?: unknown, value?: T) => void;

const DAY = 24 * 60 * 60_000;

/**
 * One of our stores for plain express-session: `session({ store: toExpressStore(new RedisStore({ url })) })`. It is opened
 * at its first call.
 *
 * Kept: only the properties that a request changed are written, so parallel requests keep each other's; `set` and `touch`
 * of a session that was loaded or made before, and ended meanwhile, write nothing and report no error, so no slower
 * request brings it back; an expiry is exact; groups, which others may give a session, stay.
 * Not kept: the answer may leave before the session is saved, and the cookie holds the bare id, for so express-session
 * works; `set` with an object that came neither from `get` nor from a request's session makes the session if there is
 * none. It never emits `disconnect`: a call that fails is an error.
 */
export function toExpressStore(store: SessionStore, options: ToExpressStoreOptions = {}): StoreForExpress {
  return new StoreOverOurs(store, options);
}

class StoreOverOurs extends expressSession.Store implements StoreForExpress {
  readonly #store: SessionStore;
  readonly #idleTimeout: number;
  readonly #cookie: object;
  /** What was stored for a session object when it was loaded or last saved; `undefined` for one that never was. */
  readonly #known = new WeakMap<object, SessionRecord | undefined>();
  #generate: ((req: { session?: object }) => void) | undefined;

  constructor(store: SessionStore, { idleTimeout = DAY, cookie = {}, ...others }: ToExpressStoreOptions) {
    super();
    checkNoOthers('toExpressStore', others, 'idleTimeout, cookie');
    this.#store = checkStore(store);
    this.#idleTimeout = checkLifetime('idleTimeout', idleTimeout, 'use Infinity for sessions that never end');
    this.#cookie = cookie;
  }

  // express-session assigns it. What it makes is new, and may be created by `set`.
  get generate(): ((req: any) => void) | undefined {
    return this.#generate;
  }

  set generate(make: ((req: { session?: object }) => void) | undefined) {
    this.#generate =
      make &&
      ((req) => {
        make(req);
        if (req.session) this.#known.set(req.session, undefined);
      });
  }

  override createSession(req: never, session: expressSession.SessionData): never {
    const record = this.#known.get(session);
    const made = super.createSession(req, session as never) as unknown as object;
    if (this.#known.has(session)) this.#known.set(made, record);
    return made as never;
  }

  override get(
    id: string,
    callback: (error?: any, session?: expressSession.SessionData | null) => void,
  ): void {
    this.#answer(callback as Callback<unknown>, async () => {
      const record = await this.#store.read(id);
      if (!record) return null;
      const session = this.#sessionOf(record);
      this.#known.set(session, record);
      return session;
    });
  }

  override set(id: string, session: expressSession.SessionData, callback?: Callback): void {
    this.#answer(callback, async () => {
      const texts = textsOf(session);
      if (this.#known.has(session)) {
        const before = this.#known.get(session);
        if (before) return this.#change(id, session, texts, before);
      } else {
        const before = await this.#store.read(id);
        if (before) return this.#change(id, session, texts, before);
      }
      const now = this.#store.now();
      const expiresAt = this.#expiry(session, now);
      if (expiresAt <= now) return;
      const record = { id, secretHash: NO_SECRET_HASH, data: texts, groups: [], createdAt: now, expiresAt };
      await this.#store.create(record);
      this.#known.set(session, record);
    });
  }

  override touch(id: string, session: expressSession.SessionData, callback?: Callback): void {
    this.#answer(callback, async () => {
      const record = this.#known.get(session) ?? (await this.#store.read(id));
      if (!record) return;
      const to = this.#expiry(session, this.#store.now());
      const answer = await this.#store.update(record, { touch: { from: record.expiresAt, to } });
      if (answer && this.#known.has(session)) {
        this.#known.set(session, { ...record, expiresAt: answer.expiresAt });
      }
    });
  }

  override destroy(id: string, callback?: Callback): void {
    this.#answer(callback, async () => void (await this.#store.destroy(id)));
  }

  /** By id, as `MemoryStore` gives them. */
  override all(
    callback: (error: any, sessions?: Record<string, expressSession.SessionData> | null) => void,
  ): void {
    this.#answer(callback as Callback<unknown>, async () => {
      const sessions = Object.create(null) as Record<string, unknown>;
      let after: string | undefined;
      do {
        const { records, next } = await this.#store.page({ after, limit: 1000 });
        for (const record of records) sessions[record.id] = this.#sessionOf(record);
        after = next;
      } while (after !== undefined);
      return sessions;
    });
  }

  override length(callback: (error: any, length?: number) => void): void {
    this.#answer(callback as Callback<number>, () => this.#store.count());
  }

  override clear(callback?: Callback): void {
    this.#answer(callback, async () => void (await this.#store.clear()));
  }

  close(): Promise<void> {
    return Promise.resolve(this.#store.close?.());
  }

  /** Writes what differs from `before`, and nothing when the session has ended. */
  async #change(
    id: string,
    session: expressSession.SessionData,
    texts: Record<string, string>,
    before: SessionRecord,
  ): Promise<void> {
    const change: SessionChange = {};
    for (const name of Object.keys(texts)) {
      if (name === 'cookie' && this.#cookieIsAsBefore(texts[name]!, before)) continue;
      if (before.data[name] === texts[name]) continue;
      change.set ??= Object.create(null) as Record<string, string>;
      change.set[name] = texts[name]!;
    }
    const gone = Object.keys(before.data).filter((name) => !(name in texts));
    if (gone.length > 0) change.remove = gone;

    const to = this.#expiry(session, this.#store.now());
    if (change.set?.['cookie'] !== undefined) change.expiresAt = to;
    else if (to !== before.expiresAt) change.touch = { from: before.expiresAt, to };

    const answer = await this.#store.update(before, change);
    if (!answer) return;
    const data = Object.assign(Object.create(null), before.data, change.set) as Record<string, string>;
    for (const name of gone) delete data[name];
    this.#known.set(session, { ...before, id, data, expiresAt: answer.expiresAt });
  }

  #cookieIsAsBefore(text: string, { data, expiresAt }: SessionRecord): boolean {
    return cookieText(cookieOf(data['cookie'], expiresAt, this.#cookie)) === text;
  }

  #sessionOf({ data, expiresAt }: SessionRecord): ExpressSessionJson {
    const session = { cookie: cookieOf(data['cookie'], expiresAt, this.#cookie) } as ExpressSessionJson;
    for (const [name, value] of Object.entries(valuesOf(data))) ownProperty(session, name, value);
    return session;
  }

  #expiry({ cookie }: expressSession.SessionData, now: number): number {
    return Math.floor(expiryOf(cookie) ?? Math.min(now + this.#idleTimeout, NEVER));
  }

  #answer<T>(callback: Callback<T> | undefined, work: () => Promise<T>): void {
    Promise.resolve(this.#store.open?.())
      .then(work)
      // Out of the promise before calling back: what the callback throws is the app's own, not a rejection of ours.
      .then(
        (value) => callback && setImmediate(callback, null, value),
        (error: unknown) => callback && setImmediate(callback, error),
      );
  }
}

function textsOf(session: expressSession.SessionData): Record<string, string> {
  const texts = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(session)) {
    const text = name === 'cookie' ? cookieText(value) : serialise(name, value);
    if (text !== undefined) texts[name] = text;
  }
  return texts;
}
