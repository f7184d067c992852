import { setTimeout } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { movedAt } from './mark.js';
import type { Source } from './source.js';

/** How many sessions are remembered that could not be removed, and how many that have been. */
const MOST = 10_000;

/** How many of them are removed with the next session that moves. */
const AT_ONCE = 10;

/** How long a mover takes at most between its first write and its last, in milliseconds, if both stores respond. */
const MOVING_FOR = 2000;

/** After how long a mover that has not finished has stopped, and left a copy in the old store, in milliseconds. */
const STOPPED_AFTER = 60_000;

/** Removes sessions that have moved from the old store, at a later move if it fails. */
export class Leftovers {
  readonly #records = new Map<string, SessionRecord>();
  /** Sessions of which no copy is left. */
  readonly #removed = new LRUCache<string, true>({ max: MOST });

  constructor(
    private readonly source: Source,
    private readonly logger: { warn(message: string): void },
  ) {}

  /** Never rejects: the session has moved, whether or not a copy of it is left. */
  async remove(moved: SessionRecord): Promise<void> {
    this.#records.set(moved.id, moved);
    const due = [moved, ...this.#records.values()].slice(0, AT_ONCE);
    await Promise.all([...new Set(due)].map((record) => this.#remove(record)));
  }

  async #remove(record: SessionRecord): Promise<void> {
    try {
      await this.source.remove(record);
      this.#records.delete(record.id);
      this.#removed.set(record.id, true);
    } catch {
      if (this.#records.size === 1) this.logger.warn(NOT_REMOVED);
      if (this.#records.size > MOST) this.#records.delete(this.#records.keys().next().value!);
    }
  }

  /**
   * The record of a session in the new store with all that its mover brings there: what changed in the old store while it
   * moved. If the mover stopped before it removed the copy in the old store, that is removed later.
   *
   * Looks at the old store once for a session that this process has not moved.
   *
   * @param target the new store
   */
  async settled(moved: SessionRecord, target: SessionStore): Promise<SessionRecord | undefined> {
    const { id } = moved;
    const at = movedAt(moved);
    if (at === undefined || this.#removed.has(id)) return moved;
    const age = target.now() - at;
    if (age >= STOPPED_AFTER) this.#removeLater(id);
    if (age >= MOVING_FOR) return moved;
    await this.#isRemoved(id);
    return target.read(id);
  }

  /** Resolves when the mover of a session has removed it from the old store, or is too slow. Never rejects. */
  async #isRemoved(id: string): Promise<void> {
    const waitsUntil = performance.now() + MOVING_FOR;
    try {
      while (await this.source.read(id)) {
        if (performance.now() >= waitsUntil) return;
        await setTimeout(1);
      }
      this.#removed.set(id, true);
    } catch {
      // Without the old store its mover brings nothing either.
    }
  }

  /** The request does not wait for it. If it fails, the next one looks again. */
  #removeLater(id: string): void {
    this.#removed.set(id, true);
    this.removeNow(id).catch(() => this.#removed.delete(id));
  }

  /** Removes the copy of a session in the new store that may be left in the old one. */
  async removeNow(id: string): Promise<void> {
    const left = await this.source.read(id);
    if (left) await this.source.remove(left);
  }
}

const NOT_REMOVED =
  '[session:migration] a session has moved, but could not be removed from the old store. It is removed later. Is the old store reachable?';
