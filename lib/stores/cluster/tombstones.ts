import { TOMBSTONE_LIFETIME } from '../../contract/record.js';
import { bytesOfTombstone, type Budget } from './budget.js';
import type { SessionLog } from './journal/log.js';
import type { JournaledTombstone } from './journal/state.js';

interface Tombstone {
  readonly id: string;
  /** The groups of a session that was regenerated. `undefined` if it has ended. */
  groups: readonly string[] | undefined;
  readonly until: number;
  bytes: number;
}

/** How many tombstones are forgotten before the queue is copied without them. */
const FORGOTTEN = 1000;

/** The tombstones of one name. An expired one is removed when a later one is added. */
export class Tombstones {
  private readonly byId = new Map<string, Tombstone>();
  /** The regenerated sessions: by group, and all of them under `undefined`. */
  private readonly members = new Map<string | undefined, Set<Tombstone>>();
  /** All of them, the oldest first; from `first` on. Some may have been replaced by later ones. */
  private queue: Tombstone[] = [];
  private first = 0;

  constructor(
    private readonly budget: Budget,
    private readonly log?: SessionLog,
  ) {}

  /** Those that have not expired. */
  live(now: number): JournaledTombstone[] {
    return [...this.byId.values()]
      .filter(({ until }) => until > now)
      .map(({ id, until, groups }) => ({ id, until, groups }));
  }

  /** Gives back the room of all. */
  close(): void {
    for (const { bytes } of this.byId.values()) this.budget.used -= bytes;
  }

  has(id: string, now: number): boolean {
    return this.find(id, now) !== undefined;
  }

  /** Whether a session has ended, and was not only regenerated. */
  isEnded(id: string, now: number): boolean {
    const found = this.find(id, now);
    return found !== undefined && found.groups === undefined;
  }

  /** Puts a tombstone in the place of a session: with its groups if it was regenerated. Removes expired ones. */
  add(id: string, groups: readonly string[] | undefined, now: number): void {
    const until = now + TOMBSTONE_LIFETIME;
    this.log?.end(id, until, groups);
    this.removeExpired(now);
    const before = this.byId.get(id);
    if (before) this.remove(before);
    this.restore({ id, until, groups });
  }

  /** Adds a tombstone that the log has already, and of whose id there is none. Must be called in order of `until`. */
  restore({ id, until, groups }: JournaledTombstone): void {
    const tombstone: Tombstone = { id, until, groups, bytes: bytesOfTombstone(groups) };
    this.byId.set(id, tombstone);
    this.queue.push(tombstone);
    this.budget.used += tombstone.bytes;
    for (const group of groupsOf(tombstone)) {
      const members = this.members.get(group);
      if (members) members.add(tombstone);
      else this.members.set(group, new Set([tombstone]));
    }
  }

  /** Marks the regenerated sessions of a group, or of all, as ended, except those that are kept. */
  end(group: string | undefined, kept: ReadonlySet<string>): void {
    for (const tombstone of this.members.get(group) ?? []) {
      if (kept.has(tombstone.id)) continue;
      this.log?.end(tombstone.id, tombstone.until, undefined);
      this.forgetGroups(tombstone);
      tombstone.groups = undefined;
      const bytes = bytesOfTombstone(undefined);
      this.budget.used += bytes - tombstone.bytes;
      tombstone.bytes = bytes;
    }
  }

  /** Removes the oldest one, expired or not. Returns whether there was one. */
  removeOldest(): boolean {
    while (this.first < this.queue.length) {
      const oldest = this.shift();
      if (this.byId.get(oldest.id) !== oldest) continue;
      this.remove(oldest);
      return true;
    }
    return false;
  }

  private find(id: string, now: number): Tombstone | undefined {
    const found = this.byId.get(id);
    return found && found.until > now ? found : undefined;
  }

  private removeExpired(now: number): void {
    for (
      let oldest = this.queue[this.first];
      oldest && oldest.until <= now;
      oldest = this.queue[this.first]
    ) {
      this.shift();
      if (this.byId.get(oldest.id) === oldest) this.remove(oldest);
    }
  }

  private shift(): Tombstone {
    const oldest = this.queue[this.first++] as Tombstone;
    if (this.first > FORGOTTEN && this.first > this.queue.length / 2) {
      this.queue = this.queue.slice(this.first);
      this.first = 0;
    }
    return oldest;
  }

  private remove(tombstone: Tombstone): void {
    this.forgetGroups(tombstone);
    this.byId.delete(tombstone.id);
    this.budget.used -= tombstone.bytes;
  }

  private forgetGroups(tombstone: Tombstone): void {
    for (const group of groupsOf(tombstone)) {
      const members = this.members.get(group);
      members?.delete(tombstone);
      if (members?.size === 0) this.members.delete(group);
    }
  }
}

/** The lists that have a regenerated session: that of all, and those of its groups. None has an ended one. */
function groupsOf({ groups }: Tombstone): (string | undefined)[] {
  return groups ? [undefined, ...groups] : [];
}
