import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../contract/record.js';
import { pagesOf } from '../contract/pages.js';
import type { SessionStore } from '../contract/store.js';
import { textsOf, unmoved, withOwnHint, type Source } from './source.js';

/** A store of this package, from which sessions move as they are. */
export class OwnSource implements Source {
  readonly isOurs = true;

  constructor(readonly store: SessionStore) {}

  async read(id: string): Promise<SessionRecord | undefined> {
    const record = await this.store.read(id);
    return record && unmoved(record);
  }

  copyOf(record: SessionRecord): SessionRecord {
    // Texts that are made when they are first read belong to the old store, as does its hint.
    const copy = { ...record, data: textsOf(record.data) };
    delete copy.hint;
    return copy;
  }

  create(record: SessionRecord): Promise<boolean> {
    return this.store.create(record);
  }

  update(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined> {
    return this.store.update(withOwnHint(record), change);
  }

  /** Leaves the tombstone of a session that was regenerated, which has not ended. */
  async remove({ id }: SessionRecord): Promise<void> {
    await this.store.regenerate(id);
  }

  async page(options: SessionPageOptions): Promise<SessionPage> {
    const { records, ...page } = await this.store.page(options);
    return { records: records.map((record) => unmoved(record)), ...page };
  }

  members(group: string | undefined): AsyncIterable<SessionRecord[]> {
    return pagesOf(this, group);
  }
}
