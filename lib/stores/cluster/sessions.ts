import {
  applyChange,
  applyRotation,
  NEVER,
  updateOf,
  type SessionChange,
  type SessionRecord,
  type SessionUpdate,
} from '../../contract/record.js';
import type { SessionFeedSink, SessionFeedSource } from '../../contract/feed.js';
import {
  excessOf,
  joinAfter,
  type SessionGroupLimit,
  type SessionLimitedJoin,
} from '../../contract/limit.js';
import { Announcer, mustAnnounce, type Announced } from './announcer.js';
import { Budget, bytesMore, bytesOf } from './budget.js';
import { Clearing, type ClearReach, type ClearStep } from './clearing.js';
import type { MappedSession } from './heap.js';
import type { SessionLog } from './journal/log.js';
import type { JournaledSessions } from './journal/state.js';
import { SessionMap } from './map.js';
import { copyRecord, frozen, lengthOf } from './records.js';
import { DEFAULT_MAX_SESSIONS, Room } from './room.js';
import { Tombstones } from './tombstones.js';

/** Some live sessions. `next` is the position to go on from; absent if these are the last. */
export interface SessionSlice {
  records: SessionRecord[];
  next?: number;
}

const EXPIRED_PER_TURN = 1000;
const PAGE_CHARACTERS = 4 * 1024 * 1024;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The sessions of one name, in memory, to which one change at a time is applied. Records are frozen and every change
 * makes a new one, so that a record that was read stays as it was.
 */
export class Sessions {
  private readonly announcer = new Announcer();
  private readonly map: SessionMap;
  private readonly tombstones: Tombstones;
  private readonly room: Room;
  private readonly clearing: Clearing;
  private timer: NodeJS.Timeout | undefined;
  private wakesAt = Infinity;

  /**
   * @param log where each change is written, besides the memory
   * @param now the clock that decides when sessions expire, in epoch milliseconds
   */
  constructor(
    maxSessions = DEFAULT_MAX_SESSIONS,
    budget = new Budget(),
    private readonly log?: SessionLog,
    private readonly now: () => number = () => Date.now(),
  ) {
    this.map = new SessionMap(budget, this.announcer, log);
    this.tombstones = new Tombstones(budget, log);
    this.room = new Room(this.map, this.tombstones, budget, maxSessions);
    this.clearing = new Clearing(this.map, this.tombstones, now);
  }

  /** All that is live. */
  get state(): JournaledSessions {
    const now = this.now();
    return { records: this.map.records, tombstones: this.tombstones.live(now) };
  }

  /** Adds what the log had when it was opened. The caller must not keep the records. */
  restore({ records, tombstones }: JournaledSessions): void {
    for (const record of records) this.map.restore(frozen(record), bytesOf(record));
    for (const tombstone of tombstones) this.tombstones.restore(tombstone);
    this.wakeInTime(this.now());
  }

  /**
   * Resolves when every change until now is written; `undefined` if there is nothing to wait for. A call that may change
   * sessions is acknowledged only then, even if it changed nothing: it may rely on a change that is being written.
   */
  written(operation: string): Promise<void> | undefined {
    return this.log?.written(operation);
  }

  /** Changes how many sessions are held at most. Those that are too many are dropped when the next is created. */
  limitTo(maxSessions: number): void {
    this.room.maxSessions = maxSessions;
  }

  /**
   * Adds a copy of a record. Returns `false`, and adds nothing, if its id is in use by another secret hash or has a
   * tombstone.
   */
  create(record: SessionRecord): boolean {
    return this.adopt(copyRecord(record));
  }

  /** As `create`, but without a copy: the caller must not keep the record. */
  adopt(record: SessionRecord): boolean {
    this.log?.check('create');
    const now = this.now();
    const session = this.map.live(record.id, now);
    if (session) return session.record.secretHash === record.secretHash;
    if (this.tombstones.has(record.id, now)) return false;
    if (record.expiresAt > now) this.add(record, now);
    return true;
  }

  read(id: string): SessionRecord | undefined {
    return this.map.live(id, this.now())?.record;
  }

  update(id: string, change: SessionChange): SessionUpdate | undefined {
    this.log?.check('update');
    const now = this.now();
    const session = this.map.live(id, now);
    if (!session) return undefined;
    const { record } = session;
    const next = applyChange(record, change);
    const isAnnounced = this.announcer.isHeard && mustAnnounce(record, next, change);
    const after = this.replace(session, next, now, isAnnounced ? 'changed' : undefined);
    return after && updateOf(record, change, after);
  }

  rotate(id: string, presented: string, secretHash: string, grace: number): string | undefined {
    this.log?.check('rotate');
    const now = this.now();
    const session = this.map.live(id, now);
    return (
      session &&
      this.replace(session, applyRotation(session.record, presented, secretHash, grace, now), now, 'rotated')
        ?.secretHash
    );
  }

  destroy(id: string): boolean {
    this.log?.check('destroy');
    const now = this.now();
    const session = this.map.live(id, now);
    if (session) this.map.remove(session);
    if (session || this.tombstones.has(id, now)) this.tombstones.add(id, undefined, now);
    return session !== undefined;
  }

  regenerate(id: string): boolean {
    this.log?.check('regenerate');
    const now = this.now();
    const session = this.map.live(id, now);
    if (session) {
      this.map.remove(session);
      this.tombstones.add(id, session.record.groups, now);
    }
    return !this.tombstones.isEnded(id, now);
  }

  /** Joins a session to a group that has room for `max` sessions, and ends those that are too many. */
  joinLimited(id: string, limit: SessionGroupLimit): SessionLimitedJoin {
    this.log?.check('joinLimited');
    const now = this.now();
    const { group, max, whenFull } = limit;
    const session = this.map.live(id, now);
    if (!session) return { is: 'gone' };
    if (session.record.groups.includes(group)) return { is: 'joined', ended: [] };
    this.map.removeExpired(now);
    const members = this.map.list(group)?.after(0, Infinity) ?? [];
    const before = members.map(({ member }) => member.record);
    if (whenFull === 'reject' && before.length >= max) return { is: 'full', members: before };
    const next = applyChange(session.record, { join: [group], joinedAt: joinAfter(before, now) });
    const joined = this.replace(session, next, now, 'changed')!;
    const ended = excessOf([...before, joined], limit, id);
    for (const member of ended) this.destroy(member.id);
    return { is: 'joined', ended };
  }

  haveEnded(ids: readonly string[]): boolean {
    const now = this.now();
    return ids.some((id) => this.tombstones.isEnded(id, now));
  }

  /** Up to `limit` sessions after a position. Fewer if their data is large. */
  page(group: string | undefined, after: number, limit: number): SessionSlice {
    this.map.removeExpired(this.now());
    const records: SessionRecord[] = [];
    let characters = 0;
    let last = after;
    for (const { member, position } of this.map.list(group)?.after(after, limit + 1) ?? []) {
      if (records.length === limit || characters >= PAGE_CHARACTERS) return { records, next: last };
      records.push(member.record);
      characters += lengthOf(member.record);
      last = position;
    }
    return { records };
  }

  count(group?: string): number {
    this.map.removeExpired(this.now());
    return this.map.list(group)?.size ?? 0;
  }

  /** Destroys some of the sessions, except those with an id in `kept`: one step of a clear. */
  clear(group: string | undefined, kept: ReadonlySet<string>, reach?: ClearReach): ClearStep {
    this.log?.check('clear');
    return this.clearing.step(group, kept, reach);
  }

  /** Announces each change of a session to a sink, in the turn of the event loop in which it is made. */
  watch(sink: SessionFeedSink): SessionFeedSource {
    return this.announcer.watch(sink);
  }

  /** Announces at once what would be announced later in this turn. */
  announce(): void {
    this.announcer.announce();
  }

  /** Stops the timer, and gives back the room. The sessions are freed with the last reference to this object. */
  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.wakesAt = Infinity;
    this.map.close();
    this.tombstones.close();
    this.announcer.close();
  }

  private add(record: SessionRecord, now: number): void {
    const bytes = bytesOf(record);
    this.room.makeFor(bytes, now);
    this.map.add(frozen(record), bytes);
    this.wakeInTime(now);
  }

  private replace(
    session: MappedSession,
    next: SessionRecord,
    now: number,
    as: Announced | undefined,
  ): SessionRecord | undefined {
    const { record } = session;
    if (next === record) return record;
    if (next.expiresAt <= now) {
      this.map.remove(session);
      this.tombstones.add(record.id, undefined, now);
      return undefined;
    }
    const more = bytesMore(record, next);
    this.room.makeToGrow(session, more, now);
    this.map.replace(session, frozen(next), more);
    if (as) this.announcer.note(as, record.id);
    if (next.expiresAt !== record.expiresAt) this.wakeInTime(now);
    return next;
  }

  /** Sets the timer for the next expiry, unless it fires before that anyway. */
  private wakeInTime(now: number): void {
    const due = this.map.nearest?.record.expiresAt ?? NEVER;
    if (due === NEVER || due >= this.wakesAt) return;
    clearTimeout(this.timer);
    const delay = Math.min(Math.max(due - now, 1), LONGEST_TIMER);
    this.wakesAt = now + delay;
    this.timer = setTimeout(() => this.wake(), delay).unref();
  }

  /** Drops expired sessions. Many are dropped over several turns of the event loop, so that other calls can run. */
  private wake(): void {
    this.wakesAt = Infinity;
    this.map.removeExpired(this.now(), EXPIRED_PER_TURN);
    this.wakeInTime(this.now());
  }
}
