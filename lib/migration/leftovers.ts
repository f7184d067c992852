import type { SessionRecord } from '../contract/record.js';
import type { Source } from './source.js';

/** How many sessions are remembered that could not be removed. The others stay in the old store until they expire. */
const MOST = 10_000;

/** How many of them are removed with the next session that moves. */
const AT_ONCE = 10;

/** Removes sessions that have moved from the old store, at a later move if it fails. */
export class Leftovers {
  readonly #records = new Map<string, SessionRecord>();

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
    } catch {
      if (this.#records.size === 1) this.logger.warn(NOT_REMOVED);
      if (this.#records.size > MOST) this.#records.delete(this.#records.keys().next().value!);
    }
  }
}

const NOT_REMOVED =
  '[session:migration] a session has moved, but could not be removed from the old store. It is removed later. Is the old store reachable?';
