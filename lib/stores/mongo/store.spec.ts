import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { NEVER, type SessionRecord } from 'nestjs-session-stores/store';
import { MongoStore, type MongoStoreOptions } from 'nestjs-session-stores/stores/mongo';
import { sessionStoreLaws, type SessionStoreLaw } from 'nestjs-session-stores/laws';
import { describe, expect, inject, it } from 'vitest';
import { connections } from '../../../test/mongo/connections.js';
import { aRecord } from '../../../test/record.js';

const { url } = inject('mongo');
/** How often each law is run. */
const TIMES = process.env['LONG'] ? 20 : 1;

const mongo = connections();

function keepsTheLaws(where: () => { options: MongoStoreOptions; seen: Connection }): void {
  for (const law of sessionStoreLaws) {
    it.concurrent(
      law.name,
      async () => {
        for (let time = 0; time < TIMES; time++) await holds(law, where());
      },
      TIMES * 30_000,
    );
  }
}

async function holds(
  law: SessionStoreLaw,
  { options, seen }: { options: MongoStoreOptions; seen: Connection },
): Promise<void> {
  const collection = `laws-${randomUUID()}`;
  const stores = [
    new MongoStore({ ...options, collection }),
    new MongoStore({ ...options, collection }),
  ] as const;
  try {
    for (const store of stores) await store.open();
    await law.holds(stores);
  } finally {
    for (const store of stores) await store.close();
    await seen.db!.dropCollection(collection);
  }
}

describe('two stores with their own connections to a replica set keep the law', () => {
  keepsTheLaws(() => ({ options: { uri: url }, seen: mongo.shared }));
});

describe('two stores with one given connection to a standalone server keep the law', () => {
  keepsTheLaws(() => ({ options: { connection: mongo.alone }, seen: mongo.alone }));
});

describe('a store rejects', () => {
  it.each<[string, object, RegExp]>([
    [
      'both a connection and a uri',
      { connection: mongoose.connection, uri: url },
      /one of `connection` and `uri`/,
    ],
    ['a uri that is not a string', { uri: { $ne: null } }, /uri must be a string/],
    ['driver options without a uri', { options: { maxPoolSize: 1 } }, /must not be set without `uri`/],
    ['mongoose as its connection', { connection: mongoose }, /must be a Connection of mongoose/],
    [
      'a client of the driver',
      { connection: new mongoose.mongo.MongoClient(url) },
      /must be a Connection of mongoose/,
    ],
    ['an empty collection name', { collection: '' }, /collection must be/],
    ['a system collection', { collection: 'system.sessions' }, /collection must be/],
    ['a collection that is not a string', { collection: 7 }, /collection must be/],
    ['an invalid timeout', { timeout: 0 }, /timeout must be/],
  ])('%s', (_, options, reason) => {
    const construct = () => new MongoStore(options);
    expect(construct).toThrow(TypeError);
    expect(construct).toThrow(reason);
  });
});

describe('a page', () => {
  it('is rejected after a string that no page returned', async () => {
    const store = new MongoStore({ connection: mongo.shared, collection: `paged-${randomUUID()}` });
    await store.open();
    for (const group of [undefined, 'g']) {
      const page = store.page({ ...(group !== undefined && { group }), after: 'x', limit: 1 });
      await expect(page).rejects.toThrow(
        new TypeError('after must be the `next` of an earlier page: leave it out for the first page'),
      );
    }
  });
});

describe('copies of sessions whose ids are not strings', () => {
  it('are on no page, hide no session from a clear, and stay as they are', async () => {
    const collection = `foreign-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.shared, collection });
    await store.open();
    const foreign = [7, new mongoose.mongo.ObjectId(), true, new Date()].map((_id) => ({
      _id,
      nestjsSession: 1,
      groups: ['g'],
      expiresAt: new Date(NEVER),
    }));
    const documents = mongo.shared.db!.collection<{ _id: unknown }>(collection);
    await documents.insertMany(foreign);
    for (const [group, ids] of [
      ['g', ['a', 'b']],
      [undefined, ['c', 'd']],
    ] as const) {
      for (const id of ids) await store.create(aRecord(id, { groups: ['g'] }));
      const of = group === undefined ? {} : { group };
      const { records } = await store.page({ ...of, limit: 10 });
      expect(records.map(({ id }) => id)).toEqual(ids);
      expect(await store.count('g')).toBe(2);
      expect(await store.clear(group)).toBe(2);
      expect(await store.read(ids[0])).toBeUndefined();
      expect(await documents.find({ nestjsSession: 1 }).sort({ _id: 1 }).toArray()).toEqual(foreign);
    }
    await mongo.shared.db!.dropCollection(collection);
  });
});

describe('a session that has expired by the clock of this primary, and might be live by that of the next', () => {
  it.each<[string, (store: MongoStore) => Promise<boolean | number>, boolean | number]>([
    ['destroyed', (store) => store.destroy('expired'), false],
    ['cleared beside one that lives', (store) => store.clear('g'), 1],
    ['regenerated', (store) => store.regenerate('expired'), true],
  ])('can be live no more when it is %s, and is not counted', async (_, end, outcome) => {
    const collection = `expired-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.shared, collection });
    await store.open();
    for (const id of ['expired', 'live']) await store.create(aRecord(id, { groups: ['g'] }));
    const documents = mongo.shared.db!.collection<{ _id: string }>(collection);
    await documents.updateOne({ _id: 'expired' }, { $set: { expiresAt: new Date(Date.now() - 1) } });
    expect(await end(store)).toBe(outcome);
    expect(await documents.findOne({ _id: 'expired' })).toEqual(
      expect.not.objectContaining({ expiresAt: expect.anything() as unknown }),
    );
    await mongo.shared.db!.dropCollection(collection);
  });
});

describe('a document', () => {
  it('has names that a path can reach, and all instants as dates', async () => {
    const collection = `seen-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.shared, collection });
    await store.open();
    const names = [
      '',
      'a.b',
      '$set',
      'a$',
      '%',
      '%2e',
      '\0',
      '__proto__',
      '_bsontype',
      'toBSON',
      '0',
      'plain',
      'é😀',
    ];
    const data = Object.assign(Object.create(null), Object.fromEntries([])) as Record<string, string>;
    for (const name of names) Object.defineProperty(data, name, { value: '"$a"', enumerable: true });
    const record = aRecord('k', { data, groups: ['$g', 'a.b', '$g'], expiresAt: NEVER });
    await store.create(record);
    const document = await mongo.shared.db!.collection<{ _id: string }>(collection).findOne({ _id: 'k' });
    expect(Object.keys(document!).toSorted()).toEqual([
      '_id',
      'createdAt',
      'data',
      'expiresAt',
      'groups',
      'nestjsSession',
      'secretHash',
    ]);
    expect(document).toMatchObject({
      nestjsSession: 1,
      groups: ['$g', 'a.b'],
      createdAt: new Date(record.createdAt),
      expiresAt: new Date(NEVER),
    });
    expect(new Set(Object.keys((document as unknown as SessionRecord).data))).toEqual(
      new Set([
        '%',
        'a%2eb',
        '%24set',
        'a$',
        '%25',
        '%252e',
        '%00',
        '%5f_proto__',
        '%5fbsontype',
        'toBSON',
        '0',
        'plain',
        'é😀',
      ]),
    );
    await store.update(record, { remove: names });
    expect((await store.read('k'))!.data).toEqual({});
    await mongo.shared.db!.dropCollection(collection);
  });

  it('is rejected if it is larger than MongoDB can store, and the error does not show its data', async () => {
    const collection = `large-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.shared, collection });
    await store.open();
    const text = JSON.stringify('secret'.repeat(3 * 2 ** 20));
    const record = aRecord('k');
    await expect(store.create({ ...record, data: { text } })).rejects.toMatchObject({
      name: 'SessionTooLargeError',
      statusCode: 500,
      message:
        '[session:mongo] create: the session is larger than the 16 MB that MongoDB can store. ' +
        'Keep large data elsewhere and its key in the session',
    });
    await store.create(record);
    const error = (await store.update(record, { set: { text } }).catch((reason: Error) => reason)) as Error;
    expect(error.message).toMatch(/update: the session is larger than the 16 MB/);
    expect(String((error.cause as Error).stack)).not.toContain('secret');
    expect((await store.read('k'))!.data).toEqual(record.data);
    await mongo.shared.db!.dropCollection(collection);
  });
});
