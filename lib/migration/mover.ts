import { isIdInUse } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { differenceOf } from './difference.js';
import type { Leftovers } from './leftovers.js';
import { newMark } from './mark.js';
import { isReadable, type Source } from './source.js';

/**
 * How old what a mover has read may be when it creates the session in the new store, in milliseconds. Much less than the
 * lifetime of a tombstone, which keeps it from reviving a session that has ended meanwhile.
 */
const MOST_AGE = 10_000;

/** How often a mover that is too slow begins again. */
const MOST_TRIES = 3;

/** How many changes a mover brings that are made one after another while it moves a session. */
const MOST_CHANGES = 10;

/** Moves sessions one by one to the new store. */
export class Mover {
  constructor(
    private readonly source: Source,
    private readonly target: SessionStore,
    private readonly leftovers: Leftovers,
  ) {}

  /**
   * Moves a session that is not in the new store. Resolves to its record, there or where it must stay; `undefined` if it
   * has ended.
   *
   * Any number of processes may move it at the same time, and stop at any step: it is created in the new store before it
   * is removed from the old one. The one whose copy it is finds its mark in it.
   */
  async move(id: string): Promise<SessionRecord | undefined> {
    for (let tries = 1; ; tries++) {
      const begunAt = performance.now();
      const found = await this.source.read(id);
      // Another process may have moved it since the caller looked.
      if (!found) return this.target.read(id);
      // What cannot be read would be lost.
      if (!isReadable(found)) return found;
      if (performance.now() - begunAt <= MOST_AGE) return this.#moveNow(found);
      if (tries === MOST_TRIES) return found;
    }
  }

  /**
   * Copies a session to the new store, without what cannot be read of it. It stays in the old store, too. Resolves to `false`
   * if it is live there, but cannot be copied.
   */
  async copy(id: string): Promise<boolean> {
    const found = await this.source.read(id);
    return !found || this.#adopt(this.#marked(this.source.copyOf(found)).record);
  }

  /** Whether the new store has the session or a tombstone of it: it takes no session with this id, not even an expired one. */
  async isTaken(id: string): Promise<boolean> {
    const expired = { id, secretHash: '', data: {}, groups: [], createdAt: 0, expiresAt: 0 };
    return !(await this.#adopt(expired));
  }

  async #moveNow(found: SessionRecord): Promise<SessionRecord | undefined> {
    const { id } = found;
    const copy = this.source.copyOf(found);
    const { record, mark } = this.#marked(copy);
    if (!(await this.#adopt(record))) {
      if (await this.target.haveEnded([id])) {
        await this.source.store.destroy(id);
        return undefined;
      }
      // It was moved and rotated by another process; or it came from there less than ten minutes ago, and cannot go back yet.
      return (await this.#readMoved(id)) ?? this.source.read(id);
    }
    const moved = await this.target.read(id);
    // Only the one whose copy it is knows which changes are later.
    if (!moved?.from?.includes(mark)) return moved && this.leftovers.settled(moved, this.target);
    await this.#bringLateChanges(copy);
    await this.leftovers.remove(found);
    return this.target.read(id);
  }

  #marked(copy: SessionRecord): { record: SessionRecord; mark: string } {
    const mark = newMark(this.target.now());
    return { record: { ...copy, from: [...(copy.from ?? []), mark] }, mark };
  }

  /** Resolves to `false` if the id is in use by another secret hash, or has a tombstone. */
  async #adopt(record: SessionRecord): Promise<boolean> {
    try {
      await this.target.adopt(record);
      return true;
    } catch (error) {
      if (isIdInUse(error)) return false;
      throw error;
    }
  }

  async #readMoved(id: string): Promise<SessionRecord | undefined> {
    const moved = await this.target.read(id);
    return moved && this.leftovers.settled(moved, this.target);
  }

  /**
   * Makes the changes that processes which do not move sessions have made in the old store since the session was read. A
   * process that makes a later one sees that the session has moved, and makes it in the new store as well: maybe before an
   * earlier one is brought, so this looks again after each.
   */
  async #bringLateChanges(copy: SessionRecord): Promise<void> {
    let before = copy;
    for (let times = 0; times < MOST_CHANGES; times++) {
      const found = await this.source.read(copy.id);
      if (!found) return;
      const after = this.source.copyOf(found, copy.createdAt);
      if (!(await this.#bring(before, after))) return;
      before = after;
    }
  }

  /** Resolves to whether there was a change. */
  async #bring(before: SessionRecord, after: SessionRecord): Promise<boolean> {
    const { id } = before;
    const isRotated = after.secretHash !== before.secretHash;
    if (isRotated) {
      const grace = after.previous?.grace ?? 0;
      await this.target.rotate({ id }, before.secretHash, after.secretHash, grace);
    }
    if (!differenceOf(before, after, before)) return isRotated;
    const now = await this.target.read(id);
    const change = now && differenceOf(before, after, now);
    if (change) await this.target.update(now, change);
    return true;
  }
}
