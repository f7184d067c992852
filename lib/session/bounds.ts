import { bytesIn, lengthIn } from '../contract/deferred.js';
import { SessionTooLargeError } from '../contract/errors.js';
import { copyData } from '../contract/record.js';
import type { DataChange } from './data.js';
import type { GroupChange } from './groups.js';

/** The maximum length of a group name, in bytes of UTF-8. */
const LONGEST_GROUP = 512;

/** The maximum number of groups of a session. */
const MOST_GROUPS = 1000;

/** The maximum number of properties of a session. */
const MOST_PROPERTIES = 10_000;

/** The parts of a session that are bounded. */
export interface Content {
  /** Name → serialized value. */
  readonly data: Readonly<Record<string, string>>;
  readonly groups: readonly string[];
}

/**
 * Throws a `SessionTooLargeError` if a change would make a session exceed a bound, or `maxSize` bytes in its property
 * names, serialized values and group names. A session that exceeds a bound already may stay as it is in that respect,
 * and become smaller.
 */
export function checkBounds(before: Content, change: DataChange & GroupChange, maxSize: number): void {
  if (change.join) checkGroups(before.groups, change);
  if (!change.set && !change.join) return;
  if (isFarBelow(before, change, maxSize)) return;
  const after = { data: dataAfter(before.data, change), groups: groupsAfter(before.groups, change) };
  if (change.set) checkProperties(before.data, after.data);
  checkSize(before, after, maxSize);
}

/** Whether no bound could be exceeded if the change replaced nothing. True of most sessions, whose data is not copied. */
function isFarBelow(
  before: Content,
  { set = {}, join = [] }: DataChange & GroupChange,
  maxSize: number,
): boolean {
  const more = { data: set, groups: join };
  if (propertiesOf(before.data) + propertiesOf(set) > MOST_PROPERTIES) return false;
  return mostBytesOf(before) + mostBytesOf(more) <= maxSize;
}

function checkGroups(before: readonly string[], change: GroupChange): void {
  const longest = change.join!.reduce((most, group) => Math.max(most, Buffer.byteLength(group)), 0);
  if (longest > LONGEST_GROUP) {
    throw new SessionTooLargeError(`a group name has ${longest} bytes; the maximum is ${LONGEST_GROUP}`, {
      advice: 'Name groups by short ids, or by a hash',
    });
  }
  const count = groupsAfter(before, change).length;
  if (count <= MOST_GROUPS || count <= before.length) return;
  throw new SessionTooLargeError(`the session would be in ${count} groups; the maximum is ${MOST_GROUPS}`, {
    advice: 'Leave groups that are no longer needed, or put sessions that are ended together into one group',
  });
}

function checkProperties(before: Content['data'], after: Content['data']): void {
  const count = propertiesOf(after);
  if (count <= MOST_PROPERTIES || count <= propertiesOf(before)) return;
  throw new SessionTooLargeError(
    `the session would have ${count} properties; the maximum is ${MOST_PROPERTIES}`,
    { advice: 'Remove those that are no longer needed, or keep a list in one property' },
  );
}

function checkSize(before: Content, after: Content, maxSize: number): void {
  const size = bytesOf(after);
  if (size <= maxSize || size <= bytesOf(before)) return;
  const { data } = after;
  const names = Object.keys(data);
  const largest =
    names.length === 0
      ? ''
      : `; its largest property is ${JSON.stringify(names.reduce((a, b) => (lengthIn(data, a) >= lengthIn(data, b) ? a : b)))}`;
  throw new SessionTooLargeError(
    `the session would have ${size} bytes; the maximum is ${maxSize} (maxSize)${largest}`,
    { size, maxSize },
  );
}

function dataAfter(before: Content['data'], { set, remove = [] }: DataChange): Content['data'] {
  const after = copyData(before, set);
  for (const name of remove) delete after[name];
  return after;
}

function groupsAfter(before: readonly string[], { join = [], leave = [] }: GroupChange): readonly string[] {
  if (join.length === 0 && leave.length === 0) return before;
  const after = new Set([...before, ...join]);
  for (const group of leave) after.delete(group);
  return [...after];
}

/** How many properties the data has. The cookie is not one of them. */
function propertiesOf(data: Content['data']): number {
  return Object.keys(data).length - (Object.hasOwn(data, 'cookie') ? 1 : 0);
}

/** The most bytes that content can have, at less cost than its bytes: a UTF-16 code unit takes at most three. */
function mostBytesOf({ data, groups }: Content): number {
  let units = 0;
  for (const name of Object.keys(data)) units += name.length + lengthIn(data, name);
  for (const group of groups) units += group.length;
  return units * 3;
}

function bytesOf({ data, groups }: Content): number {
  let sum = 0;
  for (const name of Object.keys(data)) sum += Buffer.byteLength(name) + bytesIn(data, name);
  for (const group of groups) sum += Buffer.byteLength(group);
  return sum;
}
