import { Store } from 'express-session';
import type expressSession from 'express-session';
import { cookieOf, cookieText, expiryOf, type ExpressSessionJson } from '../stores/express/cookie.js';
import { ownProperty, serialise } from '../session/data.js';
import { pagesOf } from '../contract/pages.js';
import {
  valuesOf,
  NEVER,
  type SessionChange,
  type SessionRecord,
  NO_SECRET_HASH,
} from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { newTexts } from '../contract/texts.js';
import { checkLifetime, checkNoOthers } from '../contract/option-checks.js';
import { checkStore } from '../options/check-store.js';

/** The options of `toExpressStore`. Durations are milliseconds. */
export interface ToExpressStoreOptions {
  /** How long a session without `cookie.maxAge` lives; default 24 h, `Infinity` for sessions that never expire. */
  idleTimeout?: number | undefined;
  /** The default attributes of cookies: those of the middleware that created the sessions. */
  cookie?: object | undefined;
}

/** A `SessionStore` as a store for express-session. */
export interface StoreForExpress extends expressSession.Store {
  /** Puts a new session on a request. express-session assigns it. */
  generate: ((req: any) => void) | undefined;
  touch: NonNullable<expressSession.Store['touch']>;
  all: NonNullable<expressSession.Store['all']>;
  length: NonNullable<expressSession.Store['length']>;
  clear: NonNullable<expressSession.Store['clear']>;
  /** Closes the store that the first call opened. */
  close(): Promise<void>;
}

type Callback<T = void> = (error?: unknown, value?: T) => void;

const DAY = 24 * 60 * 60_000;

/**
 * A `SessionStore` for plain express-session: `session({ store: toExpressStore(new RedisStore({ url })) })`. Its first
 * call opens the store.
 *
 * Kept guarantees:
 * - Only the properties that a request changed are written, so parallel requests keep each other's changes.
 * - `set` and `touch` of a session that has ended write nothing and report no error, so a slower request does not bring
 *   it back.
 * - Expiry is exact.
 * - The groups of a session stay as they are.
 *
 * Not kept, because of how express-session works:
 * - The response may be sent before the session is saved.
 * - The cookie contains the bare id.
 * - `set` with an object that came neither from `get` nor from a request creates the session if there is none.
 *
 * It never emits `disconnect`: a call that fails passes an error to its callback.
 */
export function toExpressStore(store: SessionStore, options: ToExpressStoreOptions = {}): StoreForExpress {
  return new StoreOverOurs(store, options);
}

class StoreOverOurs extends Store implements StoreForExpress {
  readonly #store: SessionStore;
  readonly #idleTimeout: number;
  readonly #cookie: object;
  /** Session object → its record when it was loaded or last saved; `undefined` if it was never stored. */
  readonly #known = new WeakMap<object, SessionRecord | undefined>();
  #generate: ((req: { session?: object }) => void) | undefined;

  constructor(store: SessionStore, { idleTimeout = DAY, cookie = {}, ...others }: ToExpressStoreOptions) {
    super();
    checkNoOthers('toExpressStore', others, 'idleTimeout, cookie');
    this.#store = checkStore(store);
    this.#idleTimeout = checkLifetime(
      'idleTimeout',
      idleTimeout,
      'write Infinity for sessions that never expire',
    );
    this.#cookie = cookie;
  }

  // Assigned by express-session. The sessions that it makes are new, so `set` may create them.
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
    this.#run(callback as Callback<unknown>, async () => {
      const record = await this.#store.read(id);
      if (!record) return null;
      const session = this.#sessionOf(record);
      this.#known.set(session, record);
      return session;
    });
  }

  override set(id: string, session: expressSession.SessionData, callback?: Callback): void {
    this.#run(callback, async () => {
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
      if (await this.#create(record)) this.#known.set(session, record);
    });
  }

  /** Resolves to `false`, and stores nothing, if a session with this id has ended: a slower request must not bring it back. */
  async #create(record: SessionRecord): Promise<boolean> {
    try {
      return await this.#store.create(record);
    } catch (error) {
      if (await this.#store.haveEnded([record.id])) return false;
      throw error;
    }
  }

  override touch(id: string, session: expressSession.SessionData, callback?: Callback): void {
    this.#run(callback, async () => {
      const record = this.#known.get(session) ?? (await this.#store.read(id));
      if (!record) return;
      const to = this.#expiry(session, this.#store.now());
      const updated = await this.#store.update(record, { touch: { from: record.expiresAt, to } });
      if (updated && this.#known.has(session)) {
        this.#known.set(session, { ...record, expiresAt: updated.expiresAt });
      }
    });
  }

  override destroy(id: string, callback?: Callback): void {
    this.#run(callback, async () => void (await this.#store.destroy(id)));
  }

  /** All sessions by id, as `MemoryStore` returns them. */
  override all(
    callback: (error: any, sessions?: Record<string, expressSession.SessionData> | null) => void,
  ): void {
    this.#run(callback as Callback<unknown>, async () => {
      const sessions = Object.create(null) as Record<string, unknown>;
      for await (const records of pagesOf(this.#store, undefined, 1000))
        for (const record of records) sessions[record.id] = this.#sessionOf(record);
      return sessions;
    });
  }

  override length(callback: (error: any, length?: number) => void): void {
    this.#run(callback as Callback<number>, () => this.#store.count());
  }

  override clear(callback?: Callback): void {
    this.#run(callback, async () => void (await this.#store.clear()));
  }

  close(): Promise<void> {
    return Promise.resolve(this.#store.close?.());
  }

  /** Writes the differences from `before`. Writes nothing if the session has ended. */
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
      change.set ??= newTexts();
      change.set[name] = texts[name]!;
    }
    // A value that cannot be read became no property, and was not removed by the request.
    const gone = Object.keys(before.data).filter((name) => !(name in texts) && isReadable(before.data[name]));
    if (gone.length > 0) change.remove = gone;

    const to = this.#expiry(session, this.#store.now());
    if (change.set?.['cookie'] !== undefined) change.expiresAt = to;
    else if (to !== before.expiresAt) change.touch = { from: before.expiresAt, to };

    const updated = await this.#store.update(before, change);
    if (!updated) return;
    const data = Object.assign(newTexts(), before.data, change.set);
    for (const name of gone) delete data[name];
    this.#known.set(session, { ...before, id, data, expiresAt: updated.expiresAt });
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

  /** Runs `work` with the store open, and passes its result to the callback. */
  #run<T>(callback: Callback<T> | undefined, work: () => Promise<T>): void {
    Promise.resolve(this.#store.open?.())
      .then(work)
      // Called outside of the promise, so that an error that the callback throws is not a rejection of ours.
      .then(
        (value) => callback && setImmediate(callback, null, value),
        (error: unknown) => callback && setImmediate(callback, error),
      );
  }
}

/** Whether a stored text is JSON. One that the store cannot open is `undefined`. */
function isReadable(text: string | undefined): boolean {
  if (text === undefined) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function textsOf(session: expressSession.SessionData): Record<string, string> {
  const texts = newTexts();
  for (const [name, value] of Object.entries(session)) {
    const text = name === 'cookie' ? cookieText(value) : serialise(name, value);
    if (text !== undefined) texts[name] = text;
  }
  return texts;
}
