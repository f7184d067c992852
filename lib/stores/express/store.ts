import type expressSession from 'express-session';
import { SessionStoreError } from '../../contract/errors.js';
import { EXAMINE, type Finding } from '../../contract/examination.js';
import { checkNoOthers } from '../../contract/option-checks.js';
import {
  applyChange,
  NO_SECRET_HASH,
  updateOf,
  type SessionChange,
  type SessionPage,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
  type SessionUpdate,
} from '../../contract/record.js';
import type { SessionStoreCapabilities, SessionStoreOperation } from '../../contract/capabilities.js';
import { SessionStore } from '../../contract/store.js';
import { isExpressStore } from '../../contract/shapes.js';
import { expiryOf, type ExpressSessionJson } from './cookie.js';
import { examineExpress } from './examination.js';
import { isKept, recordOf, sessionOf, type Kept } from './session.js';

/** The options of `fromExpressStore`. */
export interface ExpressStoreOptions {
  /** How long each call may take, in milliseconds; default 2 000. */
  timeout?: number | undefined;
}

/** The methods that every express-session store has, and those that only some have. */
type AnyStore = Pick<expressSession.Store, 'get' | 'set' | 'destroy'> &
  Partial<Pick<expressSession.Store, 'touch' | 'all' | 'length' | 'clear' | 'on'>>;

/** A callback of an express-session store. */
type Done<T> = (error?: unknown, value?: T | null) => void;

/**
 * Makes a `SessionStore` from a store that was written for express-session. Its existing sessions and cookies stay
 * valid. As in express-session, the token is the bare id, which is then a credential.
 *
 * Such a store cannot keep these guarantees:
 * - A session is written as a whole: of two simultaneous changes, the later undoes the earlier.
 * - Of parallel `add`s some may be lost, and parallel `take`s may all get the value.
 * - A slower request brings back a session that was destroyed meanwhile, or regenerates it.
 * - There are no groups, no labels, no option `client`, no `rotate` and no `createdAt` (0 in views), and so no `absoluteTimeout`. Using them throws.
 * - `destroy` always resolves to `true`.
 * - Listing, counting and clearing all sessions works only if the store has `all`, `length` and `clear`.
 *
 * Throws a `TypeError` for anything else than such a store.
 */
export function fromExpressStore(store: AnyStore, options: ExpressStoreOptions = {}): SessionStore {
  return new ExpressStore(store, options);
}

const CAPABILITIES: SessionStoreCapabilities = Object.freeze({
  secrets: false,
  createdAt: false,
  use: false,
  feed: 'a store of express-session does not announce changes',
});

class ExpressStore extends SessionStore {
  readonly #store: AnyStore;
  /** Whether the store has emitted `disconnect`, and no `connect` after it. */
  #isOffline = false;

  constructor(store: AnyStore, { timeout, ...others }: ExpressStoreOptions) {
    super(`express:${Object(store).constructor?.name || 'store'}`, timeout);
    checkNoOthers('fromExpressStore', others, 'timeout');
    if (!isExpressStore(store)) {
      throw new TypeError(
        'store must be an express-session store: write fromExpressStore(store) with one that has get, set and destroy',
      );
    }
    this.#store = store;
    store.on?.('disconnect', () => {
      this.#isOffline = true;
    });
    store.on?.('connect', () => {
      this.#isOffline = false;
    });
  }

  override get capabilities(): SessionStoreCapabilities {
    return CAPABILITIES;
  }

  protected override get advice(): string {
    return 'Is its backend reachable, and the timeout long enough?';
  }

  protected override async doCreate(record: SessionRecord): Promise<boolean> {
    if (record.groups.length > 0) throw this.#cannot('keep groups');
    if (record.label !== undefined || record.client) throw this.#cannot('keep labels and clients');
    await this.#set('create', { record, session: {} }, record);
    return true;
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    return (await this.#read('read', id))?.record;
  }

  protected override async doUpdate(
    { id, hint }: SessionRef,
    change: SessionChange,
  ): Promise<SessionUpdate | undefined> {
    if (change.join || change.leave) throw this.#cannot('keep groups');
    if (change.label !== undefined || change.seen) throw this.#cannot('keep labels and clients');
    const { add, take } = change;
    const acts = add !== undefined || take !== undefined;
    const found = acts || !isKept(hint) ? await this.#read('update', id) : hint;
    if (!found) return undefined;
    // A later change of the same record starts from what was read.
    const kept = isKept(hint) ? Object.assign(hint, found) : found;

    const before = kept.record;
    const next = applyChange(before, change);
    const update = { ...updateOf(before, change, next), secretHash: NO_SECRET_HASH };
    if (next === before) return update;
    if (next.expiresAt <= this.now()) {
      await this.doDestroy(id);
      return undefined;
    }
    const wrote =
      acts || change.set !== undefined || change.remove !== undefined || change.expiresAt !== undefined;
    if (wrote || typeof this.#store.touch !== 'function') await this.#set('update', kept, next);
    else if (!(await this.#touch(kept, next))) return undefined;
    return update;
  }

  protected override doRotate(): Promise<never> {
    throw this.#cannot('rotate a secret, but session.regenerate() gives a session a new id');
  }

  protected override async doDestroy(id: string): Promise<boolean> {
    await this.#call('destroy', (done) => this.#store.destroy(id, done as never));
    return true;
  }

  // Such a store has no place for a tombstone.
  protected override doRegenerate(id: string): Promise<boolean> {
    return this.doDestroy(id);
  }

  protected override doHaveEnded(): boolean {
    return false;
  }

  protected override async doPage({ group, after, limit }: SessionPageOptions): Promise<SessionPage> {
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

  /**
   * All live sessions, by one call of the store's `all`. Rejects if it has none, or one that does not return their ids. It
   * is for a migration, which would otherwise call `all` for each page.
   */
  all(): Promise<SessionRecord[]> {
    return this.call('page', async () => {
      const all = await this.within('page', () => this.#all('page'));
      return [...all].map(([id, session]) => recordOf(id, session));
    });
  }

  protected override async doCount(group: string | undefined): Promise<number> {
    if (group !== undefined) throw this.#cannot('keep groups');
    if (typeof this.#store.length !== 'function') {
      return (await this.within('count', () => this.#all('count'))).size;
    }
    return (
      (await this.within('count', () =>
        this.#call<number>('count', (done) => this.#store.length!(done as never)),
      )) ?? 0
    );
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    if (group !== undefined) throw this.#cannot('keep groups');
    if (except.size === 0 && typeof this.#store.clear === 'function') {
      const ended = await this.doCount(undefined);
      await this.within('clear', () => this.#call('clear', (done) => this.#store.clear!(done as never)));
      return ended;
    }
    const all = await this.within('clear', () => this.#all('clear'));
    const ids = [...all.keys()].filter((id) => !except.has(id));
    for (const id of ids) await this.within('clear', () => this.doDestroy(id));
    return ids.length;
  }

  override async *[EXAMINE](): AsyncGenerator<Finding, void, undefined> {
    yield* examineExpress(this.storeName.replace('express:', ''), this.#store);
  }

  protected override failure(operation: SessionStoreOperation, cause: unknown): Error {
    if (cause instanceof CannotError) return cause;
    return new SessionStoreError(this.storeName, operation, 'the store failed. Its error is the cause', {
      cause,
    });
  }

  async #read(operation: SessionStoreOperation, id: string): Promise<Kept | undefined> {
    const session = await this.#get(operation, id);
    if (!session) return undefined;
    const record = recordOf(id, session);
    if (record.expiresAt <= this.now()) return undefined;
    const kept: Kept = { record, session };
    record.hint = kept;
    return kept;
  }

  async #get(operation: SessionStoreOperation, id: string): Promise<ExpressSessionJson | undefined> {
    const session = await this.#call<expressSession.SessionData>(operation, (done) =>
      this.#store.get(id, (error: unknown, value?: unknown) =>
        // As in express-session, a missing file means that there is no such session.
        (error as NodeJS.ErrnoException | null)?.code === 'ENOENT' ? done() : done(error, value as never),
      ),
    );
    return (session ?? undefined) as ExpressSessionJson | undefined;
  }

  /** Writes the session of `next` as a whole. */
  async #set(operation: SessionStoreOperation, kept: Kept, next: SessionRecord): Promise<void> {
    const session = sessionOf(kept, next);
    await this.#call(operation, (done) => this.#store.set(next.id, session as never, done as never));
    kept.record = next;
    kept.session = session;
  }

  /** Moves only the expiry. Resolves to whether the session was live. */
  async #touch(kept: Kept, next: SessionRecord): Promise<boolean> {
    const session = sessionOf(kept, next);
    try {
      await this.#call('update', (done) => this.#store.touch!(next.id, session as never, done as never));
    } catch (error) {
      // Some stores report an error if the session has ended meanwhile.
      if (await this.#get('update', next.id)) throw error;
      return false;
    }
    kept.record = next;
    kept.session = session;
    return true;
  }

  /** All live sessions by id. */
  async #all(operation: SessionStoreOperation): Promise<Map<string, ExpressSessionJson>> {
    if (typeof this.#store.all !== 'function') {
      throw this.#cannot(`${operation} all sessions without a method all()`);
    }
    const all = (await this.#call<unknown>(operation, (done) => this.#store.all!(done as never))) ?? {};
    const sessions = new Map<string, ExpressSessionJson>();
    for (const [name, value] of Object.entries(all)) {
      // A store may return an array. Then only some stores put the id into each session.
      const { id: ownId, ...session } = value as ExpressSessionJson & { id?: unknown };
      const id = Array.isArray(all) ? ownId : name;
      if (typeof id !== 'string')
        throw this.#cannot(`${operation} all sessions if its all() does not return their ids`);
      const expiresAt = expiryOf(session.cookie);
      if (expiresAt === undefined || expiresAt > this.now())
        sessions.set(
          id,
          Array.isArray(all) ? (session as ExpressSessionJson) : (value as ExpressSessionJson),
        );
    }
    return sessions;
  }

  /** Calls the store. It takes a callback, but may also return a promise or throw. */
  #call<T>(
    operation: SessionStoreOperation,
    work: (done: Done<T>) => unknown,
  ): Promise<T | null | undefined> {
    if (this.#isOffline) {
      throw new SessionStoreError(
        this.storeName,
        operation,
        'the store is disconnected: it emitted `disconnect`, and no `connect` since. Is its backend running?',
      );
    }
    return new Promise<T | null | undefined>((resolve, reject) => {
      const failed = (error: unknown): void => reject(this.failure(operation, error));
      try {
        const returned = work((error, value) => (error ? failed(error) : resolve(value)));
        // A rejection of a promise that the store also returns must not end the process.
        if (returned instanceof Promise) returned.catch(failed);
      } catch (error) {
        failed(error);
      }
    });
  }

  #cannot(what: string): CannotError {
    return new CannotError(
      `[session:${this.storeName}] an express-session store cannot ${what}. RedisStore, MongoStore, HazelcastStore and ClusterStore of nestjs-session-stores/stores/* can`,
    );
  }
}

/** The error of an operation that no express-session store can do. */
class CannotError extends Error {
  override readonly name = 'Error';
}
