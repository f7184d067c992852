import { randomUUID } from 'node:crypto';
import type { JsonMap } from './map.js';

/** How old the knowledge of the members' clock may become, in milliseconds. */
const FRESH = 60_000;
/** How long after a failed attempt the next one begins, in milliseconds. */
const PAUSE = 1000;
/**
 * By how much this host's clock may differ from the members' before that is corrected, in milliseconds. Members tell
 * their time in whole seconds.
 */
const TOLERATED = 1000;

/**
 * The clock of this host, corrected to a second if it differs from the members'. Sessions of hosts whose clocks differ
 * would end early or late otherwise.
 */
export class MemberClock {
  private offset = 0;
  private learnedAt = -Infinity;
  private map: JsonMap | undefined;

  now(): number {
    return Date.now() + this.offset;
  }

  /** Learns the members' time. `map` is used for nothing else. */
  async open(map: JsonMap): Promise<void> {
    this.map = map;
    await this.learn();
  }

  /** Learns the members' time again, in the background, if what is known is old. */
  refresh(): void {
    if (performance.now() - this.learnedAt < FRESH) return;
    this.learnedAt = performance.now();
    // A later refresh tries again.
    this.learn().catch(() => {});
  }

  private async learn(): Promise<void> {
    this.learnedAt = performance.now();
    const { map } = this;
    const before = Date.now();
    const time = await map?.timeOf(randomUUID()).catch((error: unknown) => {
      this.learnedAt = performance.now() - FRESH + PAUSE;
      throw error;
    });
    const after = Date.now();
    // The clock of this host was set meanwhile, or members keep no times.
    if (time === undefined || after < before) return;
    const least = time - after;
    const most = time + 999 - before;
    const isClose = least <= TOLERATED && most >= -TOLERATED;
    this.offset = isClose ? 0 : Math.round((least + most) / 2);
  }
}
