import { randomUUID } from 'node:crypto';
import mongoose, { type Connection } from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';
import { command, startMongo } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';
import { examined, RIGHT_OPTIONS } from './examined.js';

let connection: Connection;
let collection: string;
beforeAll(async () => {
  connection = await mongoose.createConnection(inject('mongo').url).asPromise();
});
afterAll(() => connection.destroy());
beforeEach(() => {
  collection = `doctor-${randomUUID()}`;
});

const documents = () => connection.db!.collection<{ _id: string }>(collection);
const store = () => new MongoStore({ uri: inject('mongo').url, collection });

/** Lets a store create its collection and indexes, and a session. */
async function used(): Promise<void> {
  const opened = store();
  await opened.open();
  await opened.create(aRecord('k'));
  await opened.close();
}

describe('a replica set with a collection of the store', () => {
  it('has no risk, with options that have none, and everything could be seen', async () => {
    await used();
    const findings = await examined({ store: store(), options: RIGHT_OPTIONS });
    expect(findings.all.filter(({ outcome }) => outcome !== 'ok').map(({ subject }) => subject)).toEqual([
      'Sessions per user',
    ]);
    expect(findings.with('ok').filter((subject) => subject.startsWith('MongoDB'))).toEqual([
      'MongoDB clock',
      'MongoDB version',
      'MongoDB topology',
      'MongoDB rights',
      'MongoDB feed',
      'MongoDB collection',
      'MongoDB indexes',
      'MongoDB indexes of other programs',
      'MongoDB documents of other programs',
    ]);
    expect(await documents().countDocuments()).toBe(1);
  });

  it('has none before the first start of the app, and is not created by the examination', async () => {
    const findings = await examined({ store: new MongoStore({ connection, collection }) });
    expect(findings.with('ok')).toHaveLength(9);
    expect(await connection.db!.listCollections({ name: collection }).toArray()).toEqual([]);
    expect(connection.readyState).toBe(mongoose.ConnectionStates.connected);
  });
});

describe('a collection has a risk if', () => {
  it.each<[string, string, () => Promise<unknown>, RegExp, RegExp]>([
    [
      'a unique index of another program would reject sessions',
      'MongoDB indexes of other programs',
      () => documents().createIndex({ sid: 1 }, { unique: true }),
      /"sid_1" would reject sessions as duplicates/,
      /dropIndex\("sid_1"\)/,
    ],
    [
      'an index of another program would remove sessions',
      'MongoDB indexes of other programs',
      () => documents().createIndex({ createdAt: 1 }, { expireAfterSeconds: 60 }),
      /"createdAt_1" would remove live sessions/,
      /dropIndex\("createdAt_1"\)/,
    ],
    [
      'it has sessions of connect-mongo',
      'MongoDB documents of other programs',
      () => documents().insertOne({ _id: 'k', session: '{}', expires: new Date() } as never),
      /look like those of connect-mongo/,
      /Set the option collection/,
    ],
    [
      'it has documents of another program',
      'MongoDB documents of other programs',
      () => documents().insertOne({ _id: 'k', nestjsSession: 'another program' } as never),
      /has documents of another program\.$/,
      /Set the option collection/,
    ],
    [
      'it is capped',
      'MongoDB collection',
      () => connection.db!.createCollection(collection, { capped: true, size: 4096 }),
      /is capped/,
      /Choose another `collection`/,
    ],
    [
      'its sessions expire by another expireAfterSeconds',
      'MongoDB indexes',
      async () => {
        await used();
        const index = { name: 'nestjsSession_expired', expireAfterSeconds: 3600 };
        await connection.db!.command({ collMod: collection, index });
      },
      /is another one: nestjsSession_expired/,
      /dropIndex\("nestjsSession_expired"\)/,
    ],
    [
      'it has sessions, but nothing removes the expired ones',
      'MongoDB indexes',
      async () => {
        await used();
        await documents().dropIndex('nestjsSession_expired');
      },
      /is missing: nestjsSession_expired/,
      /Restart a process of the app/,
    ],
  ])('%s', async (_, subject, prepare, found, remedy) => {
    await prepare();
    const findings = await examined({ store: store() });
    expect(findings.risks).toEqual([subject]);
    expect(findings.of(subject).found).toMatch(found);
    expect(findings.of(subject).remedy).toMatch(remedy);
  });

  it('an examination shows no data of other programs', async () => {
    await documents().insertOne({ _id: 'k', session: 'secret of another program' } as never);
    const { all } = await examined({ store: store() });
    expect(JSON.stringify(all)).not.toContain('secret');
  });
});

describe('a standalone MongoDB with access control', () => {
  let server: Server;
  const urlFor = (user: string): string =>
    server.url.replace('//', `//${user}:${user}@`).replace('?', 'shop?authSource=admin&');
  const storeOf = (user: string) => new MongoStore({ uri: urlFor(user) });

  beforeAll(async () => {
    server = await startMongo({ args: ['--auth'] });
    await command(server.url, { createUser: 'admin', pwd: 'admin', roles: ['root'] });
  });
  afterAll(() => server.stop());

  async function aUser(name: string, actions: string[]): Promise<void> {
    const privileges = [{ resource: { db: 'shop', collection: 'sessions' }, actions }];
    await command(urlFor('admin'), { createRole: `${name}s`, privileges, roles: [] });
    await command(urlFor('admin'), { createUser: name, pwd: name, roles: [`${name}s`] });
  }

  it('has a risk, because it has no replicas and no feed', async () => {
    const findings = await examined({ store: storeOf('admin') });
    expect(findings.risks).toEqual(['MongoDB topology']);
    expect(findings.of('MongoDB topology')).toMatchObject({
      found: 'The server is a standalone server, and no replica set.',
      risk: expect.stringContaining('no change streams') as string,
      remedy: expect.stringContaining('Convert it to a replica set') as string,
    });
    expect(findings.with('unknown')).toEqual(['MongoDB feed']);
  });

  it('lets a user without the right look at nothing, and says so of each subject', async () => {
    await aUser('writer', ['insert', 'update']);
    const findings = await examined({ store: storeOf('writer') });
    expect(findings.risks).toEqual(['MongoDB topology', 'MongoDB rights']);
    expect(findings.of('MongoDB rights').found).toBe('The user lacks on the collection: find.');
    expect(findings.with('not allowed to look')).toEqual([
      'MongoDB collection',
      'MongoDB indexes',
      'MongoDB indexes of other programs',
      'MongoDB documents of other programs',
    ]);
  });

  it('rejects a wrong password, which no finding shows', async () => {
    const uri = server.url.replace('//', '//admin:wrong-password@');
    const { all } = await examined({ store: new MongoStore({ uri }) });
    expect(all).toMatchObject([
      { outcome: 'risk', subject: 'MongoDB connection', found: 'The server rejected the login.' },
    ]);
    expect(JSON.stringify(all)).not.toContain('wrong-password');
  });

  it('that stops responding ends the examination within its deadlines', async () => {
    const frozen = new MongoStore({ uri: urlFor('admin'), timeout: 300 });
    await server.freeze();
    try {
      const begun = performance.now();
      expect((await examined({ store: frozen })).risks).toEqual(['MongoDB connection']);
      expect(performance.now() - begun).toBeLessThan(3000);
    } finally {
      await server.thaw();
    }
  });
});
