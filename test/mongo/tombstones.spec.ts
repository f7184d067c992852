import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { TOMBSTONE_LIFETIME } from 'nestjs-session-stores/store';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';

/** More members than one step of a clear ends. */
const MEMBERS = 600;

let connection: Connection;
let collection: string;
let store: MongoStore;
beforeAll(async () => {
  connection = await mongoose.createConnection(inject('mongo').url).asPromise();
});
afterAll(() => connection.destroy());
beforeEach(async () => {
  collection = `tombstones-${randomUUID()}`;
  store = new MongoStore({ connection, collection, timeout: 10_000 });
  await store.open();
  return () => connection.db!.dropCollection(collection);
});

const documents = () => connection.db!.collection<{ _id: string; until?: Date }>(collection);

const ended = { _id: 'k', nestjsSession: 0 };
const regenerated = { _id: 'k', nestjsSession: 1, groups: ['g', 'h'] };

describe('the document of a session becomes a tombstone of ten minutes', () => {
  it.each<[string, () => Promise<unknown>, object]>([
    ['when it is destroyed', () => store.destroy('k'), ended],
    ['when its group is cleared', () => store.clear('g'), ended],
    ['when all are cleared', () => store.clear(), ended],
    ['when its expiry is set to the past', () => store.update({ id: 'k' }, { expiresAt: 0 }), ended],
    [
      'when its expiry is moved to the past',
      async () => {
        const { expiresAt: from } = (await store.read('k'))!;
        await store.update({ id: 'k' }, { touch: { from, to: 0 }, set: { a: '2' } });
      },
      ended,
    ],
    [
      'when the last of several changes in one command sets its expiry to the past',
      () => {
        const changes = Array.from({ length: 12 }, (_, at) => ({ set: { [`p${at}`]: '1' }, join: ['i'] }));
        return Promise.all(
          [...changes, { expiresAt: 0 }, { set: { late: '1' } }].map((change) =>
            store.update({ id: 'k' }, change),
          ),
        );
      },
      ended,
    ],
    ['when it is regenerated', () => store.regenerate('k'), regenerated],
    [
      'when it is destroyed after it was regenerated',
      async () => {
        await store.regenerate('k');
        await store.destroy('k');
      },
      ended,
    ],
    [
      'when it is regenerated after it was destroyed',
      async () => {
        await store.destroy('k');
        await store.regenerate('k');
      },
      ended,
    ],
  ])('%s', async (_, end, expected) => {
    await store.create(aRecord('k', { groups: ['g', 'h'], from: ['i'] }));
    const before = store.now();
    await end();
    const { until, ...rest } = (await documents().findOne())!;
    expect(rest).toEqual(expected);
    expect(Number(until)).toBeGreaterThanOrEqual(before + TOMBSTONE_LIFETIME);
    expect(Number(until)).toBeLessThan(before + TOMBSTONE_LIFETIME + 10_000);
  });
});

describe('no tombstone is left', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['by a destroy of an id that was never in use', () => store.destroy('k')],
    ['by a regenerate of an id that was never in use', () => store.regenerate('k')],
    ['by an update of an id that was never in use', () => store.update({ id: 'k' }, { expiresAt: 0 })],
    ['by a create of a session that has expired', () => store.create(aRecord('k', { expiresAt: 1 }))],
  ])('%s', async (_, call) => {
    await call();
    expect(await documents().countDocuments({ until: { $exists: true } })).toBe(0);
  });
});

describe.each([
  ['a group', 'g'],
  ['all', undefined],
])('a clear of %s that takes several steps', (_, group) => {
  const numbered = (at: number): string => `m${String(at).padStart(4, '0')}`;

  /** Clears with another connection, and does something between its first step and its second. */
  async function cleared(between: () => Promise<unknown>, except: string[] = []): Promise<number> {
    const other = await mongoose.createConnection(inject('mongo').url).asPromise();
    const database = other.db!;
    const command = database.command.bind(database);
    let isFirst = true;
    database.command = async (document, options) => {
      const response = await command(document, options);
      if (isFirst && 'update' in document) {
        isFirst = false;
        await between();
      }
      return response;
    };
    const clearing = new MongoStore({ connection: other, collection, timeout: 20_000 });
    try {
      await clearing.open();
      return await clearing.clear(group, except);
    } finally {
      await clearing.close();
      await other.destroy();
    }
  }

  beforeEach(async () => {
    const members = Array.from(Array(MEMBERS).keys(), (at) => aRecord(numbered(at), { groups: ['g'] }));
    await Promise.all(members.map((record) => store.create(record)));
  });

  it('ends what a member is regenerated into, at a place that the clear has passed', async () => {
    const late = numbered(MEMBERS - 1);
    const sum = await cleared(async () => {
      expect(await store.regenerate(late)).toBe(true);
      expect(await store.create(aRecord('a', { groups: ['g'], from: [late] }))).toBe(true);
      expect(await store.regenerate('a')).toBe(true);
      expect(await store.create(aRecord('b', { groups: ['g'], from: [late, 'a'] }))).toBe(true);
    });
    expect(sum).toBe(MEMBERS);
    expect(await store.count('g')).toBe(0);
    expect(await store.haveEnded(['b'])).toBe(true);
    expect(await store.create(aRecord('c', { groups: ['g'], from: [late, 'a'] }))).toBe(false);
  });

  it('keeps members that join meanwhile and came from elsewhere, with those in `except` and where they came from', async () => {
    const kept = numbered(MEMBERS - 2);
    await store.regenerate(kept);
    await store.create(aRecord('n', { groups: ['g'], from: [kept] }));
    const sum = await cleared(async () => {
      await store.create(aRecord('a', { groups: ['g'] }));
      await store.create(aRecord('b', { groups: ['g'], from: ['elsewhere'] }));
    }, ['n']);
    expect(sum).toBe(MEMBERS - 1);
    const { records } = await store.page({ group: 'g', limit: 10 });
    expect(records.map(({ id }) => id)).toEqual(['a', 'b', 'n']);
    expect(await store.haveEnded([kept])).toBe(false);
  });
});
