import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { SessionStoreError } from 'nestjs-session-stores';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { parameters, startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';

/** A server that knows its users, and looks every second for what has expired. */
let server: Server;
/** As one who may do everything. */
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

/** A user who may do `actions` to the collections of the database `sessions`. */
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
  it('are made once by many stores that open at once', async () => {
    const collection = `many-${randomUUID()}`;
    const stores = Array.from({ length: 20 }, () => new MongoStore({ uri: urlFor('admin'), collection }));
    await Promise.all(stores.map((store) => store.open()));
    expect(await keysOf(collection)).toEqual([{ _id: 1 }, { expiresAt: 1 }, { groups: 1, _id: 1 }]);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('remove sessions that have expired, and no others', async () => {
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

  it('that the user may not make are asked for in commands, and do when they are made by hand', async () => {
    await aUser('writer', ['find', 'insert', 'update', 'remove']);
    const collection = `by-hand-${randomUUID()}`;
    const store = new MongoStore({ uri: urlFor('writer'), collection });
    const error = (await store.open().catch((reason: Error) => reason)) as Error;
    expect(error).toBeInstanceOf(SessionStoreError);
    expect(error.message).toBe(
      '[session:mongo] open: the user may not create indexes: let one who may run ' +
        `db.getCollection("${collection}").createIndex({"expiresAt":1}, { expireAfterSeconds: 0 }); ` +
        `db.getCollection("${collection}").createIndex({"groups":1,"_id":1})`,
    );

    const documents = admin.db!.collection(collection);
    await documents.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 });
    await expect(store.open()).rejects.toThrow(/run db\.getCollection\("[^;]+"groups":1,"_id":1}\)$/);
    await documents.createIndex({ groups: 1, _id: 1 });
    await store.open();
    await store.create(aRecord('k', { groups: ['g'] }));
    expect(await store.clear('g')).toBe(1);
    await store.close();
  });

  it('that clash with others are named', async () => {
    const collection = `clash-${randomUUID()}`;
    await admin.db!.collection(collection).createIndex({ expiresAt: 1 }, { expireAfterSeconds: 60 });
    const store = new MongoStore({ connection: admin, collection });
    await expect(store.open()).rejects.toThrow(/open: the collection has another index on `expiresAt` or/);
  });
});

describe('a user', () => {
  it('without rights is told which are needed', async () => {
    await aUser('reader', ['find']);
    const collection = `readonly-${randomUUID()}`;
    const owner = new MongoStore({ connection: admin, collection });
    await owner.open();
    const store = new MongoStore({ uri: urlFor('reader'), collection });
    await store.open();
    await expect(store.create(aRecord('k'))).rejects.toThrow(/create: .* needs the role readWrite on the/);
    await store.close();
  });

  it('that the server does not know is told so, and the password shows nowhere', async () => {
    const uri = `mongodb://nobody:secret@127.0.0.1:${server.port}/sessions`;
    const error = (await new MongoStore({ uri }).open().catch((reason: Error) => reason)) as Error;
    expect(error.message).toBe(
      '[session:mongo] open: the server wants another login: check user name, password and authSource',
    );
    const { message, stack } = error.cause as Error;
    expect(`${error.stack}${message}${stack}${JSON.stringify(error)}`).not.toContain('secret');
  });
});
