import type { SessionRecord } from '../../../contract/record.js';
import { fromPairs, toPairs, type Pairs } from '../../shared/pairs.js';

/** What is written of one change to the sessions of a name. */
export type JournalEntry =
  | [type: 'put', name: string, record: JournaledRecord]
  | [type: 'change', name: string, id: string, delta: RecordDelta]
  /** A tombstone takes the place of a session. `groups` is `null` unless the session was regenerated. */
  | [type: 'end', name: string, id: string, until: number, groups: readonly string[] | null]
  /** A session has expired, or was dropped for room. */
  | [type: 'drop', name: string, id: string];

/** A record with its data as pairs. Other fields are kept as they are, those of later versions too. */
export type JournaledRecord = Omit<SessionRecord, 'data'> & { data: Pairs };

/** What differs between two records of a session. */
export interface RecordDelta {
  /** The fields other than `data` that were set. */
  fields?: Record<string, unknown>;
  /** The fields that were removed. */
  absent?: string[];
  /** The properties of the data that were set. */
  set?: Pairs;
  /** The properties of the data that were removed. */
  remove?: string[];
}

export function encodeRecord(record: SessionRecord): JournaledRecord {
  return { ...record, data: toPairs(record.data) };
}

export function decodeRecord({ data, ...fields }: JournaledRecord): SessionRecord {
  return { ...fields, data: fromPairs(data) };
}

/** What differs between two records of a session, as long as the change and not as the session. */
export function deltaOf(before: SessionRecord, after: SessionRecord): RecordDelta {
  const delta: RecordDelta = {};
  const old: Record<string, unknown> = { ...before };
  const now: Record<string, unknown> = { ...after };
  for (const name of Object.keys(now)) {
    const value = now[name];
    if (name !== 'data' && value !== undefined && value !== old[name]) (delta.fields ??= {})[name] = value;
  }
  for (const name of Object.keys(old)) {
    if (old[name] !== undefined && now[name] === undefined) (delta.absent ??= []).push(name);
  }
  if (after.data === before.data) return delta;
  for (const name of Object.keys(after.data)) {
    const text = after.data[name] as string;
    if (text !== before.data[name]) (delta.set ??= []).push(name, text);
  }
  for (const name of Object.keys(before.data)) {
    if (!(name in after.data)) (delta.remove ??= []).push(name);
  }
  return delta;
}

/** Applies a delta to a record that nothing else has yet. */
export function applyDelta(
  record: SessionRecord,
  { fields, absent = [], set = [], remove = [] }: RecordDelta,
): void {
  Object.assign(record, fields);
  for (const name of absent) Reflect.deleteProperty(record, name);
  for (const name of remove) delete record.data[name];
  for (let at = 0; at < set.length; at += 2) record.data[set[at] as string] = set[at + 1] as string;
}
