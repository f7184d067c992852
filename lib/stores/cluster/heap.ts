import type { SessionRecord } from '../../contract/record.js';

/** A session in the map, with its places in the other structures. */
export interface MappedSession {
  record: SessionRecord;
  /** About how many bytes it takes. */
  bytes: number;
  /** Its index in its heap. */
  slot: number;
  /** Its position among all sessions. */
  place: number;
  /** Its position in each of its groups, in the order of `record.groups`. */
  places: number[];
}

/**
 * Sessions ordered by expiry, the first to expire first. Each knows its own slot, so that it can be removed at once.
 * Adding and removing cost O(log n).
 */
export class ExpiryHeap {
  private readonly sessions: MappedSession[] = [];
  /** About how many bytes all of them take. */
  bytes = 0;

  /** The first session to expire; `undefined` if there is none. */
  get first(): MappedSession | undefined {
    return this.sessions[0];
  }

  add(session: MappedSession): void {
    this.bytes += session.bytes;
    this.rise(session, this.sessions.length);
  }

  /** Removes a session. It must still have the expiry with which it was added. */
  remove(session: MappedSession): void {
    this.bytes -= session.bytes;
    const last = this.sessions.pop() as MappedSession;
    if (last === session) return;
    if (expiresBefore(last, session)) this.rise(last, session.slot);
    else this.sink(last, session.slot);
  }

  /** Changes how many bytes a session in this heap takes. */
  resize(session: MappedSession, more: number): void {
    session.bytes += more;
    this.bytes += more;
  }

  private rise(session: MappedSession, from: number): void {
    let slot = from;
    while (slot > 0) {
      const above = (slot - 1) >> 1;
      const parent = this.sessions[above] as MappedSession;
      if (!expiresBefore(session, parent)) break;
      this.put(parent, slot);
      slot = above;
    }
    this.put(session, slot);
  }

  private sink(session: MappedSession, from: number): void {
    let slot = from;
    for (;;) {
      const below = this.nearestBelow(slot);
      if (!below || !expiresBefore(below, session)) break;
      const next = below.slot;
      this.put(below, slot);
      slot = next;
    }
    this.put(session, slot);
  }

  private nearestBelow(slot: number): MappedSession | undefined {
    const left = this.sessions[2 * slot + 1];
    const right = this.sessions[2 * slot + 2];
    return left && right && expiresBefore(right, left) ? right : left;
  }

  private put(session: MappedSession, slot: number): void {
    this.sessions[slot] = session;
    session.slot = slot;
  }
}

function expiresBefore(one: MappedSession, other: MappedSession): boolean {
  return one.record.expiresAt < other.record.expiresAt;
}
