import { LRUCache } from 'lru-cache';
import { lengthIn, sourceOf } from '../contract/deferred.js';
import type { SessionRecord } from '../contract/record.js';
import { lengthOf } from '../contract/texts.js';

/** A record, and when the read of it began, by `performance.now()`. */
interface Kept {
  readonly record: SessionRecord;
  readonly readAt: number;
}

/** The limits of a cache, of which `Infinity` is none. */
export interface RecordLimits {
  maxSessions: number;
  maxBytes: number;
  maxAge: number;
}

/** The records of a cache, of which those that were not used for the longest time are dropped. */
export class CachedRecords {
  readonly #kept: LRUCache<string, Kept>;
  readonly #maxAge: number;

  constructor({ maxSessions, maxBytes, maxAge }: RecordLimits) {
    this.#maxAge = maxAge;
    const bySize = { maxSize: maxBytes, sizeCalculation: ({ record }: Kept) => bytesOf(record) };
    this.#kept = new LRUCache({ max: maxSessions, ...(maxBytes !== Infinity && bySize) });
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The record of a session, or why there is none. `at` is an instant of `performance.now()`, `now` one of the store. */
  find(id: string, at: number, now: number): SessionRecord | 'absent' | 'expired' | 'too old' {
    const kept = this.#kept.get(id);
    if (!kept) return 'absent';
    if (at - kept.readAt <= this.#maxAge && now < kept.record.expiresAt) return kept.record;
    this.#kept.delete(id);
    return now < kept.record.expiresAt ? 'too old' : 'expired';
  }

  /** Keeps what was read by `id`: a damaged record may have another. */
  keep(id: string, record: SessionRecord, readAt: number): void {
    this.#kept.set(id, { record, readAt });
  }

  /** The record of a session, however old. Does not count as a use. */
  get(id: string): SessionRecord | undefined {
    return this.#kept.peek(id)?.record;
  }

  /** Moves the expiry of a session that is kept. Its record may be in use, and is not changed. */
  renew(id: string, expiresAt: number): void {
    const kept = this.#kept.peek(id);
    if (kept) this.#kept.set(id, { record: { ...kept.record, expiresAt }, readAt: kept.readAt });
  }

  /** Returns whether there was one. */
  delete(id: string): boolean {
    return this.#kept.delete(id);
  }

  clear(): void {
    this.#kept.clear();
  }
}

/**
 * The size of a record, roughly: the lengths of its texts, in UTF-16 units, and of those from which its deferred texts are
 * made. Greater than zero, even if it is damaged.
 */
export function bytesOf(record: SessionRecord): number {
  const { id, secretHash, previous, data, groups, from, hint } = record;
  const values = Object(data) as Record<string, string>;
  const names = Object.keys(values);
  const source = sourceOf(values);
  // Those of a deferred record would be made by this.
  const rest = source ? [] : [record.label, record.client?.first, record.client?.last];
  const texts = [id, secretHash, previous?.hash, groups, from, names, rest];
  // Hazelcast's hint has the text of the whole record.
  const all: unknown[] = [...texts.flat(), ...Object.values(Object(hint) as object)];
  const others = 1 + lengthOf(all) + (source?.kept() ?? 0);
  return names.reduce((bytes, name) => bytes + lengthIn(values, name), others);
}
