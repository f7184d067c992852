import {
  checkChange,
  checkGroup,
  checkId,
  checkIds,
  checkLimit,
  checkPage,
  checkRecord,
  checkRef,
  checkRotation,
  exceptIds,
} from './checks.js';
import { IdInUseError, SessionStoreError } from './errors.js';
import { EXAMINE, unexamined, type Finding, type SessionExamination } from './examination.js';
import type { SessionFeedListener, SessionWatch } from './feed.js';
import type { SessionGroupLimit, SessionLimitedJoin } from './limit.js';
import { hidesIds } from './log-id.js';
import { probeId } from './probe.js';
import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from './record.js';
import { limitReport, reported, type SessionReport } from './session-reports.js';
import { StoreMethods } from './store-methods.js';

/**
 * Where sessions live between requests. Inject it to use a store; extend it to write one.
 *
 * The public methods check their arguments and turn failures into a `SessionStoreError`. A store implements the protected
 * `do…` methods, which receive checked arguments. Those about one session and `doPage` run under a deadline; `connect`,
 * `doCount` and `doClear` may take several steps, and give each step a deadline with `within`.
 *
 * What the methods promise about sessions is tested by the laws in `nestjs-session-stores/laws`.
 *
 * Every method rejects with a `TypeError` for malformed arguments, with a `SessionTooLargeError` if the backend cannot
 * hold the session, and with a `SessionStoreError` if the backend fails or times out.
 */
export abstract class SessionStore extends StoreMethods {
  /**
   * Ids of which no session exists, at least one in each part of the backend that can fail alone. The same `seed`, of
   * letters, digits and `-`, gives the same ids. Default: one id.
   */
  probeIds(seed: string): readonly string[] {
    return [probeId(seed)];
  }

  /**
   * Adds a session with its groups, all or nothing. Rejects if the id is in use by a session with another secret hash;
   * with the same secret hash it writes nothing. Rejects, too, if a session with this id was destroyed, cleared or
   * regenerated in the last ten minutes.
   *
   * Resolves to `false`, and leaves no session, if `haveEnded` is true of `record.from`. Rejects if that cannot be found
   * out; it may then be called again.
   */
  create(record: SessionRecord): Promise<boolean> {
    return this.call('create', async () => {
      checkRecord(record);
      const { id, from = [] } = record;
      const isAllowed = await this.within('create', async (deadline) => {
        if (!(await this.doCreate(record, deadline))) throw new IdInUseError(this.storeName);
        // Only now: a call that ends one of them later finds this session.
        return from.length === 0 || !(await this.doHaveEnded(from, deadline));
      });
      if (!isAllowed) await this.within('create', (deadline) => this.doDestroy(id, deadline));
      return this.#reported(isAllowed, (is) => is && { type: 'created', id, from });
    });
  }

  /**
   * Adds a session that moves here from another store, as `create` does, but whatever has become of the sessions in `from`.
   */
  adopt(record: SessionRecord): Promise<void> {
    return this.call('adopt', async () => {
      checkRecord(record);
      const isAdded = await this.within('adopt', (deadline) => this.doCreate(record, deadline));
      if (!isAdded) throw new IdInUseError(this.storeName, 'adopt');
    });
  }

  /** The live session with this id; do not change it. `undefined` if it is absent, destroyed or expired. */
  read(id: string): Promise<SessionRecord | undefined> {
    return this.call('read', () => {
      checkId(id);
      return this.within('read', (deadline) => this.doRead(id, deadline));
    });
  }

  /**
   * Applies `change`, all or nothing, to the live session `record.id`. Resolves to its expiry and secret hash after the
   * change. Resolves to `undefined` and writes nothing if the session is gone; `undefined` too if the change itself
   * ended it.
   *
   * Only the `id` of `record` counts, and its `hint` if it has one, which may be stale. A condition that does not hold
   * (`touch`, `retirePrevious`) leaves the rest of the change applied. An `add` that writes nothing is `refused` in what
   * it resolves to. If a change with `add` or `take` rejects, it may have acted, once.
   */
  update(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    return this.call('update', () => {
      checkRef(record);
      checkChange(change);
      const update = this.within('update', (deadline) => this.doUpdate(record, change, deadline));
      if (!change.add) return update;
      const added = (result: SessionUpdate | undefined): SessionUpdate | undefined => {
        if (!result || result.text !== undefined || result.refused) return result;
        throw new SessionStoreError(this.storeName, 'update', NO_ADD);
      };
      return update && 'then' in update ? update.then(added) : added(update);
    });
  }

  /**
   * Makes `secretHash` the current one, for a client that presented the secret with the hash `presented`. Resolves to
   * the secret hash that is current after it; `undefined` if the session is gone.
   *
   * - `secretHash` is current already: nothing is written.
   * - The secret of an earlier rotation has not been presented (`previous.validUntil` is absent), and its grace is not
   *   over: nothing is written.
   * - Otherwise, if `presented` is the current one, it becomes `previous` (with a `grace` of 0 there is no `previous`).
   * - Otherwise, if `presented` is `previous` and `previous.validUntil` is absent, it stays `previous`, replaced now.
   *
   * `grace` is in milliseconds. As in `update`, only the `id` and the `hint` of `record` count.
   */
  rotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    return this.call('rotate', () => {
      checkRef(record);
      checkRotation(presented, secretHash, grace);
      const rotating = this.within('rotate', (deadline) =>
        this.doRotate(record, presented, secretHash, grace, deadline),
      );
      const { id } = record;
      return this.#reported(rotating, (current) => current === secretHash && { type: 'rotated', id });
    });
  }

  /**
   * Destroys a session. Resolves to whether it was live. If it was regenerated in the last ten minutes, requests in
   * progress can no longer create a successor of it.
   */
  destroy(id: string): Promise<boolean> {
    return this.call('destroy', () => {
      checkId(id);
      const destroying = this.within('destroy', (deadline) => this.doDestroy(id, deadline));
      return this.#reported(destroying, (wasLive) => wasLive && { type: 'destroyed', id });
    });
  }

  /**
   * Destroys a session in whose place another one will be created, with its id in `from`. Resolves to whether it may
   * have such a successor: `false` if `haveEnded` is true of it; `true` otherwise, also if it is regenerated a
   * second time or has expired. `hint` is that of its record, if it was read; it may be stale.
   */
  regenerate(id: string, hint?: unknown): Promise<boolean> {
    return this.call('regenerate', () => {
      checkId(id);
      const ending = this.within('regenerate', (deadline) => this.doRegenerate(id, deadline, hint));
      return this.#reported(ending, (mayHaveSuccessor) => mayHaveSuccessor && { type: 'regenerated', id });
    });
  }

  /**
   * Whether at least one of these sessions was destroyed, cleared, or given an expiry in the past, in the last ten
   * minutes. One that was only regenerated, or has expired, does not count.
   */
  haveEnded(ids: string[]): Promise<boolean> {
    return this.call('haveEnded', () => {
      checkIds(ids);
      return ids.length > 0 && this.within('haveEnded', (deadline) => this.doHaveEnded(ids, deadline));
    });
  }

  /**
   * Up to `limit` live sessions of a group, or of all, from `after` on. A session that is live throughout comes at
   * least once over all pages, a dead one never. A page may hold fewer than `limit` sessions and still have a `next`.
   */
  page(options: SessionPageOptions): Promise<SessionPage> {
    return this.call('page', () => {
      checkPage(options);
      return this.within('page', (deadline) => this.doPage(options, deadline));
    });
  }

  /** How many live sessions a group has; without a group, how many there are. */
  count(group?: string): Promise<number> {
    return this.call('count', () => {
      if (group !== undefined) checkGroup(group);
      return this.doCount(group);
    });
  }

  /**
   * Destroys every session that was in the group when `clear` was called; without a group, every session. Sessions whose
   * id is in `except` stay. A session that joins meanwhile may be destroyed too. Resolves to how many sessions were live.
   * Ends even if sessions keep joining.
   *
   * A session of the group that was regenerated in the last ten minutes counts as ended from now on, so that requests in
   * progress cannot create a successor of it; unless it, or its successor, is in `except`.
   */
  clear(group?: string, except?: Iterable<string>): Promise<number> {
    return this.call('clear', () => {
      if (group !== undefined) checkGroup(group);
      const clearing = this.doClear(group, exceptIds(except));
      return this.#reported(clearing, (count) => ({ type: 'cleared', group, count }));
    });
  }

  /**
   * Joins a session to a group that has room for `max` sessions. Of the sessions whose joins have resolved to `joined`,
   * never more than `max` are live, as long as all join with that limit.
   *
   * If the session is in the group already, nothing changes. Before it resolves, the sessions that are
   * too many end: first those that joined first, or were not used for the longest time, then the parallel newcomers in
   * the order of their joins. With `reject`, a newcomer that finds the group full does not join; of parallel newcomers
   * all may be rejected. As in `update`, only the `id` and the `hint` of `record` count.
   *
   * May take several steps, each with a deadline of its own. If one of them fails, the session may be in the group, and
   * the next join with a limit, by this session or another, ends those that are too many.
   */
  joinLimited(record: SessionRef, limit: SessionGroupLimit): Promise<SessionLimitedJoin> {
    return this.call('joinLimited', () => {
      checkRef(record);
      checkLimit(limit);
      return this.#reported(this.doJoinLimited(record, limit), (join) => limitReport(record.id, limit, join));
    });
  }

  #reported<T>(
    result: T | PromiseLike<T>,
    reportOf: (value: T) => SessionReport | false | undefined,
  ): T | PromiseLike<T> {
    if (!this.isReporting) return result;
    const by = () => ({ store: this.storeName, hidesIds: hidesIds(this.capabilities) });
    return reported(result, by, reportOf);
  }

  /**
   * Calls `listener` with every change to a session from now on, by any process. Resolves once the feed is live. An
   * interruption is announced as `lost`. The feed then recovers by itself, and is `live` again.
   *
   * Rejects if the store has no feed (`capabilities.feed`). When the store is closed, the watch ends.
   */
  watch(listener: SessionFeedListener): Promise<SessionWatch> {
    return this.call('watch', () => this.listen(listener));
  }

  /**
   * Examines the backend, for the command `doctor`. Works whether the store is open or not, and neither opens nor closes
   * it. What it writes, it removes, also if it fails or is ended early. Default: it cannot be examined.
   */
  [EXAMINE](_examination: SessionExamination): AsyncIterable<Finding> {
    return unexamined(this.storeName);
  }
}

const NO_ADD =
  'the store does not know `add`. Implement it with applyChange and updateOf of nestjs-session-stores/store';
