import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from './record.js';
import { checkRecord } from './checks.js';
import { NO_DEADLINE, type Deadline } from './deadline.js';
import { EXAMINE, type Finding, type SessionExamination } from './examination.js';
import type { SessionGroupLimit, SessionLimitedJoin } from './limit.js';
import type { SessionFeedListener, SessionFeedState, SessionWatch } from './feed.js';
import type { SessionStoreCapabilities } from './capabilities.js';
import { SessionStore } from './store.js';

/**
 * Wraps a store: forwards every call, the clock and the capabilities. Override the methods that should differ, and keep
 * the `hint` in copies of a record.
 *
 * It has no deadline, because the inner store has one, and it passes on the errors of that store.
 */
export class SessionStoreDecorator extends SessionStore {
  /** @param store the inner store, which is opened and closed with the decorator */
  constructor(protected readonly store: SessionStore) {
    super('decorator', NO_DEADLINE);
  }

  /** The store that it decorates. */
  get inner(): SessionStore {
    return this.store;
  }

  override get capabilities(): SessionStoreCapabilities {
    return this.store.capabilities;
  }

  override get timeout(): number {
    return this.store.timeout;
  }

  override now(): number {
    return this.store.now();
  }

  override get feedState(): SessionFeedState {
    return this.store.feedState;
  }

  override probeIds(seed: string): readonly string[] {
    return this.store.probeIds(seed);
  }

  protected override connect(): Promise<void> {
    return this.store.open();
  }

  protected override disconnect(): Promise<void> {
    return this.store.close();
  }

  override create(record: SessionRecord): Promise<boolean> {
    return this.call('create', () => {
      checkRecord(record);
      return this.doCreate(record);
    });
  }

  override adopt(record: SessionRecord): Promise<void> {
    return this.call('adopt', () => {
      checkRecord(record);
      return this.doAdopt(record);
    });
  }

  override watch(listener: SessionFeedListener): Promise<SessionWatch> {
    return this.call('watch', () => {
      this.checkWatch(listener);
      return this.store.watch(listener);
    });
  }

  override [EXAMINE](examination: SessionExamination): AsyncIterable<Finding> {
    return this.store[EXAMINE](examination);
  }

  /** Unlike in other stores, resolves as `create` does: the inner store rejects an id in use. */
  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return this.store.create(record);
  }

  protected doAdopt(record: SessionRecord): Promise<void> {
    return this.store.adopt(record);
  }

  protected override doRead(id: string): Promise<SessionRecord | undefined> {
    return this.store.read(id);
  }

  protected override doUpdate(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    return this.store.update(record, change);
  }

  protected override doRotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return this.store.rotate(record, presented, secretHash, grace);
  }

  protected override doDestroy(id: string): Promise<boolean> {
    return this.store.destroy(id);
  }

  protected override doRegenerate(id: string, _deadline?: Deadline, hint?: unknown): Promise<boolean> {
    return this.store.regenerate(id, hint);
  }

  protected override doHaveEnded(ids: string[]): Promise<boolean> {
    return this.store.haveEnded(ids);
  }

  protected override doPage(options: SessionPageOptions): Promise<SessionPage> {
    return this.store.page(options);
  }

  protected override doCount(group: string | undefined): Promise<number> {
    return this.store.count(group);
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    return this.store.clear(group, except);
  }

  protected override doJoinLimited(
    record: SessionRef,
    limit: SessionGroupLimit,
  ): Promise<SessionLimitedJoin> {
    return this.store.joinLimited(record, limit);
  }
}
