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
import { Calls, type AnyStore } from './calls.js';
import { expiryOf, type ExpressSessionJson } from './cookie.js';
import { cannot, failed } from './errors.js';
import { examineExpress } from './examination.js';
import { isKept, recordOf, sessionOf, type Kept } from './session.js';

/** The options of `fromExpressStore`. */
export interface ExpressStoreOptions {
  /** How long each call may take, in milliseconds; default 2 000. */
  timeout?: number | undefined;
}

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
  readonly #calls: Calls;

  constructor(store: AnyStore, { timeout, ...others }: ExpressStoreOptions) {
    super(`express:${Object(store).constructor?.name || 'store'}`, timeout);
    checkNoOthers('fromExpressStore', others, 'timeout');
    if (!isExpressStore(store)) {
      throw new TypeError(
        'store must be an express-session store: write fromExpressStore(store) with one that has get, set and destroy',
      );
    }
    this.#store = store;
    this.#calls = new Calls(store, this.storeName);
  }

  override get capabilities(): SessionStoreCapabilities {
    return CAPABILITIES;
  }

  protected override get advice(): string {
    return 'Is its backend reachable, and the timeout long enough?';
  }

  protected override async doCreate(record: SessionRecord): Promise<boolean> {
    if (record.groups.length > 0) throw cannot(this.storeName, 'keep groups');
    if (record.label !== undefined || record.client) throw cannot(this.storeName, 'keep labels and clients');
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
    if (change.join || change.leave) throw cannot(this.storeName, 'keep groups');
    if (change.label !== undefined || change.seen) throw cannot(this.storeName, 'keep labels and clients');
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
    if (wrote || !this.#calls.has('touch')) await this.#set('update', kept, next);
    else if (!(await this.#touch(kept, next))) return undefined;
    return update;
  }

  protected override doRotate(): Promise<never> {
    throw cannot(this.storeName, 'rotate a secret, but session.regenerate() gives a session a new id');
  }

  protected override async doDestroy(id: string): Promise<boolean> {
    await this.#calls.destroy(id);
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
    if (group !== undefined) throw cannot(this.storeName, 'keep groups');
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
    if (group !== undefined) throw cannot(this.storeName, 'keep groups');
    if (this.#calls.has('length')) return this.within('count', () => this.#calls.length());
    return (await this.within('count', () => this.#all('count'))).size;
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    if (group !== undefined) throw cannot(this.storeName, 'keep groups');
    if (except.size === 0 && this.#calls.has('clear')) {
      const ended = await this.doCount(undefined);
      await this.within('clear', () => this.#calls.clear());
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
    return failed(this.storeName, operation, cause);
  }

  async #read(operation: SessionStoreOperation, id: string): Promise<Kept | undefined> {
    const session = await this.#calls.get(operation, id);
    if (!session) return undefined;
    const record = recordOf(id, session);
    if (record.expiresAt <= this.now()) return undefined;
    const kept: Kept = { record, session };
    record.hint = kept;
    return kept;
  }

  /** Writes the session of `next` as a whole. */
  async #set(operation: SessionStoreOperation, kept: Kept, next: SessionRecord): Promise<void> {
    const session = sessionOf(kept, next);
    await this.#calls.set(operation, next.id, session);
    kept.record = next;
    kept.session = session;
  }

  /** Moves only the expiry. Resolves to whether the session was live. */
  async #touch(kept: Kept, next: SessionRecord): Promise<boolean> {
    const session = sessionOf(kept, next);
    if (!(await this.#calls.touch(next.id, session))) return false;
    kept.record = next;
    kept.session = session;
    return true;
  }

  /** All live sessions by id. */
  async #all(operation: SessionStoreOperation): Promise<Map<string, ExpressSessionJson>> {
    const sessions = await this.#calls.all(operation);
    for (const [id, { cookie }] of sessions) {
      const expiresAt = expiryOf(cookie);
      if (expiresAt !== undefined && expiresAt <= this.now()) sessions.delete(id);
    }
    return sessions;
  }
}
