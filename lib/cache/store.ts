import { SessionStoreDecorator } from '../contract/decorator.js';
import type { Deadline } from '../contract/deadline.js';
import { FEED_TIMEOUT } from '../contract/feed-run.js';
import type { SessionFeedEvent } from '../contract/feed.js';
import type { SessionGroupLimit, SessionLimitedJoin } from '../contract/limit.js';
import type { SessionChange, SessionRecord, SessionRef, SessionUpdate } from '../contract/record.js';
import { hashedId, hidesIds } from '../contract/log-id.js';
import type { SessionStore } from '../contract/store.js';
import { isUnannounced } from '../contract/unannounced.js';
import { report } from './channel.js';
import { KeptWatch } from './kept-watch.js';
import { resolveLimits, type CachedStoreOptions } from './options.js';
import { ReadsInFlight } from './reads.js';
import { CachedRecords } from './records.js';

/**
 * Keeps the sessions that this process has read, and drops them when the feed of the inner store announces a change. Reads
 * are made as without it: only `cached` returns what is kept. It goes around all other decorators.
 *
 * `open` rejects with a `TypeError` if the inner store has no feed. Records that it returns are shared: do not change them.
 */
export class CachedStore extends SessionStoreDecorator {
  readonly #records: CachedRecords;
  readonly #reads = new ReadsInFlight();
  #watch: KeptWatch | undefined;
  /** How often the store was closed. */
  #closings = 0;

  /** Throws a `TypeError` for invalid options. */
  constructor(store: SessionStore, options?: CachedStoreOptions) {
    super(store);
    this.#records = new CachedRecords(resolveLimits(options));
  }

  /**
   * The session with this id as this process has read it last, which is as it was at most `FEED_TIMEOUT` ago. `undefined`
   * if it is not known. It can only show that a client may use the session: read it for anything else.
   */
  cached(id: string): SessionRecord | undefined {
    const at = performance.now();
    const lag = this.#lagAt(at);
    // Not by a timer: a process that was stopped has events to hear, whatever it knows.
    const found = lag <= FEED_TIMEOUT ? this.#records.find(id, at, this.now()) : 'not fresh';
    if (typeof found === 'string') {
      report(() => ({ type: 'miss', id: this.#shown(id), reason: found, lag }));
      return undefined;
    }
    report(() => ({ type: 'hit', id: this.#shown(id), lag }));
    return found;
  }

  /** Whether `cached` returns what was read: `false` while the feed is not heard. */
  get isFresh(): boolean {
    return this.#lagAt(performance.now()) <= FEED_TIMEOUT;
  }

  /** How many sessions are kept. */
  get size(): number {
    return this.#records.size;
  }

  protected override async connect(): Promise<void> {
    const closings = this.#closings;
    await super.connect();
    this.#checkFeed();
    // It may have been closed meanwhile.
    if (closings !== this.#closings) return;
    this.#watch = new KeptWatch(this.store, (event) => this.#hear(event));
    await this.#watch.begin();
    this.#checkFeed();
  }

  protected override async disconnect(): Promise<void> {
    this.#closings++;
    this.#watch?.close();
    this.#watch = undefined;
    this.#forgetAll();
    await super.disconnect();
  }

  /** As in the messages of stores: an id that is a credential does not leave the process. */
  #shown(id: string): string {
    return hidesIds(this.capabilities) ? hashedId(id) : id;
  }

  /** How long before an instant of `performance.now()` the newest answered probe of the feed was sent, in milliseconds. */
  #lagAt(at: number): number {
    return at - (this.#watch?.completeUntil ?? -Infinity);
  }

  #checkFeed(): void {
    const { feed } = this.capabilities;
    if (feed === true) return;
    // A store of another copy of this package may be older, and not say.
    const reason = feed ?? 'it is of a version of this package without feeds';
    throw new TypeError(
      `the store has no feed, which a cache needs: ${reason}. Leave out the option cache, or use a store with a feed`,
    );
  }

  #hear(event: SessionFeedEvent): void {
    if ('ids' in event) {
      for (const id of event.ids) this.#forget(id, 'feed');
      return;
    }
    // Only what is read after `live` was read while everything was announced.
    this.#forgetAll();
    report(() => event);
  }

  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    const reading = this.#reads.begin(id);
    try {
      const record = await this.store.read(id);
      const mayBeKept = record && !reading.isVoid && !isUnannounced(record);
      if (mayBeKept) this.#records.keep(id, record, reading.begunAt);
      return record;
    } finally {
      this.#reads.end(reading);
    }
  }

  protected override doCreate(record: SessionRecord): Promise<boolean> {
    return this.#writing(record.id, () => super.doCreate(record));
  }

  protected override doAdopt(record: SessionRecord): Promise<void> {
    return this.#writing(record.id, () => super.doAdopt(record));
  }

  protected override doUpdate(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    const update = (): Promise<SessionUpdate | undefined> => super.doUpdate(record, change);
    return isRenewal(change) ? this.#renewing(record.id, update) : this.#writing(record.id, update);
  }

  protected override doRotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return this.#writing(record.id, () => super.doRotate(record, presented, secretHash, grace));
  }

  protected override doDestroy(id: string): Promise<boolean> {
    return this.#writing(id, () => super.doDestroy(id));
  }

  protected override doRegenerate(id: string, deadline?: Deadline, hint?: unknown): Promise<boolean> {
    return this.#writing(id, () => super.doRegenerate(id, deadline, hint));
  }

  protected override async doClear(group: string | undefined, except: ReadonlySet<string>): Promise<number> {
    this.#forgetAll('write');
    try {
      return await super.doClear(group, except);
    } finally {
      this.#forgetAll('write');
    }
  }

  protected override async doJoinLimited(
    record: SessionRef,
    limit: SessionGroupLimit,
  ): Promise<SessionLimitedJoin> {
    const outcome = await this.#writing(record.id, () => super.doJoinLimited(record, limit));
    if (outcome.is === 'joined') for (const { id } of outcome.ended) this.#forget(id, 'write');
    return outcome;
  }

  /**
   * A renewal changes nothing that a request could see too late, so the session stays in the cache meanwhile. Otherwise
   * each would cost another read. Only its expiry moves, and only if nothing has dropped the session until the store has
   * confirmed it. Forgets the session if it is gone or was rotated, or if the outcome is unknown.
   */
  async #renewing(
    id: string,
    renew: () => Promise<SessionUpdate | undefined>,
  ): Promise<SessionUpdate | undefined> {
    const kept = this.#records.get(id);
    let isSame = false;
    try {
      const update = await renew();
      isSame = update !== undefined && (!kept || isForward(kept, update));
      if (kept && isSame && this.#records.get(id) === kept) this.#records.renew(id, update!.expiresAt);
      return update;
    } finally {
      if (!isSame) this.#forget(id, 'write');
    }
  }

  /**
   * Forgets a session before a write to it is sent, and when that has settled, whatever the outcome: after a timeout, the
   * write may have been done.
   */
  async #writing<T>(id: string, write: () => Promise<T>): Promise<T> {
    this.#forget(id, 'write');
    try {
      return await write();
    } finally {
      this.#forget(id, 'write');
    }
  }

  #forget(id: string, by: 'feed' | 'write'): void {
    this.#reads.void(id);
    if (this.#records.delete(id)) report(() => ({ type: 'invalidated', id: this.#shown(id), by }));
  }

  #forgetAll(by?: 'write'): void {
    this.#reads.voidAll();
    if (by && this.#records.size > 0) report(() => ({ type: 'invalidated', id: undefined, by }));
    this.#records.clear();
  }
}

/** Whether a change does nothing but move the expiry forward. */
function isRenewal({ touch, ...others }: SessionChange): boolean {
  const isAlone = Object.values(others).every((part) => part === undefined);
  return isAlone && (!touch || touch.to >= touch.from);
}

/** Whether a session is still as it is cached, except that it may expire later. */
function isForward({ secretHash, expiresAt }: SessionRecord, update: SessionUpdate): boolean {
  return update.secretHash === secretHash && update.expiresAt >= expiresAt;
}
