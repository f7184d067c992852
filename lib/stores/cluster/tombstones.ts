import { TOMBSTONE_LIFETIME } from '../../contract/record.js';
import { TOMBSTONE, type Budget } from './budget.js';

interface Tombstone {
  /** The groups of a session that was regenerated. `undefined` if it has ended. */
  groups: readonly string[] | undefined;
  until: number;
}

/** The tombstones of one name, the oldest first. An expired one is removed when a later one is added. */
export class Tombstones {
  private readonly byId = new Map<string, Tombstone>();
  /** The ids of regenerated sessions: by group, and all of them under `undefined`. */
  private readonly members = new Map<string | undefined, Set<string>>();

  constructor(private readonly budget: Budget) {}

  /** Gives back the room of all. */
  close(): void {
    this.budget.used -= this.byId.size * TOMBSTONE;
  }

  has(id: string, now: number): boolean {
    return this.find(id, now) !== undefined;
  }

  /** Whether a session has ended, and was not only regenerated. */
  isEnded(id: string, now: number): boolean {
    const found = this.find(id, now);
    return found !== undefined && found.groups === undefined;
  }

  /**
   * Puts a tombstone in the place of a session: with its groups if it was regenerated. Then removes expired ones, and
   * the oldest ones above `most`.
   */
  add(id: string, groups: readonly string[] | undefined, now: number, most: number): void {
    this.remove(id);
    this.byId.set(id, { groups, until: now + TOMBSTONE_LIFETIME });
    this.budget.used += TOMBSTONE;
    for (const group of groups ? [undefined, ...groups] : []) {
      const members = this.members.get(group);
      if (members) members.add(id);
      else this.members.set(group, new Set([id]));
    }
    for (const [oldest, { until }] of this.byId) {
      if (until > now && this.byId.size <= most) break;
      this.remove(oldest);
    }
  }

  /** The regenerated sessions of a group, or all. */
  regenerated(group: string | undefined, now: number): string[] {
    return [...(this.members.get(group) ?? [])].filter((id) => this.has(id, now));
  }

  private find(id: string, now: number): Tombstone | undefined {
    const found = this.byId.get(id);
    return found && found.until > now ? found : undefined;
  }

  private remove(id: string): void {
    const groups = this.byId.get(id)?.groups;
    if (this.byId.delete(id)) this.budget.used -= TOMBSTONE;
    for (const group of groups ? [undefined, ...groups] : []) {
      const members = this.members.get(group);
      members?.delete(id);
      if (members?.size === 0) this.members.delete(group);
    }
  }
}
