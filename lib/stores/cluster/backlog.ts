import type { Announced } from './announcer.js';

/** The ids of the sessions that changed, were rotated, and ended. */
export type Announcements = [changed: string[], rotated: string[], ended: string[]];

/** What has not been sent to a worker yet: each session once for each kind of change. */
export class Backlog {
  private readonly sets: Record<Announced, Set<string>> = {
    changed: new Set(),
    rotated: new Set(),
    ended: new Set(),
  };

  get size(): number {
    const { changed, rotated, ended } = this.sets;
    return changed.size + rotated.size + ended.size;
  }

  add(type: Announced, ids: readonly string[]): void {
    const set = this.sets[type];
    for (const id of ids) set.add(id);
  }

  /** All that is in it. It is empty after that. Ends come last: of a session that ended, nothing else is heard later. */
  take(): Announcements {
    const { changed, rotated, ended } = this.sets;
    const all: Announcements = [[...changed], [...rotated], [...ended]];
    this.clear();
    return all;
  }

  clear(): void {
    for (const set of Object.values(this.sets)) set.clear();
  }
}
