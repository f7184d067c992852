import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import mongoose from 'mongoose';
import { NEVER } from 'nestjs-session-stores/store';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { describe, expect, inject, it } from 'vitest';
import { connections } from './connections.js';
import { aRecord } from '../record.js';
import type { Server } from '../servers/server.mjs';

const { url } = inject('mongo');

const mongo = connections();

describe('many reads at once', () => {
  it('are combined, each with its own session, even if they do not fit into one response', async () => {
    const collection = `together-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.shared, collection, timeout: 10_000 });
    await store.open();
    const sent: unknown[] = [];
    const watching = await mongoose.createConnection(url, { monitorCommands: true }).asPromise();
    watching.getClient().on('commandStarted', ({ commandName }) => sent.push(commandName));
    const reader = new MongoStore({ connection: watching, collection, timeout: 10_000 });
    await reader.open();

    const text = JSON.stringify('x'.repeat(3 * 2 ** 20));
    const large = Array.from({ length: 8 }, (_, index) => aRecord(`large-${index}`, { data: { text } }));
    const small = Array.from({ length: 300 }, (_, index) => aRecord(`small-${index}`));
    for (const record of [...large, ...small]) await store.create(record);
    sent.length = 0;
    const all = [...small, aRecord('gone'), ...large, ...small.slice(0, 10)];
    const read = await Promise.all(all.map(({ id }) => reader.read(id)));
    expect(read).toEqual(all.map((record) => (record.id === 'gone' ? undefined : record)));
    expect(sent.length).toBeLessThan(20);
    expect(sent).toContain('killCursors');
    await watching.destroy();
    await mongo.shared.db!.dropCollection(collection);
  });

  it('do not fail with the read of a damaged session, nor of an id that is too long for a command', async () => {
    const collection = `damaged-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.alone, collection });
    await store.open();
    const record = aRecord('k');
    await store.create(record);
    await insertDamaged(mongo.server, collection, 'damaged');
    for (const [id, problem] of [
      ['damaged', 'a document of the collection is damaged. Remove it'],
      ['k'.repeat(17 * 2 ** 20), 'larger than the 16 MB'],
    ] as const) {
      const read = store.read('k');
      const [failed] = await Promise.allSettled([store.read(id), read]);
      expect(failed).toMatchObject({ reason: { message: expect.stringContaining(problem) as string } });
      expect(await read).toEqual(record);
    }
  });

  it('see all earlier writes', async () => {
    const collection = `fresh-${randomUUID()}`;
    const store = new MongoStore({ connection: mongo.shared, collection });
    await store.open();
    const record = aRecord('k');
    await store.create(record);
    await Promise.all(Array.from({ length: 50 }, () => store.read('k')));
    const others = Array.from({ length: 50 }, () => store.read('k'));
    await store.update(record, { set: { written: '1' } });
    const more = Array.from({ length: 50 }, () => store.read('k'));
    for (const read of await Promise.all(more)) expect(read!.data['written']).toBe('1');
    await Promise.all(others);
    await mongo.shared.db!.dropCollection(collection);
  });
});

/** Inserts, byte by byte, a document that no driver would send: its string is not UTF-8. */
async function insertDamaged(server: Server, collection: string, id: string): Promise<void> {
  const documents = [{ _id: id, data: { text: '??' }, expiresAt: new Date(NEVER) }];
  const body = Buffer.from(mongoose.mongo.BSON.serialize({ insert: collection, documents, $db: 'test' }));
  body.fill(0xff, body.indexOf('??'), body.indexOf('??') + 2);
  const header = Buffer.alloc(21);
  const OP_MSG = 2013;
  [header.length + body.length, 1, 0, OP_MSG].forEach((value, index) =>
    header.writeInt32LE(value, index * 4),
  );
  const socket = connect(server.port, '127.0.0.1');
  socket.write(Buffer.concat([header, body]));
  await once(socket, 'data');
  socket.destroy();
}
