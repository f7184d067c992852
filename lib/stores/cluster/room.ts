import type { Budget } from './budget.js';
import type { MappedSession } from './heap.js';
import type { SessionMap } from './map.js';
import type { Tombstones } from './tombstones.js';

/** The default maximum number of sessions of one name. */
export const DEFAULT_MAX_SESSIONS = 1_000_000;

/** Makes room for sessions: drops others if there are too many, or if all of them take too many bytes. */
export class Room {
  constructor(
    private readonly map: SessionMap,
    private readonly tombstones: Tombstones,
    private readonly budget: Budget,
    public maxSessions: number,
  ) {}

  /** Makes room for one more session of `bytes` bytes. Throws if there cannot be enough. */
  makeFor(bytes: number, now: number): void {
    this.makePlace(now);
    this.makeBytes(bytes, 'create', now);
  }

  /** Makes room for a session to grow by `more` bytes. It is not dropped itself. Throws if there cannot be enough. */
  makeToGrow(session: MappedSession, more: number, now: number): void {
    if (more <= 0 || this.budget.hasRoomFor(more)) return;
    this.map.sparing(session, () => this.makeBytes(more, 'update', now));
  }

  /**
   * Drops sessions until there is room for one more. Those in groups are dropped last, because groups are for users who
   * logged in.
   */
  private makePlace(now: number): void {
    if (this.map.size < this.maxSessions) return;
    this.map.removeExpired(now);
    while (this.map.size >= this.maxSessions) {
      const session = this.map.mostDispensable;
      if (!session) return;
      this.map.drop(session);
    }
  }

  /**
   * Drops tombstones, then sessions in no group, until there is room for `bytes` bytes. Throws, and drops no session,
   * if that would not be enough.
   */
  private makeBytes(bytes: number, operation: 'create' | 'update', now: number): void {
    if (this.budget.hasRoomFor(bytes)) return;
    this.map.removeExpired(now);
    while (!this.budget.hasRoomFor(bytes) && this.tombstones.removeOldest());
    const { ungrouped } = this.map;
    if (!this.budget.hasRoomFor(bytes - ungrouped.bytes)) throw this.budget.exceeded(operation);
    while (!this.budget.hasRoomFor(bytes)) this.map.drop(ungrouped.first as MappedSession);
  }
}
