import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import mongoose from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { command, startMongoSet } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';
import { Endings } from '../stores/endings.js';
import { FeedLedger } from '../stores/feed.ledger.js';
import { connections } from './connections.js';
import { opened } from './opened.js';

const LONG = process.env['LONG'] !== undefined;
const { url } = inject('mongo');
const mongo = connections();

describe('a watcher', () => {
  it('hears of what other processes do, over its own connection or a given one', async () => {
    const collection = randomUUID();
    const writer = await opened({ uri: url, collection });
    for (const options of [
      { uri: url },
      { connection: mongo.shared },
      { connection: mongo.shared.useDb('test') },
    ]) {
      const ledger = await FeedLedger.of(await opened({ ...options, collection }));
      const record = aRecord(randomUUID(), { groups: ['g'] });
      await writer.create(record);
      await writer.update(record, { touch: { from: record.expiresAt, to: record.expiresAt + 1 } });
      await writer.rotate(record, record.secretHash, 'next', 1_000);
      await writer.regenerate(record.id);
      await ledger.complete();
      expect(ledger.typesOf(record.id)).toEqual(['changed', 'rotated', 'ended']);
    }
    await mongo.shared.db!.dropCollection(collection);
  });

  it('hears nothing of new sessions, nor of documents of other programs', async () => {
    const collection = randomUUID();
    const store = await opened({ connection: mongo.shared, collection });
    const ledger = await FeedLedger.of(store);
    const documents = mongo.shared.db!.collection<{ _id: string }>(collection);
    await store.create(aRecord('new'));
    await documents.insertOne({ _id: 'foreign' });
    await documents.updateOne({ _id: 'foreign' }, { $set: { session: '{}', 'expires.at': 1 } });
    await ledger.complete();
    expect(ledger.events).toEqual([{ type: 'live' }]);
    await documents.drop();
  });

  it('is sent no data of sessions', async () => {
    const client = new mongoose.mongo.MongoClient(url, { monitorCommands: true });
    const responses: string[] = [];
    client.on('commandSucceeded', ({ commandName, reply }) => {
      if (commandName === 'getMore') responses.push(JSON.stringify(reply));
    });
    await client.connect();
    const connection = mongoose.createConnection().setClient(client);
    onTestFinished(() => connection.destroy());
    const collection = randomUUID();
    const writer = await opened({ uri: url, collection });
    const ledger = await FeedLedger.of(await opened({ connection, collection }));
    const record = aRecord(randomUUID(), { groups: ['g'] });
    await writer.create(record);
    await writer.update(record, { set: { nameOfData: '"valueOfData"' }, join: ['nameOfGroup'] });
    await writer.update(record, { remove: ['nameOfData'], leave: ['g', 'nameOfGroup'] });
    await writer.rotate(record, record.secretHash, 'hashOfSecret', 1_000);
    await writer.destroy(record.id);
    await ledger.complete();
    expect(responses.join()).toContain(record.id);
    expect(responses.join()).not.toMatch(/OfData|OfGroup|OfSecret/);
    await mongo.shared.db!.dropCollection(collection);
  });

  it.runIf(LONG)('hears of a change of a session that is almost as large as MongoDB can store', async () => {
    const collection = randomUUID();
    const writer = await opened({ connection: mongo.shared, collection, timeout: 10_000 });
    const ledger = await FeedLedger.of(await opened({ uri: url, collection }));
    await writer.create(aRecord('large'));
    await writer.update(aRecord('large'), { set: { text: 'x'.repeat(16 * 2 ** 20 - 2_000) } });
    await ledger.complete();
    expect(ledger.events).toEqual([{ type: 'live' }, { type: 'changed', ids: ['large'] }]);
    await mongo.shared.db!.dropCollection(collection);
  });

  it.runIf(LONG)('does not count as complete before it has heard what reaches it late', async () => {
    const connection = await mongoose.createConnection(url).asPromise();
    onTestFinished(() => connection.destroy());
    const db = connection.db!;
    const send = db.command.bind(db);
    db.command = async (document, options) => {
      const response = await send(document, options);
      if ('getMore' in document) await wait(300);
      return response;
    };
    const collection = randomUUID();
    const writer = await opened({ uri: url, collection });
    const ledger = await FeedLedger.of(await opened({ connection, collection }));
    const endings = new Endings(writer, [ledger]);
    for (let time = 0; time < 3; time++) {
      await endings.end();
      await ledger.expectNothingSkipped();
    }
    expect(ledger.losses).toEqual([]);
    await mongo.shared.db!.dropCollection(collection);
  });

  it('loses the feed when the collection is dropped, and hears again of what comes after', async () => {
    const collection = randomUUID();
    const store = await opened({ connection: mongo.shared, collection });
    const ledger = await FeedLedger.of(store);
    await store.create(aRecord('k'));
    await mongo.shared.db!.dropCollection(collection);
    await eventually(() => ledger.losses.length > 0);
    expect(ledger.losses).toEqual(['[session:mongo] watch: the collection was dropped or renamed']);
    await ledger.complete();
    const last = await new Endings(store, [ledger]).end();
    await ledger.expectNothingSkipped();
    expect(ledger.hasHeard(last)).toBe(true);
    await mongo.shared.db!.dropCollection(collection);
  });

  it.runIf(LONG)('leaves no cursor on the server, whether it or its store is closed', async () => {
    const server = await startMongoSet();
    onTestFinished(() => server.stop());
    const connection = await mongoose.createConnection(server.url).asPromise();
    onTestFinished(() => connection.destroy());
    for (const options of [{ uri: server.url }, { connection }]) {
      const store = await opened(options);
      (await store.watch(() => {})).close();
      await eventually(async () => (await cursorsOf(server.nodes[0]!)) === 0);
      await store.watch(() => {});
      expect(await cursorsOf(server.nodes[0]!)).toBe(1);
      await store.close();
      await eventually(async () => (await cursorsOf(server.nodes[0]!)) === 0);
    }
  });

  it('is rejected on a standalone server, with what to do', async () => {
    const store = new MongoStore({ connection: mongo.alone });
    expect(store.capabilities.feed).toBe(true);
    await store.open();
    await expect(store.watch(() => {})).rejects.toMatchObject({
      name: 'SessionStoreError',
      message:
        '[session:mongo] watch: the store has no feed: a standalone server has no change streams. ' +
        'Convert it to a replica set, which may have a single member',
    });
  });
});

/** How many cursors are open that clients read. */
async function cursorsOf(server: Server): Promise<number> {
  const { cursors } = (await command(server.url, {
    aggregate: 1,
    pipeline: [
      { $currentOp: { idleCursors: true } },
      { $match: { $or: [{ type: 'idleCursor' }, { 'command.getMore': { $exists: true } }] } },
      { $match: { ns: /[.]sessions$/ } },
    ],
    cursor: {},
  }).then(({ cursor }) => ({ cursors: cursor.firstBatch }))) as { cursors: unknown[] };
  return cursors.length;
}
