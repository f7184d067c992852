// The checks of a store's arguments. An object instead of a string, such as `{ $ne: null }` from a request body, must
// never reach a query.
import { WHEN_FULL, type SessionGroupLimit } from './limit.js';
import {
  NEVER,
  type SessionChange,
  type SessionPageOptions,
  type SessionRecord,
  type SessionRef,
} from './record.js';

/** Throws a `TypeError` for an id that is not a well-formed string. */
export function checkId(id: unknown): void {
  checkString(id, 'id');
}

/** Throws a `TypeError` for a group that is not a well-formed string; `''` is a group. */
export function checkGroup(group: unknown): void {
  checkString(group, 'group');
}

/** Throws a `TypeError` if `ref` is not an object with an id. */
export function checkRef(ref: SessionRef): void {
  checkObject(ref, 'a record');
  checkString(ref.id, 'id');
}

/** Throws a `TypeError` for an invalid record. */
export function checkRecord(record: SessionRecord): void {
  checkObject(record, 'a record');
  checkString(record.id, 'id');
  checkString(record.secretHash, 'secretHash');
  if (record.previous !== undefined) {
    checkString(record.previous.hash, 'previous.hash');
    checkInstant(record.previous.replacedAt, 'previous.replacedAt');
    checkDuration(record.previous.grace, 'previous.grace');
    if (record.previous.validUntil !== undefined)
      checkInstant(record.previous.validUntil, 'previous.validUntil');
    if (record.previous.since !== undefined) checkInstant(record.previous.since, 'previous.since');
  }
  checkTexts(record.data, 'data');
  checkStrings(record.groups, 'groups', 'group');
  checkInstant(record.createdAt, 'createdAt');
  checkInstant(record.expiresAt, 'expiresAt');
  if (record.from !== undefined) checkStrings(record.from, 'from', 'id');
  if (record.label !== undefined) checkString(record.label, 'label');
  if (record.lastSeenAt !== undefined) checkInstant(record.lastSeenAt, 'lastSeenAt');
  if (record.client !== undefined) {
    checkString(record.client.first, 'client.first');
    checkString(record.client.last, 'client.last');
  }
  if (record.joinedAt !== undefined) checkInstant(record.joinedAt, 'joinedAt');
  if (record.joining !== undefined) checkString(record.joining, 'joining');
}

/** Throws a `TypeError` for an invalid list of ids. */
export function checkIds(ids: unknown): void {
  checkStrings(ids, 'ids', 'id');
}

/** Throws a `TypeError` for an invalid change. */
export function checkChange(change: SessionChange): void {
  checkObject(change, 'a change');
  const { set, remove, join, leave, expiresAt, touch, retirePrevious, label, seen } = change;
  const { joinedAt, joining } = change;
  if (set !== undefined) checkTexts(set, 'set');
  if (remove !== undefined) {
    checkStrings(remove, 'remove', 'name');
    for (const name of remove) {
      if (set && Object.hasOwn(set, name)) throw new TypeError('a name must not be in both set and remove');
    }
  }
  if (join !== undefined) checkStrings(join, 'join', 'group');
  if (leave !== undefined) {
    checkStrings(leave, 'leave', 'group');
    if (join?.some((group) => leave.includes(group))) {
      throw new TypeError('a group must not be in both join and leave');
    }
  }
  if (expiresAt !== undefined) checkInstant(expiresAt, 'expiresAt');
  if (touch !== undefined) {
    checkInstant(touch.from, 'touch.from');
    checkInstant(touch.to, 'touch.to');
  }
  if (retirePrevious !== undefined) {
    checkString(retirePrevious.secretHash, 'retirePrevious.secretHash');
    checkInstant(retirePrevious.validUntil, 'retirePrevious.validUntil');
  }
  if (label !== undefined) checkString(label, 'label');
  if (joinedAt !== undefined) checkInstant(joinedAt, 'joinedAt');
  if (joining !== undefined) checkString(joining, 'joining');
  if (seen !== undefined) {
    checkInstant(seen.at, 'seen.at');
    checkString(seen.client, 'seen.client');
  }
  checkActs(change);
}

/** Throws a `TypeError` for an invalid `add` or `take`, and for one that is not the only part of its change. */
function checkActs(change: SessionChange): void {
  const { add, take } = change;
  if (add === undefined && take === undefined) return;
  for (const [part, value] of Object.entries(change)) {
    if (value !== undefined && part !== (add === undefined ? 'take' : 'add'))
      throw new TypeError('add and take must be the only part of a change');
  }
  if (take !== undefined) return checkString(take, 'take');
  checkObject(add, 'add');
  checkString(add!.name, 'add.name');
  checkSafeInteger(add!.by, 'add.by');
}

/** Throws a `TypeError` for a number that is not a safe integer. */
export function checkSafeInteger(value: unknown, what: string): void {
  if (!Number.isSafeInteger(value)) {
    throw new TypeError(`${what} must be a whole number from -(2 ** 53 - 1) to 2 ** 53 - 1`);
  }
}

/** Throws a `TypeError` for the name of a property that is not a well-formed string; `''` is a name. */
export function checkName(name: unknown): void {
  checkString(name, 'name');
}

/** Throws a `TypeError` for invalid arguments of a rotation. */
export function checkRotation(presented: unknown, secretHash: unknown, grace: unknown): void {
  checkString(presented, 'presented');
  checkString(secretHash, 'secretHash');
  checkDuration(grace, 'grace');
}

/** Throws a `TypeError` for an invalid limit of a group. */
export function checkLimit(limit: SessionGroupLimit): void {
  checkObject(limit, 'a limit');
  const { group, max, whenFull } = limit;
  checkString(group, 'group');
  if (!Number.isSafeInteger(max) || max < 1) {
    throw new TypeError('max must be a whole number of sessions, 1 or more: write { max: 3, whenFull }');
  }
  if (!WHEN_FULL.includes(whenFull)) {
    throw new TypeError("whenFull must be 'end-oldest', 'end-least-recent' or 'reject'");
  }
}

/** Throws a `TypeError` for invalid options of a page. */
export function checkPage(options: SessionPageOptions): void {
  checkObject(options, 'the options of a page');
  const { group, after, limit } = options;
  if (group !== undefined) checkString(group, 'group');
  if (after !== undefined) checkString(after, 'after');
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new TypeError('limit must be a whole number from 1 to 1000');
  }
}

/** The error for an `after` that no page of the store has returned. */
export function notNext(): TypeError {
  return new TypeError('after must be the `next` of an earlier page: leave it out for the first page');
}

/** The ids in `except`, where a string alone is one id. Throws a `TypeError` for anything else. */
export function exceptIds(except: Iterable<string> = []): Set<string> {
  if (except === null || typeof (except as Partial<Iterable<string>>)[Symbol.iterator] !== 'function') {
    throw new TypeError('except must be an id or an iterable of ids');
  }
  const ids = new Set(typeof except === 'string' ? [except] : except);
  for (const id of ids) checkString(id, 'except');
  return ids;
}

function checkObject(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`${what} must be an object, not ${kindOf(value)}`);
  }
}

function checkString(value: unknown, what: string): void {
  if (typeof value !== 'string' || !value.isWellFormed()) {
    throw new TypeError(`${what} must be a well-formed string, not ${kindOf(value)}`);
  }
}

function checkStrings(values: unknown, list: string, what: string): void {
  if (!Array.isArray(values))
    throw new TypeError(`${list} must be an array of strings, not ${kindOf(values)}`);
  for (const value of values) checkString(value, `a ${what} in ${list}`);
}

function checkTexts(texts: unknown, what: string): void {
  if (typeof texts !== 'object' || texts === null || Array.isArray(texts)) {
    throw new TypeError(`${what} must be an object of JSON texts, not ${kindOf(texts)}`);
  }
  for (const name of Object.keys(texts)) {
    checkString(name, `a name in ${what}`);
    checkString((texts as Record<string, unknown>)[name], `a text in ${what}`);
  }
}

function checkInstant(value: unknown, what: string): void {
  if (!Number.isInteger(value) || (value as number) > NEVER) {
    throw new TypeError(`${what} must be a whole number of epoch milliseconds, at most ${NEVER}`);
  }
}

function checkDuration(value: unknown, what: string): void {
  if (!Number.isInteger(value) || (value as number) < 0) {
    throw new TypeError(`${what} must be a whole number of milliseconds, 0 or more`);
  }
}

/** Names a value's kind without its content, which may be session data. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return value.isWellFormed() ? 'a string' : 'a string with a lone surrogate';
  return typeof value === 'object' ? 'an object' : typeof value;
}
