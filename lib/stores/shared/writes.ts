import {
  applyChange,
  applyRotation,
  updateOf,
  type SessionChange,
  type SessionRecord,
  type SessionUpdate,
} from '../../contract/record.js';

/** A write to a session: a change, or a rotation. */
export type SessionWrite = { change: SessionChange } | { rotation: SessionRotation };

/** The arguments of `SessionStore.rotate`. */
export interface SessionRotation {
  presented: string;
  secretHash: string;
  grace: number;
}

/** What a write resolves to: the state of the session after it, or `undefined` if it is gone. */
export type SessionWriteResult = SessionUpdate | undefined;

/** The state of a session after some writes. */
export interface AppliedWrites {
  record: SessionRecord;
  /** The record after each write. None for writes that found the session gone. */
  steps: SessionRecord[];
  /** The result of each write. */
  results: SessionWriteResult[];
}

/**
 * Applies writes one after another to a live record, at `now`. Each has the result that it would have had alone. If one
 * of them ends the session, those after it change nothing, and their result is `undefined`.
 */
export function applyWrites(
  record: SessionRecord,
  writes: readonly SessionWrite[],
  now: number,
): AppliedWrites {
  let current = record;
  const steps: SessionRecord[] = [];
  const results = writes.map((write) => {
    if (current.expiresAt <= now) return undefined;
    const before = current;
    current = applyWrite(before, write, now);
    steps.push(current);
    if (current.expiresAt <= now) return undefined;
    return updateOf(before, 'change' in write ? write.change : {}, current);
  });
  return { record: current, steps, results };
}

function applyWrite(record: SessionRecord, write: SessionWrite, now: number): SessionRecord {
  if ('change' in write) return applyChange(record, write.change);
  const { presented, secretHash, grace } = write.rotation;
  return applyRotation(record, presented, secretHash, grace, now);
}

/** How many characters the names and texts of a write have. */
export function sizeOf(write: SessionWrite): number {
  if (!('change' in write)) return 0;
  const { set = {}, remove = [], join = [], leave = [], add, take = '', label = '', seen } = write.change;
  let size = take.length + (add?.name.length ?? 0) + label.length + (seen?.client.length ?? 0);
  for (const name of Object.keys(set)) size += name.length + set[name]!.length;
  for (const names of [remove, join, leave]) for (const name of names) size += name.length;
  return size;
}
