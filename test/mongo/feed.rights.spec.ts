import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mongoose, { type Connection } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { command, parameters, startMongoSet } from '../servers/mongo.mjs';
import type { MongoSet } from '../servers/mongo.set.mjs';
import { Endings } from '../stores/endings.js';
import { FeedLedger } from '../stores/feed.ledger.js';
import { opened } from './opened.js';

describe('on a server with access control that removes expired sessions every second', () => {
  let set: MongoSet;
  let admin: Connection;
  const urlFor = (user: string): string =>
    set.url.replace('//', `//${user}:${user}@`).replace('?', 'sessions?authSource=admin&');

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mongo-key-'));
    const file = join(folder, 'key');
    await writeFile(file, 'key of the members', { mode: 0o600 });
    set = await startMongoSet({
      args: ['--auth', '--keyFile', file, ...parameters({ ttlMonitorSleepSecs: 1 })],
    });
    await rm(folder, { recursive: true });
    await command(set.nodes[0]!.url, { createUser: 'admin', pwd: 'admin', roles: ['root'] });
    admin = await mongoose.createConnection(urlFor('admin')).asPromise();
  });
  afterAll(async () => {
    await admin.destroy();
    await set.stop();
  });

  async function aUser(name: string, actions: string[]): Promise<void> {
    const database = admin.getClient().db('admin');
    const privileges = [{ resource: { db: 'sessions', collection: 'sessions' }, actions }];
    await database.command({ createRole: `${name}s`, privileges, roles: [] });
    await database.command({ createUser: name, pwd: name, roles: [`${name}s`] });
  }

  it('a user needs the actions that the documentation names, and is told of those that watching needs', async () => {
    const actions = [
      'find',
      'insert',
      'update',
      'createCollection',
      'createIndex',
      'listCollections',
      'listIndexes',
    ];
    await aUser('silent', actions);
    await aUser('watcher', [...actions, 'changeStream']);
    const silent = await opened({ uri: urlFor('silent') });
    await expect(silent.watch(() => {})).rejects.toMatchObject({
      name: 'SessionStoreError',
      message:
        '[session:mongo] watch: the server denied the change stream. The user needs the actions `changeStream` and ' +
        '`find` on the collection, which the role readWrite contains',
    });
    const ledger = await FeedLedger.of(await opened({ uri: urlFor('watcher') }));
    const last = await new Endings(silent, [ledger]).end();
    await ledger.expectNothingSkipped();
    expect(ledger.hasHeard(last)).toBe(true);
  });

  it('a session that expires is announced as ended when it is removed', async () => {
    const store = await opened({ connection: admin });
    const ledger = await FeedLedger.of(store);
    await store.create(aRecord('expiring', { expiresAt: Date.now() + 500 }));
    await eventually(() => ledger.hasHeard('expiring'));
  });
});
