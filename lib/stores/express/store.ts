import type expressSession from 'express-session';
import { checkNoOthers } from '../../contract/options.js';
import { checkTimeout, withDeadline } from '../../contract/deadline.js';
import { cookieOf, cookieText, expiryOf, type ExpressSessionJson } from './cookie.js';
import { SessionStoreError } from '../../contract/errors.js';
import { NO_SECRET_HASH } from '../../token/signer.js';
import {
  applyChange,
  checkChange,
  checkId,
  checkPage,
  checkRecord,
  exceptIds,
} from '../../contract/record.js';
import {
  NEVER,
  SessionStore,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
} from '../../contract/store.js';

/** How to call a store that was written for express-session. */
export interface ExpressStoreOptions {
  /** How long each call may take, in milliseconds; default 2 000. */
  timeout?: number;
}

/** What any express-session store has, and what only some have. */
type AnyStore = Pick<expressSession.Store, 'get' | 'set' | 'destroy'> &
  Partial<Pick<expressSession.Store, 'touch' | 'all' | 'length' | 'clear' | 'on'>>;

/** Node's callback, as such stores call it. */
type Done<T> = (error?: unknown, value?: T | null) => void;

/**
 * A store for the module and for `sessionMiddleware` out of one that was written for express-session, which goes on
 * holding what it held: sessions and cookies of before stay good. The token is the bare id, as there, and so a
 * credential.
 *
 * Such a store cannot keep what it was not made for, and who asks for it is told so:
 * - a session is written whole: of two requests that change it at a time, the later undoes the other;
 * - a slower request brings a session back that was ended meanwhile;
 * - no groups, no `rotate`, no `createdAt` (views have 0 there), and so no `absoluteTimeout`;
 * - `destroy` resolves to `true` whether or not there was a session;
 * - to list, count and clear all works as far as the store has `all`, `length` and `clear`.
 *
 * Throws a `TypeError` for what is no such store.
 */
export function fromExpressStore(store: AnyStore, options: ExpressStoreOptions = {}): SessionStore {
  return new ExpressStore(store, options);
}

/** Whether `store` is one for express-session. */
export function isExpressStore(store: unknown): store is expressSession.Store {
  const methods = Object(store) as Record<string, unknown>;
  return ['get', 'set', 'destroy'].every((method) => typeof methods[method] === 'function');
}

class ExpressStore extends SessionStore {
  override readonly tokens = 'id';
  readonly #store: AnyStore;
  readonly #name: string;
  readonly #timeout: number;
  /** The store said that it lost its backend, and has not said yet that it is back. */
  #away = false;
  /** What each record that was read or created is by now. */
  readonly #current = new WeakMap<SessionRecord, Kept>();

  constructor(store: AnyStore, { timeout, ...others }: ExpressStoreOptions) {
    super();
    checkNoOthers('fromExpressStore', others, 'timeout');
    if (!isExpressStore(store)) {
      throw new TypeError('fromExpressStore needs an express-session store, with get, set and destroy');
    }
    this.#store = store;
    this.#timeout = checkTimeout(timeout);
    this.#name = `express:${(store as object).constructor?.name || 'store'}`;
    store.on?.('disconnect', () => {
      this.#away = true;
    });
    store.on?.('connect', () => {
      this.#away = false;
    });
  }

  async create(record: SessionRecord): Promise<void> {
    checkRecord(record);
    if (record.groups.length > 0) throw this.#cannot('keep groups');
    const kept = { record, session: {} };
    await this.#set('create', kept, record);
    this.#current.set(record, kept);
  }

  async read(id: string): Promise<SessionRecord | undefined> {
    checkId(id);
    const session = await this.#get('read', id);
    if (!session) return undefined;
    const record = recordOf(id, session);
    if (record.expiresAt <= Date.now()) return undefined;
    this.#current.set(record, { record, session });
    return record;
  }

  async update(
    hint: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined> {
    checkId(hint.id);
    checkChange(change);
    if (change.join || change.leave) throw this.#cannot('keep groups');
    const kept = this.#current.get(hint) ?? (await this.#readAnew(hint.id));
    if (!kept) return undefined;

    const next = applyChange(kept.record, change);
    if (next.expiresAt <= Date.now()) {
      await this.destroy(hint.id);
      return undefined;
    }
    const wrote = change.set !== undefined || change.remove !== undefined || change.expiresAt !== undefined;
    if (wrote || typeof this.#store.touch !== 'function') await this.#set('update', kept, next);
    else if (!(await this.#touch(kept, next))) return undefined;
    return { expiresAt: next.expiresAt, secretHash: NO_SECRET_HASH };
  }

  async rotate(): Promise<never> {
    throw this.#cannot('rotate a secret; session.regenerate() gives a session a new id');
  }

  async destroy(id: string): Promise<boolean> {
    checkId(id);
    await this.#call('destroy', (done) => this.#store.destroy(id, done as never));
    return true;
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    checkPage(options);
    const { group, after, limit } = options;
    if (group !== undefined) throw this.#cannot('keep groups');
    const all = await this.#all('page');
    const records = [...all]
      .filter(([id]) => after === undefined || id > after)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([id, session]) => recordOf(id, session));
    const more = records.length === limit && [...all.keys()].some((id) => id > records.at(-1)!.id);
    return more ? { records, next: records.at(-1)!.id } : { records };
  }

  async count(group?: string): Promise<number> {
    if (group !== undefined) throw this.#cannot('keep groups');
    if (typeof this.#store.length !== 'function') return (await this.#all('count')).size;
    return (await this.#call<number>('count', (done) => this.#store.length!(done as never))) ?? 0;
  }

  async clear(group?: string, except?: Iterable<string>): Promise<number> {
    if (group !== undefined) throw this.#cannot('keep groups');
    const spared = exceptIds(except);
    if (spared.size === 0 && typeof this.#store.clear === 'function') {
      const ended = await this.count();
      await this.#call('clear', (done) => this.#store.clear!(done as never));
      return ended;
    }
    const ids = [...(await this.#all('clear')).keys()].filter((id) => !spared.has(id));
    for (const id of ids) await this.destroy(id);
    return ids.length;
  }

  async #readAnew(id: string): Promise<Kept | undefined> {
    const record = await this.read(id);
    return record && this.#current.get(record);
  }

  async #get(operation: string, id: string): Promise<ExpressSessionJson | undefined> {
    const session = await this.#call<expressSession.SessionData>(operation, (done) =>
      this.#store.get(id, (error: unknown, value?: unknown) =>
        // As in express-session: a file that is not there is a session that is not there.
        (error as NodeJS.ErrnoException | null)?.code === 'ENOENT' ? done() : done(error, value as never),
      ),
    );
    return (session ?? undefined) as ExpressSessionJson | undefined;
  }

  /** Writes a session whole, as `next` has it. */
  async #set(operation: string, kept: Kept, next: SessionRecord): Promise<void> {
    const session = sessionOf(kept, next);
    await this.#call(operation, (done) => this.#store.set(next.id, session as never, done as never));
    kept.record = next;
    kept.session = session;
  }

  /** Moves the expiry alone; resolves to whether the session was there. */
  async #touch(kept: Kept, next: SessionRecord): Promise<boolean> {
    const session = sessionOf(kept, next);
    try {
      await this.#call('update', (done) => this.#store.touch!(next.id, session as never, done as never));
    } catch (error) {
      // Some stores call it an error that a session ended meanwhile.
      if (await this.#get('update', next.id)) throw error;
      return false;
    }
    kept.record = next;
    kept.session = session;
    return true;
  }

  /** All live sessions by id. */
  async #all(operation: string): Promise<Map<string, ExpressSessionJson>> {
    if (typeof this.#store.all !== 'function') {
      throw this.#cannot(`${operation} all sessions, for it has no all()`);
    }
    const all = (await this.#call<unknown>(operation, (done) => this.#store.all!(done as never))) ?? {};
    const sessions = new Map<string, ExpressSessionJson>();
    for (const [name, value] of Object.entries(all)) {
      // Where they come in an array, only some stores say which is which.
      const { id: ownId, ...session } = value as ExpressSessionJson & { id?: unknown };
      const id = Array.isArray(all) ? ownId : name;
      if (typeof id !== 'string')
        throw this.#cannot(`${operation} all sessions, for its all() does not give their ids`);
      const expiresAt = expiryOf(session.cookie);
      if (expiresAt === undefined || expiresAt > Date.now())
        sessions.set(
          id,
          Array.isArray(all) ? (session as ExpressSessionJson) : (value as ExpressSessionJson),
        );
    }
    return sessions;
  }

  /** One call of the store, with a deadline, which such stores do not have. */
  async #call<T>(operation: string, work: (done: Done<T>) => unknown): Promise<T | null | undefined> {
    if (this.#away) {
      throw new SessionStoreError(
        this.#name,
        operation,
        'the store has emitted `disconnect`, and no `connect` since: is its backend up?',
      );
    }
    const called = new Promise<T | null | undefined>((resolve, reject) => {
      const failed = (cause: unknown): void =>
        reject(new SessionStoreError(this.#name, operation, 'the store failed: see the cause', { cause }));
      try {
        const returned = work((error, value) => (error ? failed(error) : resolve(value)));
        // One that gives a promise too must not end the process by it.
        if (returned instanceof Promise) returned.catch(failed);
      } catch (error) {
        failed(error);
      }
    });
    return withDeadline(
      called,
      this.#timeout,
      () =>
        new SessionStoreError(
          this.#name,
          operation,
          `no answer in ${this.#timeout} ms: is its backend up, or timeout too short?`,
        ),
    );
  }

  #cannot(what: string): Error {
    return new Error(
      `[session:${this.#name}] an express-session store cannot ${what}; RedisStore, MongoStore, HazelcastStore and ClusterStore of nestjs-session-stores/stores/* can`,
    );
  }
}

/** A session as it stands, in our form and in express-session's. */
interface Kept {
  record: SessionRecord;
  /** As the store gave it: a store may rely on values of its own in there that JSON does not hold. */
  session: Record<string, unknown>;
}

function recordOf(id: string, session: ExpressSessionJson): SessionRecord {
  const data = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(session)) {
    const text = name === 'cookie' ? cookieText(session.cookie) : JSON.stringify(session[name]);
    if (text !== undefined) data[name] = text;
  }
  const expiresAt = expiryOf(session.cookie) ?? NEVER;
  return { id, secretHash: NO_SECRET_HASH, data, groups: [], createdAt: 0, expiresAt };
}

/** What express-session would hand to the store for the session as `next` has it. */
function sessionOf({ record, session }: Kept, next: SessionRecord): Record<string, unknown> {
  const whole: Record<string, unknown> = { cookie: cookieOf(next.data['cookie'], next.expiresAt) };
  for (const name of Object.keys(next.data)) {
    if (name === 'cookie') continue;
    const value =
      Object.hasOwn(session, name) && record.data[name] === next.data[name]
        ? session[name]
        : JSON.parse(next.data[name]!);
    Object.defineProperty(whole, name, { value, writable: true, enumerable: true, configurable: true });
  }
  return whole;
}
