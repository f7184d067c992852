import type { SessionMap } from './map.js';
import type { Tombstones } from './tombstones.js';

/** The position after which a clear continues, and the last position that it reaches. */
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

const CLEARED_PER_STEP = 250;

/** Destroys the sessions of a group, or all, step by step, so that other calls can run between the steps. */
export class Clearing {
  constructor(
    private readonly map: SessionMap,
    private readonly tombstones: Tombstones,
    private readonly now: () => number,
  ) {}

  /**
   * Destroys some of the sessions, except those with an id in `kept`. The first step has no `reach`. It limits the
   * later steps to the positions that are taken by then, so that the clear ends even while sessions keep joining.
   */
  step(group: string | undefined, kept: ReadonlySet<string>, reach: ClearReach | undefined): ClearStep {
    const { map, tombstones } = this;
    const now = this.now();
    map.removeExpired(now);
    const { after, until, isAgain = false } = reach ?? { after: 0, until: map.lastPosition };
    const found = map.list(group)?.after(after, CLEARED_PER_STEP) ?? [];
    const members = found.filter(({ position }) => position <= until);
    const ending = members.filter(
      ({ member: { record } }) =>
        !kept.has(record.id) && (!isAgain || record.from?.some((id) => tombstones.isEnded(id, now))),
    );
    for (const { member } of ending) {
      map.remove(member);
      tombstones.add(member.record.id, undefined, now);
    }

    const ended = ending.length;
    const last = members.at(-1);
    if (last && members.length === CLEARED_PER_STEP && last.position < until)
      return { ended, next: { after: last.position, until, isAgain } };
    if (isAgain) return { ended };
    this.endRegenerated(group, kept, now);
    return map.lastPosition > until
      ? { ended, next: { after: until, until: map.lastPosition, isAgain: true } }
      : { ended };
  }

  /** Marks the regenerated sessions of a group, or of all, as ended, except those that a kept session came from. */
  private endRegenerated(group: string | undefined, kept: ReadonlySet<string>, now: number): void {
    const keptToo = new Set(kept);
    for (const id of kept)
      for (const origin of this.map.live(id, now)?.record.from ?? []) keptToo.add(origin);
    this.tombstones.end(group, keptToo);
  }
}
