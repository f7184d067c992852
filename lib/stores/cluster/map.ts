import type { SessionRecord } from '../../contract/record.js';
import type { Announcer } from './announcer.js';
import type { Budget } from './budget.js';
import { ExpiryHeap, type MappedSession } from './heap.js';
import type { SessionLog } from './journal/log.js';
import { Ledger } from './ledger.js';

/**
 * Sessions by id, by expiry, and in the order in which they were added, in total and per group. Every change updates
 * all of these, and the bytes in the budget.
 */
export class SessionMap {
  private readonly byId = new Map<string, MappedSession>();
  private readonly all = new Ledger<MappedSession>();
  private readonly groups = new Map<string, Ledger<MappedSession>>();
  /** The sessions in no group. */
  readonly ungrouped = new ExpiryHeap();
  private readonly grouped = new ExpiryHeap();
  private position = 0;

  constructor(
    private readonly budget: Budget,
    private readonly announcer: Announcer,
    private readonly log?: SessionLog,
  ) {}

  get size(): number {
    return this.byId.size;
  }

  /** The last position in any of the lists. */
  get lastPosition(): number {
    return this.position;
  }

  /** The session that expires first. */
  get nearest(): MappedSession | undefined {
    const [one, other] = [this.ungrouped.first, this.grouped.first];
    return one && other ? (one.record.expiresAt < other.record.expiresAt ? one : other) : (one ?? other);
  }

  /** The session to drop first if there are too many. Those in groups are last: groups are for users who logged in. */
  get mostDispensable(): MappedSession | undefined {
    return this.ungrouped.first ?? this.grouped.first;
  }

  /** The live session with an id. An expired one is removed. */
  live(id: string, now: number): MappedSession | undefined {
    const session = this.byId.get(id);
    if (!session || session.record.expiresAt > now) return session;
    this.expire(session);
    return undefined;
  }

  /** The sessions of a group, or all, in the order in which they joined. `undefined` if there are none in the group. */
  list(group: string | undefined): Ledger<MappedSession> | undefined {
    return group === undefined ? this.all : this.groups.get(group);
  }

  /** The records of all sessions, in the order in which they were added. */
  get records(): SessionRecord[] {
    return Array.from(this.byId.values(), ({ record }) => record);
  }

  /** Adds a record of `bytes` bytes. Its id must not be in use. */
  add(record: SessionRecord, bytes: number): void {
    this.log?.put(record);
    this.restore(record, bytes);
  }

  /** Adds a record that the log has already. */
  restore(record: SessionRecord, bytes: number): void {
    this.budget.used += bytes;
    const session: MappedSession = { record, bytes, slot: 0, place: ++this.position, places: [] };
    this.byId.set(record.id, session);
    this.all.add(session, session.place);
    this.regroup(session, [], record.groups);
    this.heap(record).add(session);
  }

  /** Replaces the record of a session. The new one takes `more` more bytes. */
  replace(session: MappedSession, next: SessionRecord, more: number): void {
    const { record } = session;
    this.log?.change(record, next);
    this.heap(record).resize(session, more);
    this.budget.used += more;
    if (next.expiresAt === record.expiresAt && next.groups === record.groups) {
      session.record = next;
      return;
    }
    this.heap(record).remove(session);
    session.record = next;
    this.heap(next).add(session);
    if (next.groups !== record.groups) this.regroup(session, record.groups, next.groups);
  }

  /** Removes a live session, whose tombstone the caller adds, and announces that it has ended. */
  remove(session: MappedSession): void {
    this.takeOut(session);
    this.announcer.note('ended', session.record.id);
  }

  /** Removes a live session for good, without a tombstone, and announces that it has ended. */
  drop(session: MappedSession): void {
    this.log?.drop(session.record.id);
    this.remove(session);
  }

  /** Removes expired sessions, at most `limit`. That is not announced: the record says when it expires. */
  removeExpired(now: number, limit = Infinity): void {
    for (let removed = 0; removed < limit; removed++) {
      const session = this.nearest;
      if (!session || session.record.expiresAt > now) return;
      this.expire(session);
    }
  }

  /** Runs work that drops sessions in no group, and keeps this one. */
  sparing(session: MappedSession, work: () => void): void {
    const heap = this.heap(session.record);
    heap.remove(session);
    try {
      work();
    } finally {
      heap.add(session);
    }
  }

  /** Takes the sessions out of the budget. They are freed with the last reference to this object. */
  close(): void {
    for (const { bytes } of this.byId.values()) this.budget.used -= bytes;
  }

  private expire(session: MappedSession): void {
    this.log?.drop(session.record.id);
    this.takeOut(session);
  }

  private takeOut(session: MappedSession): void {
    const { record } = session;
    this.budget.used -= session.bytes;
    this.byId.delete(record.id);
    this.all.remove(session.place);
    this.regroup(session, record.groups, []);
    this.heap(record).remove(session);
  }

  private regroup(session: MappedSession, before: readonly string[], after: readonly string[]): void {
    if (before.length + after.length === 0) return;
    const left = new Map(before.map((group, index) => [group, session.places[index] as number]));
    session.places = after.map((group) => {
      const place = left.get(group) ?? this.enter(session, group);
      left.delete(group);
      return place;
    });
    for (const [group, place] of left) this.quit(group, place);
  }

  private enter(session: MappedSession, group: string): number {
    let members = this.groups.get(group);
    if (!members) this.groups.set(group, (members = new Ledger()));
    members.add(session, ++this.position);
    return this.position;
  }

  private quit(group: string, place: number): void {
    const members = this.groups.get(group) as Ledger<MappedSession>;
    members.remove(place);
    if (members.size === 0) this.groups.delete(group);
  }

  private heap({ groups }: SessionRecord): ExpiryHeap {
    return groups.length === 0 ? this.ungrouped : this.grouped;
  }
}
