import { getHeapStatistics } from 'node:v8';
import { SessionStoreError } from '../../contract/errors.js';
import type { SessionRecord } from '../../contract/record.js';

/** The default of `maxBytes`, in bytes: a quarter of the heap limit. */
export const DEFAULT_MAX_BYTES = Math.floor(getHeapStatistics().heap_size_limit / 4);

// What each takes on the heap of Node 20 beside its text, measured with 100 000 of them and rounded up.
const SESSION = 700;
const PROPERTY = 64;
const GROUP = 300;
const ORIGIN = 100;
const TOMBSTONE = 240;

/** How many bytes all sessions of a process take, whatever their name, and may take. */
export class Budget {
  used = 0;

  constructor(public max = DEFAULT_MAX_BYTES) {}

  hasRoomFor(bytes: number): boolean {
    return this.used + bytes <= this.max;
  }

  /** The error of a call that would exceed `max`. */
  exceeded(operation: 'create' | 'update'): SessionStoreError {
    return new SessionStoreError(
      'cluster',
      operation,
      `the sessions take maxBytes, ${this.max} bytes, and no more of them can be dropped. Set serveSessions({ maxBytes }), start Node.js with a higher --max-old-space-size, or use a store with a server`,
    );
  }
}

/** About how many bytes a session takes. */
export function bytesOf(record: SessionRecord): number {
  const { data, groups, from = [] } = record;
  let bytes = SESSION + bytesOfGroups(groups) + from.length * ORIGIN + bytesOfUse(record);
  for (const name of Object.keys(data)) bytes += bytesOfProperty(name, data[name] as string);
  return bytes;
}

/** About how many bytes a tombstone takes. One that is in lists of groups takes more. */
export function bytesOfTombstone(groups: readonly string[] | undefined): number {
  return groups ? TOMBSTONE + GROUP + bytesOfGroups(groups) : TOMBSTONE;
}

/** About how many bytes more a session takes after a change. Costs as much as the change is long. */
export function bytesMore(before: SessionRecord, after: SessionRecord): number {
  let more = 0;
  if (after.groups !== before.groups) more += bytesOfGroups(after.groups) - bytesOfGroups(before.groups);
  more += bytesOfUse(after) - bytesOfUse(before);
  if (after.data === before.data) return more;
  for (const name of Object.keys(after.data)) {
    const text = after.data[name] as string;
    if (text !== before.data[name]) more += bytesOfProperty(name, text);
  }
  for (const name of Object.keys(before.data)) {
    const text = before.data[name] as string;
    if (text !== after.data[name]) more -= bytesOfProperty(name, text);
  }
  return more;
}

/** Of its label and its clients. */
function bytesOfUse({ label, client }: SessionRecord): number {
  let bytes = label === undefined ? 0 : PROPERTY + Buffer.byteLength(label);
  if (client) bytes += 2 * PROPERTY + Buffer.byteLength(client.first) + Buffer.byteLength(client.last);
  return bytes;
}

function bytesOfProperty(name: string, text: string): number {
  return PROPERTY + Buffer.byteLength(name) + Buffer.byteLength(text);
}

function bytesOfGroups(groups: readonly string[]): number {
  return groups.reduce((sum, group) => sum + GROUP + Buffer.byteLength(group), 0);
}
