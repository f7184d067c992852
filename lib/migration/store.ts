import type { SessionStoreCapabilities } from '../contract/capabilities.js';
import type { Deadline } from '../contract/deadline.js';
import { SessionStoreDecorator } from '../contract/decorator.js';
import { SessionStoreError } from '../contract/errors.js';
import type { SessionFeedListener, SessionFeedState, SessionWatch } from '../contract/feed.js';
import { joinInSteps, type SessionGroupLimit, type SessionLimitedJoin } from '../contract/limit.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { BothGroups } from './both-groups.js';
import { capabilitiesOf } from './capabilities.js';
import { Creating } from './creating.js';
import { ExpressSource } from './express-source.js';
import { BothFeeds, stateOfBoth } from './feeds.js';
import { Leftovers } from './leftovers.js';
import { unmarked } from './mark.js';
import { Mover } from './mover.js';
import { resolveMigration, type MigratingStoreOptions } from './options.js';
import { OwnSource } from './own-source.js';
import { announcedByNew, isUnmoved, type Source } from './source.js';
import { UnmovedSessions } from './unmoved-sessions.js';

/** Marks the instances, so that those of another copy of this package are recognised too. */
const MIGRATING = Symbol.for('nestjs-session-stores/migrating');

/** How far a migration is. */
export interface SessionMigration {
  /** Whether sessions move when they are used. */
  readonly move: boolean;
  /** How many sessions are left in the old store; `undefined` if it cannot count them. */
  readonly left: number | undefined;
}

/**
 * Uses sessions wherever they are, and moves them from an old store to a new one when they are used. It goes around an
 * `EncryptedStore`, and inside of a `CachedStore`.
 *
 * A session is in the new store as soon as it is in both. To end a session that has not moved, it is copied first, so that
 * its tombstone in the new store keeps a slower mover from reviving it. Without `move`, a change in the old store is made
 * again in the new one if the session has moved meanwhile.
 *
 * Group calls look into both stores. `count()` of all sessions counts those twice that are moving.
 */
export class MigratingStore extends SessionStoreDecorator {
  readonly #source: Source;
  readonly #moves: boolean;
  readonly #mover: Mover;
  readonly #creating: Creating;
  readonly #unmoved: UnmovedSessions;
  readonly #leftovers: Leftovers;
  readonly #groups: BothGroups;
  readonly #capabilities: SessionStoreCapabilities;
  readonly [MIGRATING] = true;

  /**
   * Throws a `TypeError` for invalid options.
   *
   * @param store the new store
   */
  constructor(store: SessionStore, options: MigratingStoreOptions) {
    super(store);
    const migration = resolveMigration(options, store);
    const { store: from, move, logger } = migration;
    checkChain(store, from);
    this.#moves = move;
    this.#source = from.capabilities.secrets
      ? new OwnSource(from)
      : new ExpressSource(from, migration, () => store.now());
    this.#leftovers = new Leftovers(this.#source, logger);
    this.#mover = new Mover(this.#source, store, this.#leftovers);
    this.#creating = new Creating(this.#source, store, this.#mover, move, {
      read: (id) => this.doRead(id),
      end: (id) => this.#end(id),
    });
    this.#unmoved = new UnmovedSessions(this.#source, store, this.#mover);
    this.#groups = new BothGroups(this.#source, store, this.#leftovers, move, {
      now: () => this.now(),
      read: (id) => this.doRead(id),
      end: (id) => this.#end(id),
      haveEnded: (ids) => this.doHaveEnded(ids),
    });
    this.#capabilities = capabilitiesOf(store.capabilities, from.capabilities, move);
  }

  /** How far the migration is. */
  async migration(): Promise<SessionMigration> {
    return { move: this.#moves, left: await this.#left() };
  }

  override get capabilities(): SessionStoreCapabilities {
    return this.#capabilities;
  }

  /** While sessions are created in the old store, its clock decides. */
  override now(): number {
    return this.#moves ? this.store.now() : this.#source.store.now();
  }

  protected override async connect(): Promise<void> {
    await Promise.all([this.store.open(), this.#source.store.open()]);
  }

  protected override async disconnect(): Promise<void> {
    await Promise.all([this.store.close(), this.#source.store.close()]);
  }

  override watch(listener: SessionFeedListener): Promise<SessionWatch> {
    return this.call('watch', () => {
      this.checkWatch(listener);
      // What moves is used by no connection before, and then it is in the new store. What must stay is not cached.
      return this.#moves
        ? this.store.watch(listener)
        : new BothFeeds(listener).open(this.store, this.#source.store);
    });
  }

  override get feedState(): SessionFeedState {
    return this.#moves ? this.store.feedState : stateOfBoth(this.store, this.#source.store);
  }

  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return this.#creating.create(record);
  }

  protected override doAdopt(record: SessionRecord): Promise<void> {
    return this.#creating.adopt(record);
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    const moved = await this.store.read(id);
    const found = await (moved ? this.#leftovers.settled(moved, this.store) : this.#readUnmoved(id));
    return unmarked(this.#moves ? announcedByNew(found) : found);
  }

  async #readUnmoved(id: string): Promise<SessionRecord | undefined> {
    if (this.#moves) return this.#mover.move(id);
    const found = await this.#source.read(id);
    // Another process may have moved it since, and finished.
    if (!found) return this.store.read(id);
    // An express-session store has no tombstones: a slow write may have brought it back.
    return !this.#source.isOurs && (await this.store.haveEnded([id])) ? undefined : found;
  }

  protected override async doUpdate(
    record: SessionRef,
    change: SessionChange,
  ): Promise<SessionUpdate | undefined> {
    if (change.expiresAt !== undefined && change.expiresAt <= this.now()) {
      await this.#end(record.id);
      return undefined;
    }
    if (!isUnmoved(record)) {
      const updated = await this.store.update(record, change);
      if (updated) {
        // What is left would be live again after the session has expired.
        if (shortens(change)) await this.#leftovers.removeNow(record.id);
        return updated;
      }
    }
    const found = await this.#found(record);
    if (!found || isUnmoved(found)) return found && this.#unmoved.update(found, change);
    return this.store.update(found, change);
  }

  protected override async doRotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    if (!isUnmoved(record)) {
      const rotated = await this.store.rotate(record, presented, secretHash, grace);
      if (rotated !== undefined) return rotated;
    }
    const found = await this.#found(record);
    if (!found || isUnmoved(found)) return found && this.#unmoved.rotate(found, presented, secretHash, grace);
    return this.store.rotate(found, presented, secretHash, grace);
  }

  /** A session that was not found in the new store: moved, or where it is if it does not move. */
  async #found(record: SessionRef): Promise<SessionRef | undefined> {
    if (this.#moves) return this.#mover.move(record.id);
    return isUnmoved(record) ? record : this.#readUnmoved(record.id);
  }

  protected override doDestroy(id: string): Promise<boolean> {
    return this.#end(id);
  }

  /** Ends a session in both stores, with a tombstone in the new one. Resolves to whether it was live. */
  async #end(id: string): Promise<boolean> {
    let wasLive = await this.store.destroy(id);
    // One that was in the new store less than ten minutes ago cannot be copied to it.
    let isCopied = true;
    if (!wasLive) {
      isCopied = await this.#mover.copy(id);
      wasLive = await this.store.destroy(id);
    }
    const wasLeft = await this.#source.store.destroy(id);
    return wasLive || (!isCopied && wasLeft);
  }

  protected override async doRegenerate(id: string, _deadline?: Deadline, hint?: unknown): Promise<boolean> {
    if (!(await this.store.read(id))) await this.#mover.copy(id);
    const mayHave = await this.store.regenerate(id, isUnmoved({ id, hint }) ? undefined : hint);
    const mayHaveHere = await this.#source.store.regenerate(id);
    return mayHave && mayHaveHere;
  }

  protected override async doHaveEnded(ids: string[]): Promise<boolean> {
    return (await this.store.haveEnded(ids)) || (await this.#source.store.haveEnded(ids));
  }

  protected override doPage(options: SessionPageOptions): Promise<SessionPage> {
    return this.#groups.page(options);
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.#groups.count(group);
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return this.#groups.clear(group, except);
  }

  /** In steps, because neither store knows all members. */
  protected override async doJoinLimited(
    record: SessionRef,
    limit: SessionGroupLimit,
  ): Promise<SessionLimitedJoin> {
    if (!this.#source.isOurs) {
      const found = await this.doRead(record.id);
      if (found && isUnmoved(found)) return this.#groups.limitByData(found, limit);
    }
    return joinInSteps(record, limit, {
      now: () => this.now(),
      page: (options) => this.doPage(options),
      update: (ref, change) => this.doUpdate(ref, change),
      destroy: (id) => this.#end(id),
    });
  }

  async #left(): Promise<number | undefined> {
    try {
      return await this.#source.store.count();
    } catch (error) {
      if (this.#source.isOurs || error instanceof SessionStoreError) throw error;
      // It has neither `length` nor `all`.
      return undefined;
    }
  }
}

/** A store whose sessions migrate, of any copy of this package. */
export function isMigrating(store: unknown): store is MigratingStore {
  return Object(store)[MIGRATING] === true;
}

/** Sessions that migrate already may migrate further: the inner migration must be the old store, and move what is used. */
function checkChain(store: SessionStore, from: SessionStore): void {
  if (isMigrating(store)) {
    throw new TypeError(
      'sessions cannot move to a MigratingStore: write new MigratingStore(newest, { store: new MigratingStore(newer, { store: oldest, move: true }), move })',
    );
  }
  if (isMigrating(from) && from.capabilities.mixedTokens && !from.capabilities.secrets) {
    throw new TypeError(
      'migrateFrom.store must move its sessions, because it migrates from an express-session store: set its move to true first',
    );
  }
}

/** Whether a change may let a session expire earlier. */
function shortens({ expiresAt, touch }: SessionChange): boolean {
  return expiresAt !== undefined || (touch !== undefined && touch.to < touch.from);
}
