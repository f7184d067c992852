import { randomUUID } from 'node:crypto';
import type { SessionRecord } from '../contract/record.js';

const PREFIX = 'moved:';

/**
 * A new mark, by which a mover knows whether the session in the new store is its own copy. It is kept in `from`.
 *
 * @param now when the session moves, by the clock of the new store
 */
export function newMark(now: number): string {
  return `${PREFIX}${now}:${randomUUID()}`;
}

/** When a session moved, by its mark; `undefined` if it did not. Of several moves the last counts. */
export function movedAt({ from = [] }: SessionRecord): number | undefined {
  const mark = from.findLast((id) => id.startsWith(PREFIX));
  return mark === undefined ? undefined : Number.parseInt(mark.slice(PREFIX.length), 10);
}

/** The record without the marks of its movers. */
export function unmarked<R extends SessionRecord | undefined>(record: R): R {
  const from = record?.from;
  if (!from?.some((id) => id.startsWith(PREFIX))) return record;
  const { from: _, ...others } = record!;
  const left = from.filter((id) => !id.startsWith(PREFIX));
  return (left.length === 0 ? others : { ...others, from: left }) as R;
}
