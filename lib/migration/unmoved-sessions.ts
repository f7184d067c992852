import { setTimeout } from 'node:timers/promises';
import { SessionStoreError } from '../contract/errors.js';
import type { SessionChange, SessionRef, SessionUpdate } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import type { Mover } from './mover.js';
import { withOwnHint, type Source } from './source.js';

/**
 * Changes sessions in the old store. A mover may read a change or not, so each is made in the new store as well if the
 * session is there by then.
 */
export class UnmovedSessions {
  readonly #source: Source;
  readonly #target: SessionStore;
  readonly #mover: Mover;

  constructor(source: Source, target: SessionStore, mover: Mover) {
    this.#source = source;
    this.#target = target;
    this.#mover = mover;
  }

  async update(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    const { id } = record;
    const updated = await this.#source.update(record, change);
    if (!updated) return this.#target.update({ id }, change);
    if (change.add !== undefined || change.take !== undefined) {
      await this.#checkNotMoved(id);
    } else {
      const again = await this.#target.update({ id }, change);
      if (again) {
        // A write to an express-session store brings back a session that has moved meanwhile.
        if (!this.#source.isOurs) await this.#source.store.destroy(id);
        return again;
      }
    }
    if (this.#source.isOurs || !(await this.#mover.isTaken(id))) return updated;
    // The same if it has ended meanwhile.
    await this.#source.store.destroy(id);
    return this.#target.update({ id }, change);
  }

  /**
   * Throws if a session has moved since an `add` or a `take` in the old store, which must not be made twice. A copy of it in
   * the new store may also be about to end there.
   */
  async #checkNotMoved(id: string): Promise<void> {
    const waitsUntil = performance.now() + this.#target.timeout;
    while (await this.#target.read(id)) {
      const isUnclear = !(await this.#source.read(id)) || performance.now() > waitsUntil;
      if (isUnclear) throw new SessionStoreError('migration', 'update', HAS_MOVED);
      await setTimeout(1);
    }
  }

  async rotate(
    record: SessionRef,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined> {
    const current = await this.#source.store.rotate(withOwnHint(record), presented, secretHash, grace);
    return (await this.#target.rotate({ id: record.id }, presented, secretHash, grace)) ?? current;
  }
}

const HAS_MOVED =
  'the session moved to another store meanwhile, so it is not known whether the change was made. Set migrateFrom.move on every process';
