import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';

type Stores = readonly [SessionStore, SessionStore];

// The laws import only types of the contract, so that they can check a store from any copy of the package.
/** The `expiresAt` of a session that never expires. */
export const NEVER = 8.64e15;

/** A grace that does not end while a law runs, in milliseconds. */
export const GRACE = 10 * 60_000;

/** How far the clocks of the node and of its backend may differ, in milliseconds. */
export const MARGIN = 50;

/** A live record without groups and data, with a new id and secret hash, and with the properties in `some`. */
export function aRecord(some: Partial<SessionRecord> = {}): SessionRecord {
  const record = {
    id: randomBytes(24).toString('base64url'),
    secretHash: aSecretHash(),
    groups: [],
    createdAt: Date.now(),
    expiresAt: inAnHour(),
    ...some,
  };
  return { ...record, data: Object.assign(Object.create(null) as Record<string, string>, some.data) };
}

export function someRecords(count: number, some: Partial<SessionRecord> = {}): SessionRecord[] {
  return upTo(count).map(() => aRecord(some));
}

export function aSecretHash(): string {
  return randomBytes(32).toString('base64url');
}

export function inAnHour(): number {
  return inMinutes(60);
}

export function inMinutes(minutes: number): number {
  return Date.now() + minutes * 60_000;
}

/** An instant that a law can wait for. A session that must still be live then must not expire at it. */
export function soon(): number {
  return Date.now() + 200;
}

/** Waits until `instant` is past for the node and for the backend. */
export async function past(instant: number): Promise<void> {
  while (Date.now() <= instant + MARGIN) await setTimeout(instant + MARGIN + 1 - Date.now());
}

/** Lets timers and sockets run, `turns` times. A loop on a store in memory would starve them. */
export async function breathe(turns = 1): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate();
}

/** The stores in both orders: the one that acts, and the one that must see it. */
export function bothWays([here, there]: Stores): Stores[] {
  return [
    [here, there],
    [there, here],
  ];
}

export function each<T, R>(
  things: readonly T[],
  story: (thing: T, index: number) => Promise<R>,
): Promise<R[]> {
  return Promise.all(things.map(story));
}

/** The numbers from 0 to `count`, without it. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Runs a race 32 times, eight in parallel. Each round gets its number, for the timing of its calls. */
export async function rounds(race: (round: number) => Promise<void>): Promise<void> {
  for (let wave = 0; wave < 4; wave++) {
    await each(upTo(8), (lane) => race(wave * 8 + lane));
  }
}

/** Repeats `noise` while `story` runs. Fails if either fails. */
export async function during<T>(noise: () => Promise<unknown>, story: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const repeat = async () => {
    while (!over.signal.aborted) {
      await noise();
      await breathe();
    }
  };
  const tell = async () => {
    try {
      return await story();
    } finally {
      over.abort();
    }
  };
  const [, result] = await Promise.all([repeat(), tell()]);
  return result;
}

/** The records of all pages, read alternately from the two stores. */
export async function allPages(
  stores: Stores,
  group: string | undefined,
  limit: number,
  betweenPages: (records: SessionRecord[]) => Promise<unknown> = async () => {},
): Promise<SessionRecord[]> {
  const all: SessionRecord[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < 1000; pages++) {
    const { records, next } = await stores[pages % 2 === 0 ? 0 : 1].page({ group, after, limit });
    must(
      records.length <= limit,
      `a page never holds more than its limit: ${limit} were requested, ${records.length} were returned`,
    );
    all.push(...records);
    if (next === undefined) return all;
    await betweenPages(all);
    after = next;
  }
  assert.fail(
    `pages must come to an end: after 1000 of them for ${all.length} records there was still a \`next\``,
  );
}

/** The ids of all pages, each once, sorted. */
export async function idsOn(stores: Stores, group?: string): Promise<string[]> {
  return sorted(idsOf(await allPages(stores, group, 100)));
}

export function idsOf(records: readonly SessionRecord[]): string[] {
  return records.map(({ id }) => id);
}

export function sorted(strings: readonly string[]): string[] {
  return [...new Set(strings)].toSorted();
}

/** Fails unless `condition`; `promise` is a sentence that says what must hold and what happened instead. */
export function must(condition: boolean, promise: string): asserts condition {
  assert.ok(condition, promise);
}

/** Fails unless both are alike; `promise` says what must hold; the values are added. */
export function equals(actual: unknown, expected: unknown, promise: string): void {
  must(isDeepStrictEqual(actual, expected), `${promise}: expected ${show(expected)}, got ${show(actual)}`);
}

/** Fails unless both hold the same ids; the order is free. */
export function sameIds(actual: readonly string[], expected: readonly string[], promise: string): void {
  const missing = expected.filter((id) => !actual.includes(id));
  const others = actual.filter((id) => !expected.includes(id));
  must(
    missing.length + others.length === 0,
    `${promise}: of ${expected.length} sessions ${show(missing)} are missing, and ${show(others)} must not be there`,
  );
}

/** Fails unless `actual` is `expected` in every field; the order of names and groups is free. */
export function isRecord(actual: SessionRecord | undefined, expected: SessionRecord, promise: string): void {
  must(actual !== undefined, `${promise}: expected the record of ${show(expected.id)}, got undefined`);
  const [is, should] = [fieldsOf(actual), fieldsOf(expected)];
  const wrong = [...new Set([...is.keys(), ...should.keys()])].filter(
    (field) => !isDeepStrictEqual(is.get(field), should.get(field)),
  );
  const details = wrong.map(
    (field) => `${field} is ${show(is.get(field))} and not ${show(should.get(field))}`,
  );
  must(wrong.length === 0, `${promise}: ${details.slice(0, 5).join('; ')}`);
}

/** Fails unless both stores read `expected`. */
export async function bothRead(stores: Stores, expected: SessionRecord, promise: string): Promise<void> {
  for (const store of stores) isRecord(await store.read(expected.id), expected, promise);
}

/** Fails if a read or a page, of all or of a group, still shows the session on either store. */
export async function isNowhere(
  stores: Stores,
  id: string,
  groups: string[],
  promise: string,
): Promise<void> {
  const places: string[] = [];
  if ((await stores[0].read(id)) || (await stores[1].read(id))) places.push('a read');
  if ((await idsOn(stores)).includes(id)) places.push('a page of all');
  for (const group of groups) {
    if ((await idsOn(stores, group)).includes(id)) places.push(`a page of the group ${show(group)}`);
  }
  must(places.length === 0, `${promise}: the session must be gone, but ${places.join(' and ')} shows it`);
}

/** Creates a session, rotates it, and reads it. `first` is the secret hash with which it was created. */
export async function rotated([here, there]: Stores, grace: number, some: Partial<SessionRecord> = {}) {
  const created = aRecord(some);
  await here.create(created);
  const result = await here.rotate(created, created.secretHash, aSecretHash(), grace);
  must(
    result !== undefined,
    'a rotation of a live session must resolve to a secret hash, but it resolved to undefined',
  );
  const record = (await there.read(created.id)) ?? created;
  equals(record.secretHash, result, 'a rotation must resolve to the secret hash that is read next');
  equals(
    record.previous?.hash,
    created.secretHash,
    'a rotation must keep the secret hash that was current as `previous`',
  );
  return { record, first: created.secretHash, at: record.previous?.replacedAt ?? Date.now() };
}

/** Fails unless `call` throws or rejects with a `TypeError`. */
export async function rejects(call: () => Promise<unknown>, what: string): Promise<void> {
  let outcome = 'it was accepted';
  try {
    await call();
  } catch (error) {
    if (error instanceof Error && error.name === 'TypeError') return;
    outcome = `it failed with ${show(error)}`;
  }
  assert.fail(`${what} must be rejected with a TypeError, but ${outcome}`);
}

/** A value as messages show it. */
export function show(value: unknown): string {
  return inspect(value, { breakLength: Infinity, maxStringLength: 80, maxArrayLength: 5, depth: 4 });
}

/** The fields and data of a record by name. A store may add fields of its own, and a wrong one may lack some. */
function fieldsOf({
  id,
  secretHash,
  previous,
  data,
  groups,
  createdAt,
  expiresAt,
  from = [],
  label,
  lastSeenAt,
  client,
  joinedAt,
  joining,
}: SessionRecord): Map<string, unknown> {
  const before = previous && {
    secretHash: previous.hash,
    at: previous.replacedAt,
    grace: previous.grace,
    until: previous.validUntil,
    // Absent if it is the instant of the last rotation.
    since: previous.since ?? previous.replacedAt,
  };
  const members = Array.isArray(groups) ? groups.toSorted() : groups;
  const use = { label, lastSeenAt, client: client && { first: client.first, last: client.last } };
  const fields = {
    id,
    secretHash,
    previous: before,
    createdAt,
    expiresAt,
    groups: members,
    from,
    ...use,
    joinedAt,
    joining,
  };
  const names = Object.entries(data ?? {}).map(([name, text]) => [`data[${show(name)}]`, text] as const);
  return new Map<string, unknown>([...Object.entries(fields), ...names]);
}
