import type { Deadline } from './deadline.js';
import { FeedCalls } from './feed-calls.js';
import { joinInSteps, type SessionGroupLimit, type SessionLimitedJoin } from './limit.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from './record.js';

/** The methods that a store implements. `SessionStore` calls them with checked arguments. */
export abstract class StoreMethods extends FeedCalls {
  /**
   * The current time in epoch milliseconds, by the clock that decides when this store's sessions expire. All instants
   * that are stored, or compared with stored ones, come from it. Default: the clock of this process.
   */
  now(): number {
    return Date.now();
  }

  /**
   * Resolves to `false`, and writes nothing, if the id is in use by another secret hash or has a tombstone; otherwise as
   * `create`, for a record whose `from` is only kept.
   */
  protected abstract doCreate(record: SessionRecord, deadline: Deadline): boolean | PromiseLike<boolean>;

  protected abstract doRead(
    id: string,
    deadline: Deadline,
  ): SessionRecord | undefined | PromiseLike<SessionRecord | undefined>;

  protected abstract doUpdate(
    record: SessionRef,
    change: SessionChange,
    deadline: Deadline,
  ): SessionUpdate | undefined | PromiseLike<SessionUpdate | undefined>;

  protected abstract doRotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
    deadline: Deadline,
  ): string | undefined | PromiseLike<string | undefined>;

  /** Puts a tombstone in the place of a session, in one step; also in that of the tombstone of a regenerated one. */
  protected abstract doDestroy(id: string, deadline: Deadline): boolean | PromiseLike<boolean>;

  /** Puts a tombstone in the place of a session, in one step. It keeps the session's groups, so that a clear finds it. */
  protected abstract doRegenerate(
    id: string,
    deadline: Deadline,
    hint?: unknown,
  ): boolean | PromiseLike<boolean>;

  /** Whether one of the ids, of which there is at least one, has the tombstone of a session that was not regenerated. */
  protected abstract doHaveEnded(ids: string[], deadline: Deadline): boolean | PromiseLike<boolean>;

  protected abstract doPage(
    options: SessionPageOptions,
    deadline: Deadline,
  ): SessionPage | PromiseLike<SessionPage>;

  /** May take longer than one deadline: a store gives each of its steps one of its own, by `within`. */
  protected abstract doCount(group: string | undefined): number | PromiseLike<number>;

  /**
   * Puts a tombstone in the place of each session, and in that of the tombstone of each one that was regenerated. Then
   * destroys those members of the group with a session in `from` that has ended: they were created meanwhile.
   *
   * May take longer than one deadline: a store gives each of its steps one of its own, by `within`.
   */
  protected abstract doClear(
    group: string | undefined,
    except: ReadonlySet<string>,
  ): number | PromiseLike<number>;

  /**
   * Default: looks at the group before and after the join, and ends what is too many. Override it in a store that can do
   * all of it in one step, by the order of `excessOf`.
   */
  protected doJoinLimited(
    record: SessionRef,
    limit: SessionGroupLimit,
  ): SessionLimitedJoin | PromiseLike<SessionLimitedJoin> {
    const within = async <T>(work: (deadline: Deadline) => T | PromiseLike<T>): Promise<T> =>
      this.within('joinLimited', work);
    return joinInSteps(record, limit, {
      now: () => this.now(),
      page: (options) => within((deadline) => this.doPage(options, deadline)),
      update: (ref, change) => within((deadline) => this.doUpdate(ref, change, deadline)),
      destroy: (id) => within((deadline) => this.doDestroy(id, deadline)),
    });
  }
}
