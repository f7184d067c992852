import { setTimeout as wait } from 'node:timers/promises';
import { SLACK, ttlOf, type Envelope, type Envelopes } from './envelope.js';
import type { JsonMap } from './map.js';
import type { Replicas } from './replica.js';
import { tombstoneIn } from './tombstone.js';

/** How long a repair waits before it tries again, in milliseconds. */
const PAUSE = 50;

/** Repairs what calls leave behind that failed, or lost a race: lifetimes of entries, and replicas without a session. */
export class Repairs {
  /** @param timeout for how long a repair in the background tries, in milliseconds */
  constructor(
    private readonly envelopes: Envelopes,
    private readonly replicas: Replicas,
    private readonly timeout: number,
    private readonly now: () => number,
  ) {}

  /** A session as its entry is now; `undefined` if it is gone. */
  async current(sessions: JsonMap, id: string): Promise<Envelope | undefined> {
    const text = await sessions.get(this.envelopes.keyOf(id));
    return text === undefined ? undefined : this.envelopes.read(id, text);
  }

  /**
   * Replaces an entry, if its text is `from`, by one that lives for `ttl`. Resolves to whether it was. The loser of a
   * race has set the lifetime all the same: its next try repairs that, or `keepAlive`.
   */
  async replace(sessions: JsonMap, id: string, from: string, to: string, ttl: number): Promise<boolean> {
    return this.orKeepAlive(sessions, id, () => sessions.replace(this.envelopes.keyOf(id), from, to, ttl));
  }

  /** Runs a write. If it fails, repairs the lifetime of the entry in the background. */
  async orKeepAlive<T>(sessions: JsonMap, id: string, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      // Another writer may have won, and its entry may have our lifetime. Or ours has none of its own.
      this.afterwards(() => this.keepAlive(sessions, id));
      throw error;
    }
  }

  /**
   * Repairs the lifetime of an entry. The loser of a race has set one that may be shorter than the winner's, or longer
   * if the winner was a tombstone. Its next try repairs that; a loser that gives up, or has nothing left to write, calls
   * this.
   */
  async keepAlive(sessions: JsonMap, id: string): Promise<void> {
    const key = this.envelopes.keyOf(id);
    let text = await sessions.get(key);
    while (text !== undefined) {
      const ttl = this.ttlIn(id, text);
      if (ttl !== undefined) await sessions.setTtl(key, ttl);
      const now = await sessions.get(key);
      if (now === text) return;
      text = now;
    }
  }

  /**
   * Runs steps that may leave replicas without a session if one of them fails, because it may have acted all the same.
   * Then removes such replicas: a second clear would not find them.
   */
  async leavingNoOrphan<T>(sessions: JsonMap, id: string, steps: () => Promise<T>): Promise<T> {
    try {
      return await steps();
    } catch (error) {
      this.afterwards(async () => {
        if (this.replicas.areNone || (await this.current(sessions, id))) return;
        await this.replicas.remove(id);
      });
      throw error;
    }
  }

  /** How long an entry must live from now on, in milliseconds. `undefined` if it is damaged. */
  private ttlIn(id: string, text: string): number | undefined {
    const now = this.now();
    const tombstone = tombstoneIn(text);
    if (tombstone) return Math.max(tombstone.until - now, 0) + SLACK;
    const found = this.envelopes.read(id, text);
    return found && ttlOf(found, now);
  }

  /** Repairs, in the background, what a failed call has left behind. Tries for as long as a call may take. */
  private afterwards(work: () => Promise<void>): void {
    const end = performance.now() + this.timeout;
    const attempt = (): Promise<void> =>
      work().catch(async () => {
        await wait(PAUSE, undefined, { ref: false });
        if (performance.now() < end) await attempt();
      });
    void attempt();
  }
}
