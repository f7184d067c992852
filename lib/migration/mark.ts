import { randomUUID } from 'node:crypto';
import type { SessionRecord } from '../contract/record.js';

const PREFIX = 'moved:';

/** A new mark, by which a mover knows whether the session in the new store is its own copy. It is kept in `from`. */
export function newMark(): string {
  return PREFIX + randomUUID();
}

/** The record without the mark of its mover. */
export function unmarked<R extends SessionRecord | undefined>(record: R): R {
  const from = record?.from;
  if (!from?.some((id) => id.startsWith(PREFIX))) return record;
  const { from: _, ...others } = record!;
  const left = from.filter((id) => !id.startsWith(PREFIX));
  return (left.length === 0 ? others : { ...others, from: left }) as R;
}
