import { IdInUseError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import type { Mover } from './mover.js';
import type { Source } from './source.js';

/** What creating sessions needs of the store that migrates. */
interface Calls {
  read(id: string): Promise<SessionRecord | undefined>;
  end(id: string): Promise<unknown>;
}

/** Creates sessions in one of two stores, under ids that are in use in neither. */
export class Creating {
  readonly #source: Source;
  readonly #target: SessionStore;
  readonly #mover: Mover;
  readonly #moves: boolean;
  readonly #calls: Calls;

  /** @param moves whether they are created in the new store */
  constructor(source: Source, target: SessionStore, mover: Mover, moves: boolean, calls: Calls) {
    this.#source = source;
    this.#target = target;
    this.#mover = mover;
    this.#moves = moves;
    this.#calls = calls;
  }

  async create(record: SessionRecord): Promise<boolean> {
    const { id, from = [] } = record;
    const isCreated = await (this.#moves ? this.#createMoved(record) : this.#createUnmoved(record));
    // The store that creates it knows the tombstones of its own.
    const other = this.#moves ? this.#source.store : this.#target;
    if (!isCreated || from.length === 0 || !(await other.haveEnded(from))) return isCreated;
    await this.#calls.end(id);
    return false;
  }

  async #createMoved(record: SessionRecord): Promise<boolean> {
    // An id is in use, too, if its session has not moved.
    if (await this.#source.read(record.id)) await this.#mover.move(record.id);
    return this.#target.create(record);
  }

  async #createUnmoved(record: SessionRecord): Promise<boolean> {
    const { id } = record;
    if (await this.#target.read(id)) return this.#target.create(record);
    if (await this.#target.haveEnded([id])) throw new IdInUseError('migration');
    return this.#source.create(record);
  }

  /** Puts a session that has moved from another store into the new one. */
  async adopt(record: SessionRecord): Promise<void> {
    const { id } = record;
    const isThere = await this.#calls.read(id);
    const isInUse = isThere
      ? isThere.secretHash !== record.secretHash
      : await this.#source.store.haveEnded([id]);
    if (isInUse) throw new IdInUseError('migration');
    if (!isThere) await this.#target.adopt(record);
  }
}
