import {
  applyChange,
  applyRotation,
  copyData,
  NEVER,
  type SessionChange,
  type SessionRecord,
} from '../../contract/record.js';
import { ExpiryHeap, type MappedSession } from './heap.js';
import { Budget, bytesMore, bytesOf } from './budget.js';
import { Ledger } from './ledger.js';
import { Tombstones } from './tombstones.js';

/** Some live sessions. `next` is the position to go on from; absent if these are the last. */
export interface SessionSlice {
  records: SessionRecord[];
  next?: number;
}

/** The position from which a clear goes on, and the last position that it reaches. */
export interface ClearReach {
  after: number;
  until: number;
  /** Whether it looks for successors of ended sessions that were created since the clear began. */
  isAgain?: boolean;
}

/** How many live sessions a step of a clear destroyed. `next` is absent if it was the last step. */
export interface ClearStep {
  ended: number;
  next?: ClearReach;
}

/** How many sessions of one name are held at most by default. */
export const DEFAULT_MAX_SESSIONS = 1_000_000;

const CLEARED_PER_STEP = 250;
const EXPIRED_PER_TURN = 1000;
const PAGE_CHARACTERS = 4 * 1024 * 1024;
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The sessions of one name: a map in memory that applies one change at a time. Records are frozen and every change
 * makes a new one, so that a record that was read stays as it was.
 */
export class Sessions {
  private readonly byId = new Map<string, MappedSession>();
  private readonly all = new Ledger<MappedSession>();
  private readonly groups = new Map<string, Ledger<MappedSession>>();
  private readonly ungrouped = new ExpiryHeap();
  private readonly grouped = new ExpiryHeap();
  private readonly tombstones: Tombstones;
  private position = 0;
  private timer: NodeJS.Timeout | undefined;
  private wakesAt = Infinity;

  constructor(
    public maxSessions = DEFAULT_MAX_SESSIONS,
    private readonly budget = new Budget(),
  ) {
    this.tombstones = new Tombstones(budget);
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
    const now = Date.now();
    const session = this.live(record.id, now);
    if (session) return session.record.secretHash === record.secretHash;
    if (this.tombstones.has(record.id, now)) return false;
    if (record.expiresAt > now) this.add(frozen(record), now);
    return true;
  }

  read(id: string): SessionRecord | undefined {
    return this.live(id, Date.now())?.record;
  }

  update(id: string, change: SessionChange): SessionRecord | undefined {
    const now = Date.now();
    const session = this.live(id, now);
    return session && this.replace(session, applyChange(session.record, change), now);
  }

  rotate(id: string, presented: string, secretHash: string, grace: number): string | undefined {
    const now = Date.now();
    const session = this.live(id, now);
    return (
      session &&
      this.replace(session, applyRotation(session.record, presented, secretHash, grace, now), now)?.secretHash
    );
  }

  destroy(id: string): boolean {
    const now = Date.now();
    const session = this.live(id, now);
    if (session) this.end(session);
    if (session || this.tombstones.has(id, now)) this.bury(id, undefined, now);
    return session !== undefined;
  }

  regenerate(id: string): boolean {
    const now = Date.now();
    const session = this.live(id, now);
    if (session) {
      this.end(session);
      this.bury(id, session.record.groups, now);
    }
    return !this.tombstones.isEnded(id, now);
  }

  haveEnded(ids: readonly string[]): boolean {
    const now = Date.now();
    return ids.some((id) => this.tombstones.isEnded(id, now));
  }

  /** Up to `limit` sessions after a position. Fewer if their data is large. */
  page(group: string | undefined, after: number, limit: number): SessionSlice {
    this.expire(Date.now());
    const records: SessionRecord[] = [];
    let characters = 0;
    let last = after;
    for (const { member, position } of this.ledger(group)?.after(after, limit + 1) ?? []) {
      if (records.length === limit || characters >= PAGE_CHARACTERS) return { records, next: last };
      records.push(member.record);
      characters += lengthOf(member.record);
      last = position;
    }
    return { records };
  }

  count(group?: string): number {
    this.expire(Date.now());
    return this.ledger(group)?.size ?? 0;
  }

  /**
   * Destroys some of the sessions, except those with an id in `kept`. The first step has no `reach`. It limits the
   * later ones to the positions that are taken then, so that the clear ends even while sessions keep joining.
   */
  clear(group: string | undefined, kept: ReadonlySet<string>, reach?: ClearReach): ClearStep {
    const now = Date.now();
    this.expire(now);
    const { after, until, isAgain = false } = reach ?? { after: 0, until: this.position };
    const found = this.ledger(group)?.after(after, CLEARED_PER_STEP) ?? [];
    const members = found.filter(({ position }) => position <= until);
    const ending = members.filter(
      ({ member: { record } }) =>
        !kept.has(record.id) && (!isAgain || record.from?.some((id) => this.tombstones.isEnded(id, now))),
    );
    for (const { member } of ending) {
      this.end(member);
      this.bury(member.record.id, undefined, now);
    }

    const ended = ending.length;
    const last = members.at(-1);
    if (last && members.length === CLEARED_PER_STEP && last.position < until)
      return { ended, next: { after: last.position, until, isAgain } };
    if (isAgain) return { ended };
    this.endRegenerated(group, kept, now);
    return this.position > until
      ? { ended, next: { after: until, until: this.position, isAgain: true } }
      : { ended };
  }

  /** Makes ended sessions of the regenerated ones of a group, or of all, but not if a kept session came from them. */
  private endRegenerated(group: string | undefined, kept: ReadonlySet<string>, now: number): void {
    const keptToo = new Set(kept);
    for (const id of kept) for (const origin of this.live(id, now)?.record.from ?? []) keptToo.add(origin);
    this.tombstones.end(group, keptToo);
  }

  /** Stops the timer, and gives back the room. The sessions are freed with the last reference to this object. */
  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.wakesAt = Infinity;
    for (const { bytes } of this.byId.values()) this.budget.used -= bytes;
    this.tombstones.close();
  }

  private live(id: string, now: number): MappedSession | undefined {
    const session = this.byId.get(id);
    if (!session || session.record.expiresAt > now) return session;
    this.end(session);
    return undefined;
  }

  private add(record: SessionRecord, now: number): void {
    const bytes = bytesOf(record);
    this.makeRoom(now);
    this.makeRoomFor(bytes, 'create', now);
    this.budget.used += bytes;
    const session: MappedSession = { record, bytes, slot: 0, place: ++this.position, places: [] };
    this.byId.set(record.id, session);
    this.all.add(session, session.place);
    this.regroup(session, [], record.groups);
    this.heap(record).add(session);
    this.watch(now);
  }

  /**
   * Drops sessions until there is room. Those in groups are dropped last, because groups are for users who logged in.
   */
  private makeRoom(now: number): void {
    if (this.byId.size < this.maxSessions) return;
    this.expire(now);
    while (this.byId.size >= this.maxSessions) {
      const session = this.ungrouped.first ?? this.grouped.first;
      if (!session) return;
      this.end(session);
    }
  }

  /**
   * Drops tombstones, then sessions in no group, until there is room for so many bytes. Throws, and drops no session, if
   * that would not be enough.
   */
  private makeRoomFor(bytes: number, operation: 'create' | 'update', now: number): void {
    if (this.budget.hasRoomFor(bytes)) return;
    this.expire(now);
    while (!this.budget.hasRoomFor(bytes) && this.tombstones.removeOldest());
    if (!this.budget.hasRoomFor(bytes - this.ungrouped.bytes)) throw this.budget.exceeded(operation);
    while (!this.budget.hasRoomFor(bytes)) this.end(this.ungrouped.first as MappedSession);
  }

  /** Changes how many bytes a session takes. It is not dropped itself to make room. */
  private resize(session: MappedSession, next: SessionRecord, now: number): void {
    const more = bytesMore(session.record, next);
    if (more > 0 && !this.budget.hasRoomFor(more)) {
      const heap = this.heap(session.record);
      heap.remove(session);
      try {
        this.makeRoomFor(more, 'update', now);
      } finally {
        heap.add(session);
      }
    }
    this.heap(session.record).resize(session, more);
    this.budget.used += more;
  }

  private replace(session: MappedSession, next: SessionRecord, now: number): SessionRecord | undefined {
    const { record } = session;
    if (next === record) return record;
    if (next.expiresAt <= now) {
      this.end(session);
      this.bury(record.id, undefined, now);
      return undefined;
    }
    this.resize(session, next, now);
    if (next.expiresAt === record.expiresAt && next.groups === record.groups) {
      session.record = frozen(next);
      return next;
    }
    this.heap(record).remove(session);
    session.record = frozen(next);
    this.heap(next).add(session);
    if (next.groups !== record.groups) this.regroup(session, record.groups, next.groups);
    this.watch(now);
    return next;
  }

  private end(session: MappedSession): void {
    const { record } = session;
    this.budget.used -= session.bytes;
    this.byId.delete(record.id);
    this.all.remove(session.place);
    this.regroup(session, record.groups, []);
    this.heap(record).remove(session);
  }

  /** Puts a tombstone in the place of a session: with its groups if it was regenerated. */
  private bury(id: string, groups: readonly string[] | undefined, now: number): void {
    this.tombstones.add(id, groups, now);
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

  private ledger(group: string | undefined): Ledger<MappedSession> | undefined {
    return group === undefined ? this.all : this.groups.get(group);
  }

  private heap({ groups }: SessionRecord): ExpiryHeap {
    return groups.length === 0 ? this.ungrouped : this.grouped;
  }

  private nearest(): MappedSession | undefined {
    const [one, other] = [this.ungrouped.first, this.grouped.first];
    return one && other ? (one.record.expiresAt < other.record.expiresAt ? one : other) : (one ?? other);
  }

  /** Drops expired sessions, at most `limit`. */
  private expire(now: number, limit = Infinity): void {
    for (let ended = 0; ended < limit; ended++) {
      const session = this.nearest();
      if (!session || session.record.expiresAt > now) return;
      this.end(session);
    }
  }

  /** Sets the timer for the next expiry, unless it fires before that anyway. */
  private watch(now: number): void {
    const due = this.nearest()?.record.expiresAt ?? NEVER;
    if (due === NEVER || due >= this.wakesAt) return;
    clearTimeout(this.timer);
    const delay = Math.min(Math.max(due - now, 1), LONGEST_TIMER);
    this.wakesAt = now + delay;
    this.timer = setTimeout(() => this.wake(), delay).unref();
  }

  /** Drops expired sessions. Many are dropped over several turns of the event loop, so that other calls can run. */
  private wake(): void {
    this.wakesAt = Infinity;
    this.expire(Date.now(), EXPIRED_PER_TURN);
    this.watch(Date.now());
  }
}

function copyRecord({
  id,
  secretHash,
  previous,
  data,
  groups,
  createdAt,
  expiresAt,
  from,
}: SessionRecord): SessionRecord {
  const copy: SessionRecord = {
    id,
    secretHash,
    data: copyData(data),
    groups: [...new Set(groups)],
    createdAt,
    expiresAt,
  };
  if (previous) {
    const { hash, replacedAt, grace, validUntil, since } = previous;
    copy.previous = { hash, replacedAt, grace };
    if (validUntil !== undefined) copy.previous.validUntil = validUntil;
    if (since !== undefined) copy.previous.since = since;
  }
  if (from) copy.from = [...from];
  return copy;
}

function frozen(record: SessionRecord): SessionRecord {
  Object.freeze(record.data);
  Object.freeze(record.groups);
  if (record.previous) Object.freeze(record.previous);
  return Object.freeze(record);
}

function lengthOf({ data }: SessionRecord): number {
  let characters = 0;
  for (const name in data) characters += name.length + (data[name] as string).length;
  return characters;
}
