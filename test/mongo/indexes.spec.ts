import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { SessionStoreError } from 'nestjs-session-stores';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { parameters, startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';

/** A server with access control that removes expired documents every second. */
let server: Server;
/** A connection of a user with all permissions. */
let admin: Connection;

beforeAll(async () => {
  server = await startMongo({ args: ['--auth', ...parameters({ ttlMonitorSleepSecs: 1 })] });
  await withConnection(server.url, (first) =>
    first
      .getClient()
      .db('admin')
      .command({ createUser: 'admin', pwd: 'admin', roles: ['root'] }),
  );
  admin = await mongoose.createConnection(urlFor('admin')).asPromise();
});
afterAll(async () => {
  await admin.destroy();
  await server.stop();
});

const urlFor = (user: string): string =>
  `mongodb://${user}:${user}@127.0.0.1:${server.port}/sessions?authSource=admin`;

async function withConnection(url: string, use: (connection: Connection) => Promise<unknown>): Promise<void> {
  const connection = await mongoose.createConnection(url).asPromise();
  try {
    await use(connection);
  } finally {
    await connection.destroy();
  }
}

/** Creates a user that may perform `actions` on the collections of the database `sessions`. */
async function aUser(name: string, actions: string[]): Promise<void> {
  const database = admin.getClient().db('admin');
  const privileges = [{ resource: { db: 'sessions', collection: '' }, actions }];
  await database.command({ createRole: `${name}s`, privileges, roles: [] });
  await database.command({ createUser: name, pwd: name, roles: [`${name}s`] });
}

async function keysOf(collection: string): Promise<unknown[]> {
  const indexes = await admin.db!.collection(collection).indexes();
  return indexes.map(({ key }) => key as unknown);
}

describe('the indexes', () => {
  it('are created once by many stores that open in parallel', async () => {
    const collection = `many-${randomUUID()}`;
    const stores = Array.from({ length: 20 }, () => new MongoStore({ uri: urlFor('admin'), collection }));
    await Promise.all(stores.map((store) => store.open()));
    expect(await keysOf(collection)).toEqual([
      { _id: 1 },
      { expiresAt: 1 },
      { nestjsSession: 1, _id: 1, expiresAt: -1 },
      { groups: 1, _id: 1 },
      { until: 1 },
    ]);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('remove expired sessions, and no others', async () => {
    const collection = `expiring-${randomUUID()}`;
    const store = new MongoStore({ connection: admin, collection });
    await store.open();
    await store.create(aRecord('lives'));
    await store.create(aRecord('moved', { expiresAt: Date.now() + 300 }));
    await store.update(aRecord('moved'), { expiresAt: Date.now() + 3_600_000 });
    await store.create(aRecord('expires', { expiresAt: Date.now() + 300 }));
    const documents = admin.db!.collection<{ _id: string }>(collection);
    await eventually(async () => (await documents.countDocuments({ _id: 'expires' })) === 0);
    expect(await documents.distinct('_id')).toEqual(['lives', 'moved']);
  });

  it('remove tombstones that are over, and leave nothing of them', async () => {
    const collection = `tombstones-${randomUUID()}`;
    const store = new MongoStore({ connection: admin, collection });
    await store.open();
    const documents = admin.db!.collection<{ _id: string }>(collection);
    for (const id of ['ended', 'regenerated', 'stays']) await store.create(aRecord(id, { groups: ['g'] }));
    await store.destroy('ended');
    for (const id of ['regenerated', 'stays']) await store.regenerate(id);
    const over = { _id: { $in: ['ended', 'regenerated'] } };
    await documents.updateMany(over, { $set: { until: new Date(Date.now() - 1) } });
    await eventually(async () => (await documents.countDocuments(over)) === 0);
    expect(await documents.distinct('_id')).toEqual(['stays']);
    for (const id of ['ended', 'regenerated'])
      expect(await store.create(aRecord(id, { groups: ['g'] }))).toBe(true);
    expect(await store.clear('g')).toBe(2);
  });

  it('may be created by hand with commands from the error if the user may not create them', async () => {
    await aUser('writer', ['find', 'insert', 'update']);
    const collection = `by-hand-${randomUUID()}`;
    const store = new MongoStore({ uri: urlFor('writer'), collection });
    const error = (await store.open().catch((reason: Error) => reason)) as Error;
    expect(error).toBeInstanceOf(SessionStoreError);
    const [advice, ...commands] = error.message.split(/(?<=, run )|; /);
    expect(advice).toBe(
      '[session:mongo] open: the user may not create indexes. As a user with that right, run ',
    );
    const of = { partialFilterExpression: { nestjsSession: 1 } };
    const missing: [key: Record<string, number>, options: Record<string, unknown>][] = [
      [{ expiresAt: 1 }, { name: 'nestjsSession_expired', expireAfterSeconds: 0, ...of }],
      [
        { nestjsSession: 1, _id: 1, expiresAt: -1 },
        { name: 'nestjsSession_ids', ...of },
      ],
      [
        { groups: 1, _id: 1 },
        { name: 'nestjsSession_groups', ...of },
      ],
      [
        { until: 1 },
        {
          name: 'nestjsSession_tombstones',
          expireAfterSeconds: 0,
          partialFilterExpression: { nestjsSession: { $type: 'number' }, until: { $exists: true } },
        },
      ],
    ];
    expect(commands).toEqual(
      missing.map(
        ([key, options]) =>
          `db.getCollection("${collection}").createIndex(${JSON.stringify(key)}, ${JSON.stringify(options)})`,
      ),
    );

    const documents = admin.db!.collection(collection);
    const [last, ...others] = missing.toReversed();
    for (const [key, options] of others) await documents.createIndex(key, options);
    await expect(store.open()).rejects.toThrow(
      /, run db\.getCollection\("[^;]+"nestjsSession_tombstones"[^;]+$/,
    );
    await documents.createIndex(...last!);
    await store.open();
    await store.create(aRecord('k', { groups: ['g'] }));
    expect(await store.clear('g')).toBe(1);
    await store.close();
  });

  it.each<[string, object]>([
    ['the keys of one that the store creates', { partialFilterExpression: { nestjsSession: 1 } }],
    ['its name', { name: 'nestjsSession_expired' }],
  ])('are not created beside one with %s, which the error names', async (_, options) => {
    const collection = `clash-${randomUUID()}`;
    const name = await admin.db!.collection(collection).createIndex({ expiresAt: 1 }, options);
    const store = new MongoStore({ connection: admin, collection });
    await expect(store.open()).rejects.toThrow(
      '[session:mongo] open: an index has the name or the keys of one that the store creates: ' +
        `"${name}". Choose another \`collection\`, or, if no program needs it any more, run ` +
        `db.getCollection("${collection}").dropIndex("${name}")`,
    );
  });

  it('of other programs are not checked if the user may not list them', async () => {
    await aUser('maker', ['find', 'insert', 'update', 'createIndex', 'createCollection']);
    const collection = `unlisted-${randomUUID()}`;
    await admin.db!.collection(collection).createIndex({ sid: 1 }, { unique: true });
    const store = new MongoStore({ uri: urlFor('maker'), collection });
    await store.open();
    await store.create(aRecord('k'));
    await expect(store.create(aRecord('n'))).rejects.toThrow(/create: a unique index on `sid` rejects sess/);
    await store.close();
  });
});

describe('a user', () => {
  it('without permissions causes an error that names the role it needs', async () => {
    await aUser('reader', ['find']);
    const collection = `readonly-${randomUUID()}`;
    const owner = new MongoStore({ connection: admin, collection });
    await owner.open();
    const store = new MongoStore({ uri: urlFor('reader'), collection });
    await store.open();
    await expect(store.create(aRecord('k'))).rejects.toThrow(/create: .* needs the role readWrite on the/);
    await store.close();
  });

  it('that is unknown to the server causes an error that does not contain the password', async () => {
    const uri = `mongodb://nobody:secret@127.0.0.1:${server.port}/sessions`;
    const error = (await new MongoStore({ uri }).open().catch((reason: Error) => reason)) as Error;
    expect(error.message).toBe(
      '[session:mongo] open: the server rejected the login. Check user name, password and authSource',
    );
    const { message, stack } = error.cause as Error;
    expect(`${error.stack}${message}${stack}${JSON.stringify(error)}`).not.toContain('secret');
  });
});
