import type {
  SessionChange,
  SessionPage,
  SessionPageOptions,
  SessionRecord,
  SessionRef,
  SessionUpdate,
} from '../contract/record.js';
import { newTexts } from '../contract/texts.js';
import { sourceOf } from '../contract/deferred.js';
import { isSealedGroup, isSealedText } from '../contract/sealed.js';
import type { SessionStore } from '../contract/store.js';
import { isUnannounced, UNANNOUNCED } from '../contract/unannounced.js';

/** The store from which sessions move. What it returns has an {@link UnmovedHint}. */
export interface Source {
  readonly store: SessionStore;
  /** Whether it keeps secrets, groups and tombstones, as every store of this package does. */
  readonly isOurs: boolean;

  /** The live session with this id, as a request may use it before it moves. */
  read(id: string): Promise<SessionRecord | undefined>;
  /**
   * The record with which it is created in the new store.
   *
   * @param now when a session moves whose creation the old store does not know; default: now
   */
  copyOf(record: SessionRecord, now?: number): SessionRecord;
  create(record: SessionRecord): Promise<boolean>;
  update(record: SessionRef, change: SessionChange): Promise<SessionUpdate | undefined>;
  /** Removes a session that has moved. It has not ended. */
  remove(record: SessionRecord): Promise<void>;

  /** Rejects with a `TypeError` if the groups of its sessions are not known. */
  page(options: SessionPageOptions): Promise<SessionPage>;
  /** The sessions of a group, or all, from page to page. */
  members(group: string | undefined): AsyncIterable<SessionRecord[]>;
}

/** The hint of a record that was read from the old store, around that store's own hint. */
export class UnmovedHint {
  readonly [UNANNOUNCED]: boolean;

  constructor(
    readonly hint: unknown,
    isHidden: boolean,
  ) {
    this[UNANNOUNCED] = isHidden;
  }
}

/** Whether a record was read from the old store. */
export function isUnmoved({ hint }: SessionRef): boolean {
  return hint instanceof UnmovedHint;
}

/** The record as its own store returned it. */
export function withOwnHint<R extends SessionRef>(record: R): R {
  return record.hint instanceof UnmovedHint ? { ...record, hint: record.hint.hint } : record;
}

/** The record as a session that was read from the old store. */
export function unmoved(record: SessionRecord, more: Partial<SessionRecord> = {}): SessionRecord {
  return { ...record, ...more, hint: new UnmovedHint(record.hint, isUnannounced(record)) };
}

/** The record, whose changes are not announced if it was read from the old store, because only the new one is watched. */
export function announcedByNew<R extends SessionRecord | undefined>(record: R): R {
  if (!(record?.hint instanceof UnmovedHint)) return record;
  return { ...record, hint: new UnmovedHint(record.hint.hint, true) };
}

/** Whether a session can be read as a whole. What is sealed with an unknown key, or without a decorator that opens it, cannot. */
export function isReadable({ data, groups }: SessionRecord): boolean {
  return (
    Object.keys(data).every((name) => data[name] !== undefined && !isSealedText(data[name])) &&
    !groups.some(isSealedGroup) &&
    (sourceOf(data)?.hasRest() ?? true)
  );
}

/** A copy of the texts that can be read. */
export function textsOf(data: SessionRecord['data']): SessionRecord['data'] {
  const copy = newTexts();
  for (const name of Object.keys(data)) {
    const text = data[name];
    if (text !== undefined) copy[name] = text;
  }
  return copy;
}
