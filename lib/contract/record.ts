import { NEVER, type SessionChange, type SessionPageOptions, type SessionRecord } from './store.js';

/** The record after `change`, as a new object; the conditions of `touch` and `retire` are looked at here. */
export function applyChange(record: SessionRecord, change: SessionChange): SessionRecord {
  const { set, unset, join, leave, touch, retire } = change;
  const next = { ...record };

  if (set || unset) {
    next.data = copyData(record.data, set);
    for (const name of unset ?? []) delete next.data[name];
  }
  if (join || leave) {
    const groups = new Set(record.groups);
    for (const group of join ?? []) groups.add(group);
    for (const group of leave ?? []) groups.delete(group);
    next.groups = [...groups];
  }
  if (change.expiresAt !== undefined) next.expiresAt = change.expiresAt;
  else if (touch && touch.from === record.expiresAt) next.expiresAt = touch.to;

  const { was } = record;
  if (retire && was && was.until === undefined && retire.proof === record.proof) {
    next.was = { ...was, until: retire.until };
  }
  return next;
}

/** The record after a rotation at `now`; the same object when the rules of `SessionStore.rotate` leave it alone. */
export function applyRotation(
  record: SessionRecord,
  presented: string,
  proof: string,
  grace: number,
  now: number,
): SessionRecord {
  const { was } = record;
  const unseen = was !== undefined && was.until === undefined;
  if (proof === record.proof) return record;
  if (unseen && now < was.at + was.grace) return record;

  if (presented === record.proof) {
    const next: SessionRecord = { ...record, proof, was: { proof: presented, at: now, grace } };
    if (grace === 0) delete next.was;
    return next;
  }
  if (unseen && presented === was.proof) {
    return { ...record, proof, was: { proof: presented, at: now, grace } };
  }
  return record;
}

/** A null-prototype copy of `data`, with `more` on top: an own `__proto__` stays a name like any other. */
export function copyData(
  data: Record<string, string>,
  more: Record<string, string> = {},
): Record<string, string> {
  // Name by name: spreading an object without a prototype costs five times as much.
  const copy = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(data)) copy[name] = data[name] as string;
  for (const name of Object.keys(more)) copy[name] = more[name] as string;
  return copy;
}

/** The values of a session's data, without its own record of its cookie; what is not JSON is left out. */
export function valuesOf(data: Record<string, string>): Record<string, unknown> {
  const values = Object.create(null) as Record<string, unknown>;
  for (const name of Object.keys(data)) {
    if (name === 'cookie') continue;
    try {
      values[name] = JSON.parse(data[name]!);
    } catch {
      // The rest must not be lost by one text.
    }
  }
  return values;
}

/** Throws a `TypeError` for a key that is not a well-formed string. */
export function checkKey(key: unknown): void {
  checkString(key, 'key');
}

/** Throws a `TypeError` for a group that is not a well-formed string; `''` is a group. */
export function checkGroup(group: unknown): void {
  checkString(group, 'group');
}

/** Throws a `TypeError` for a record that no store may take. */
export function checkRecord(record: SessionRecord): void {
  checkObject(record, 'a record');
  checkString(record.key, 'key');
  checkString(record.proof, 'proof');
  if (record.was !== undefined) {
    checkString(record.was.proof, 'was.proof');
    checkInstant(record.was.at, 'was.at');
    checkDuration(record.was.grace, 'was.grace');
    if (record.was.until !== undefined) checkInstant(record.was.until, 'was.until');
  }
  checkTexts(record.data, 'data');
  checkStrings(record.groups, 'groups', 'group');
  checkInstant(record.createdAt, 'createdAt');
  checkInstant(record.expiresAt, 'expiresAt');
}

/** Throws a `TypeError` for a change that no store may take. */
export function checkChange(change: SessionChange): void {
  checkObject(change, 'a change');
  const { set, unset, join, leave, expiresAt, touch, retire } = change;
  if (set !== undefined) checkTexts(set, 'set');
  if (unset !== undefined) {
    checkStrings(unset, 'unset', 'name');
    for (const name of unset) {
      if (set && Object.hasOwn(set, name)) throw new TypeError('a name must not be in both set and unset');
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
  if (retire !== undefined) {
    checkString(retire.proof, 'retire.proof');
    checkInstant(retire.until, 'retire.until');
  }
}

/** Throws a `TypeError` for the arguments of a rotation that no store may take. */
export function checkRotation(key: unknown, presented: unknown, proof: unknown, grace: unknown): void {
  checkString(key, 'key');
  checkString(presented, 'presented');
  checkString(proof, 'proof');
  checkDuration(grace, 'grace');
}

/** Throws a `TypeError` for a page that no store may be asked for. */
export function checkPage({ group, after, limit }: SessionPageOptions): void {
  if (group !== undefined) checkString(group, 'group');
  if (after !== undefined) checkString(after, 'after');
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new TypeError('limit must be a whole number from 1 to 1000');
  }
}

/** The keys that `except` names, a lone string being one key; throws a `TypeError` for what is no key. */
export function exceptKeys(except: Iterable<string> = []): Set<string> {
  if (except === null || typeof (except as Partial<Iterable<string>>)[Symbol.iterator] !== 'function') {
    throw new TypeError('except must be a key or an iterable of keys');
  }
  const keys = new Set(typeof except === 'string' ? [except] : except);
  for (const key of keys) checkString(key, 'except');
  return keys;
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
