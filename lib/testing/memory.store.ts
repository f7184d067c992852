import { NotOpenError } from '../contract/errors.js';
import type { SessionFeedSink, SessionFeedSource } from '../contract/feed.js';
import type { SessionGroupLimit, SessionLimitedJoin } from '../contract/limit.js';
import { checkNoOthers } from '../contract/option-checks.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../contract/record.js';
import type { SessionStoreCapabilities, SessionStoreOperation } from '../contract/capabilities.js';
import { SessionStore } from '../contract/store.js';
import { positionIn } from '../stores/cluster/position.js';
import { Sessions } from '../stores/cluster/sessions.js';

/** The options of a `MemoryStore`. */
export interface MemoryStoreOptions {
  /** The clock that `advance` moves on, in epoch milliseconds; default: the clock of this process. */
  now?: (() => number) | undefined;
}

/**
 * Sessions in memory for tests, with a clock that tests move. Each store has sessions of its own, which end when it is
 * closed. It keeps all the laws, as it is the part of `ClusterStore` that keeps the sessions.
 */
export class MemoryStore extends SessionStore {
  readonly #clock: () => number;
  #advanced = 0;
  #sessions: Sessions | undefined;

  constructor({ now = () => Date.now(), ...others }: MemoryStoreOptions = {}) {
    super('memory');
    checkNoOthers('MemoryStore', others, 'now');
    if (typeof now !== 'function') {
      throw new TypeError(
        'now must be a function that returns epoch milliseconds: write now: () => Date.now()',
      );
    }
    this.#clock = now;
  }

  override get capabilities(): SessionStoreCapabilities {
    return CAPABILITIES;
  }

  override now(): number {
    return this.#clock() + this.#advanced;
  }

  /**
   * Moves the clock on, in milliseconds: what expires meanwhile is gone at once. Timers do not run earlier, so open
   * sockets and streams notice an expiry only when they are checked next.
   */
  advance(milliseconds: number): void {
    if (!Number.isInteger(milliseconds) || milliseconds < 0) {
      throw new TypeError(
        'advance needs a whole number of milliseconds, 0 or more: a clock does not go back',
      );
    }
    this.#advanced += milliseconds;
  }

  protected override async connect(): Promise<void> {
    this.#sessions = new Sessions(undefined, undefined, undefined, () => this.now());
  }

  protected override async disconnect(): Promise<void> {
    this.#sessions?.close();
    this.#sessions = undefined;
  }

  protected override doCreate(record: SessionRecord): boolean {
    return this.#opened('create').create(record);
  }

  protected override doRead(id: string): SessionRecord | undefined {
    return this.#opened('read').read(id);
  }

  protected override doUpdate({ id }: SessionRef, change: SessionChange): SessionUpdate | undefined {
    return this.#opened('update').update(id, change);
  }

  protected override doRotate(
    { id }: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): string | undefined {
    return this.#opened('rotate').rotate(id, presented, secretHash, grace);
  }

  protected override doDestroy(id: string): boolean {
    return this.#opened('destroy').destroy(id);
  }

  protected override doRegenerate(id: string): boolean {
    return this.#opened('regenerate').regenerate(id);
  }

  protected override doHaveEnded(ids: string[]): boolean {
    return this.#opened('haveEnded').haveEnded(ids);
  }

  protected override doPage({ group, after, limit }: SessionPageOptions): SessionPage {
    const position = after === undefined ? 0 : positionIn(after);
    const { records, next } = this.#opened('page').page(group, position, limit);
    return next === undefined ? { records } : { records, next: String(next) };
  }

  protected override doCount(group: string | undefined): number {
    return this.#opened('count').count(group);
  }

  protected override doClear(group: string | undefined, except: ReadonlySet<string>): number {
    const sessions = this.#opened('clear');
    let step = sessions.clear(group, except);
    let { ended } = step;
    while (step.next) {
      step = sessions.clear(group, except, step.next);
      ended += step.ended;
    }
    return ended;
  }

  protected override doJoinLimited({ id }: SessionRef, limit: SessionGroupLimit): SessionLimitedJoin {
    return this.#opened('joinLimited').joinLimited(id, limit);
  }

  protected override async doWatch(sink: SessionFeedSink): Promise<SessionFeedSource> {
    return this.#opened('watch').watch(sink);
  }

  #opened(operation: SessionStoreOperation): Sessions {
    if (this.#sessions) return this.#sessions;
    throw new NotOpenError('memory', operation);
  }
}

const CAPABILITIES: SessionStoreCapabilities = Object.freeze({
  secrets: true,
  createdAt: true,
  feed: true,
  manualClock: true,
});
