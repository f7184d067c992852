import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { MongoStore as ConnectMongo } from 'connect-mongo';
import type { SessionData } from 'express-session';
import { MongoClient } from 'mongodb';
import mongoose, { type Connection } from 'mongoose';
import { SessionStoreError } from 'nestjs-session-stores';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { parameters, startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';

const HOUR = 3_600_000;

/** A server that removes expired documents every second. */
let server: Server;
let connection: Connection;
/** A collection for each test. */
let collection: string;

beforeAll(async () => {
  server = await startMongo({ args: parameters({ ttlMonitorSleepSecs: 1 }) });
  connection = await mongoose.createConnection(server.url).asPromise();
});
afterAll(async () => {
  await connection.destroy();
  await server.stop();
});
beforeEach(() => {
  collection = `foreign-${randomUUID()}`;
});

async function opened(): Promise<MongoStore> {
  const store = new MongoStore({ connection, collection });
  await store.open();
  return store;
}

const documents = () => connection.db!.collection<{ _id: string; [field: string]: unknown }>(collection);

/** Documents of other programs under an id that a session could have, by what they are. */
const strangers: [name: string, document: Record<string, unknown>][] = [
  ['has nothing but an `_id`', {}],
  ['is a session of connect-mongo', { expires: new Date(Date.now() + HOUR), session: '{"cookie":{}}' }],
  ['is a session of mongoose-express-session-store', { sid: 'k', session: { cookie: {} } }],
  [
    'has every field of a session but the mark',
    {
      secretHash: 'secretHash',
      data: { a: '1' },
      groups: ['g'],
      createdAt: new Date(),
      expiresAt: new Date(Date.now() + HOUR),
    },
  ],
  [
    'has another value in the field of the mark',
    { nestjsSession: { of: 'another program' }, groups: ['g'], expiresAt: new Date(Date.now() + HOUR) },
  ],
  ['has an `expiresAt` that has passed', { expiresAt: new Date(Date.now() - HOUR), groups: ['g'] }],
  [
    'has an `until` that has passed, and another value in the field of the mark',
    { nestjsSession: 'another program', until: new Date(Date.now() - HOUR), groups: ['g'] },
  ],
];

describe.each(strangers)('a document that %s', (_, fields) => {
  let store: MongoStore;
  beforeEach(async () => {
    store = await opened();
    await documents().insertOne({ _id: 'k', ...fields });
  });

  it('is not a session for any call, and stays unchanged', async () => {
    const record = aRecord('k', { groups: ['g'] });
    expect(await store.read('k')).toBeUndefined();
    expect(await store.update(record, { set: { a: '2' }, join: ['h'] })).toBeUndefined();
    expect(await store.update(record, { expiresAt: 0 })).toBeUndefined();
    expect(await store.rotate(record, 'secretHash', 'next', 0)).toBeUndefined();
    expect(await store.destroy('k')).toBe(false);
    expect(await store.regenerate('k')).toBe(true);
    expect(await store.haveEnded(['k'])).toBe(false);
    for (const group of ['g', undefined]) {
      const of = group === undefined ? {} : { group };
      expect(await store.page({ ...of, limit: 10 })).toEqual({ records: [] });
      expect(await store.count(group)).toBe(0);
      expect(await store.clear(group)).toBe(0);
    }
    expect(await documents().find().toArray()).toEqual([{ _id: 'k', ...fields }]);
  });

  it('keeps its id from being used for a session', async () => {
    await expect(store.create(aRecord('k'))).rejects.toThrow(/create: the id is in use by another session/);
    expect(await documents().find().toArray()).toEqual([{ _id: 'k', ...fields }]);
  });
});

describe('connect-mongo in the same collection', () => {
  it('keeps its sessions, whatever the store does', async () => {
    const client = await MongoClient.connect(server.url);
    const theirs = ConnectMongo.create({ client, collectionName: collection, autoRemove: 'native' });
    try {
      const set = promisify<string, SessionData, void>(theirs.set.bind(theirs));
      const get = promisify<string, SessionData | null | undefined>(theirs.get.bind(theirs));
      const cookie = { originalMaxAge: HOUR, expires: new Date(Date.now() + HOUR) };
      for (const id of ['a', 'b', 'm']) await set(id, { cookie } as SessionData);
      const store = await opened();
      for (const id of ['k', 'n']) await store.create(aRecord(id, { groups: ['g'] }));
      await expect(store.create(aRecord('m'))).rejects.toThrow(/the id is in use/);
      const { records } = await store.page({ limit: 10 });
      expect(records.map(({ id }) => id)).toEqual(['k', 'n']);
      expect(await store.count()).toBe(2);
      expect(await store.clear()).toBe(2);
      for (const id of ['a', 'b', 'm']) expect((await get(id))?.cookie, id).toBeDefined();
      expect(await documents().countDocuments({ nestjsSession: { $exists: false } })).toBe(3);
    } finally {
      await theirs.close();
    }
  });
});

describe('the removal of expired sessions', () => {
  it('leaves documents of other programs with a past `expiresAt` or `until`', async () => {
    const store = await opened();
    const past = new Date(0);
    await documents().insertMany([
      { _id: 'a', expiresAt: past, until: past },
      { _id: 'b', expiresAt: past, until: past, nestjsSession: 'another program' },
    ]);
    await store.create(aRecord('expires', { expiresAt: Date.now() + 200 }));
    await store.create(aRecord('ended'));
    await store.destroy('ended');
    await documents().updateOne({ _id: 'ended' }, { $set: { until: past } });
    await eventually(async () => (await documents().countDocuments()) === 2);
    expect(await documents().distinct('_id')).toEqual(['a', 'b']);
  });
});

describe('an open is rejected on a collection', () => {
  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'whose unique index would accept one session only',
      () => documents().createIndex({ sid: 1 }, { unique: true }),
      /open: the index "sid_1" of another program would reject sessions as duplicates\. .*\.dropIndex\("sid_1"\)/,
    ],
    [
      'with a unique index on a field that sessions have, even a sparse one',
      () => documents().createIndex({ secretHash: 1 }, { unique: true, sparse: true }),
      /open: the index "secretHash_1" of another program/,
    ],
    [
      'with an index that would remove live sessions',
      () => documents().createIndex({ createdAt: 1 }, { expireAfterSeconds: 60 }),
      /open: the index "createdAt_1" of another program would remove live sessions\. .*\.dropIndex\("createdAt_1"\)/,
    ],
    [
      'that is capped, and so would lose sessions',
      () => connection.db!.createCollection(collection, { capped: true, size: 4096 }),
      /open: the collection is capped, .* Choose another `collection`/,
    ],
    [
      'of a time series',
      () => connection.db!.createCollection(collection, { timeseries: { timeField: 'expiresAt' } }),
      /open: the collection is a time series, .* Choose another `collection`/,
    ],
    [
      'that is a view',
      () => connection.db!.createCollection(collection, { viewOn: 'sessions', pipeline: [] }),
      /open: the collection is a view, .* Choose another `collection`/,
    ],
  ])('%s', async (_, prepare, reason) => {
    await prepare();
    await expect(new MongoStore({ connection, collection }).open()).rejects.toThrow(SessionStoreError);
    await expect(new MongoStore({ connection, collection }).open()).rejects.toThrow(reason);
  });
});

describe('an index of another program', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['unique, but not for documents without its field', () => unique({ sparse: true })],
    [
      'unique, but for documents of another kind only',
      () => unique({ partialFilterExpression: { kind: 'other' } }),
    ],
    ['unique together with the `_id`', () => documents().createIndex({ a: 1, _id: 1 }, { unique: true })],
    ['on `expiresAt`', () => documents().createIndex({ expiresAt: 1 })],
    [
      'that removes what has expired for an hour',
      () => documents().createIndex({ expiresAt: 1 }, { expireAfterSeconds: 3600 }),
    ],
    [
      'that removes sessions of connect-mongo',
      () => documents().createIndex({ expires: 1 }, { expireAfterSeconds: 0 }),
    ],
    ['on `groups`', () => documents().createIndex({ groups: 1, _id: 1 })],
  ])('is no obstacle if it is %s', async (_, prepare) => {
    await prepare();
    const store = await opened();
    for (const id of ['k', 'n']) await store.create(aRecord(id, { groups: ['g'] }));
    expect(await store.count()).toBe(2);
    expect(await store.count('g')).toBe(2);
  });

  const unique = (options: object) => documents().createIndex({ sid: 1 }, { unique: true, ...options });

  it('that was made unique after the open is named by the create that it rejects', async () => {
    const store = await opened();
    await store.create(aRecord('k', { data: { a: '"secret"' } }));
    await documents().createIndex({ 'data.a': 1 }, { unique: true });
    const error = (await store
      .create(aRecord('n', { data: { a: '"secret"' } }))
      .catch((reason: Error) => reason)) as Error;
    expect(error.message).toMatch(
      /^\[session:mongo\] create: a unique index on `data\.a` rejects sessions\. Drop it/,
    );
    expect(String((error.cause as Error).stack)).not.toContain('secret"');
    expect(await store.read('n')).toBeUndefined();
  });
});
