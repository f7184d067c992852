import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import mongoose from 'mongoose';
import { SessionStoreError, NEVER } from 'nestjs-session-stores/store';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';

const { url } = inject('mongo');
const run = promisify(execFile);

describe('a store rejects', () => {
  it.each([
    ['an option that the driver does not know', { uri: url, options: { nonsense: 1 } as object }],
    ['an invalid address', { uri: 'mongodb://user:pass:word@127.0.0.1:1' }],
  ])('an open with %s, and shows no password', async (_, options) => {
    const error: Error = (await new MongoStore(options).open().catch((reason: Error) => reason)) as Error;
    expect(error).toBeInstanceOf(SessionStoreError);
    expect(error.message).toBe(
      '[session:mongo] open: the driver rejected `uri` or `options`. Its message is in the cause',
    );
    expect(String(error.cause)).not.toContain('pass:word');
  });

  it('an open when the server is unreachable, with advice and the cause', async () => {
    const store = new MongoStore({ uri: 'mongodb://127.0.0.1:1/', timeout: 1500 });
    await expect(store.open()).rejects.toMatchObject({
      name: 'SessionStoreError',
      store: 'mongo',
      operation: 'open',
      message: expect.stringContaining(
        'no connection to a primary at 127.0.0.1:1. Is the server running',
      ) as string,
      cause: { message: expect.stringContaining('ECONNREFUSED') as string },
    });
  });

  it('an open when the server never responds, and does not keep the process alive', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const uri = `mongodb://127.0.0.1:${(mute.address() as AddressInfo).port}/`;
    const script = `
      import { MongoStore } from 'nestjs-session-stores/stores/mongo';
      const store = new MongoStore({ uri: ${JSON.stringify(uri)}, timeout: 500 });
      await store.open().catch((error) => console.log(error.message));
      const failed = performance.now();
      process.on('exit', () => console.log(performance.now() - failed));
    `;
    try {
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
      const [message, stayed] = stdout.split('\n');
      expect(message).toMatch(
        /^\[session:mongo\] open: (no connection to a primary at 127\.0\.0\.1:\d+\. Is the server running|timed out after 500 ms)/,
      );
      expect(Number(stayed)).toBeLessThan(5_000);
    } finally {
      mute.close();
    }
  });

  it('an open on a collection whose collation treats different ids as equal', async () => {
    const collection = `collated-${randomUUID()}`;
    const connection = await mongoose.createConnection(url).asPromise();
    await connection.db!.createCollection(collection, { collation: { locale: 'en', strength: 2 } });
    const store = new MongoStore({ connection, collection });
    await expect(store.open()).rejects.toThrow(
      /open: the collection has a collation, by which two different ids/,
    );
    await connection.db!.dropCollection(collection);
    await connection.destroy();
  });

  it('an open on a mongos', async () => {
    const connection = await mongoose.createConnection(url).asPromise();
    const db = connection.db!;
    const command = db.command.bind(db);
    // Distinguishes a mongos from a mongod.
    db.command = async (...sent) => ({ ...(await command(...sent)), msg: 'isdbgrid' });
    const store = new MongoStore({ connection });
    await expect(store.open()).rejects.toThrow(/open: the server is a mongos, .*\. Connect to a replica set/);
    await connection.destroy();
  });

  it('calls while it is not open', async () => {
    const store = new MongoStore({ uri: url });
    await expect(store.read('k')).rejects.toThrow(
      '[session:mongo] read: the store is not open. Call open() first',
    );
  });
});

describe('a connection', () => {
  afterEach(() => mongoose.connection.close());

  it('is the default connection of mongoose if none is given', async () => {
    const store = new MongoStore({ collection: `default-${randomUUID()}` });
    await expect(store.open()).rejects.toThrow(
      /open: mongoose's default connection is not open\. Call mongoose.connect\(\)/,
    );
    void mongoose.connect(url);
    await store.open();
    expect(await store.count()).toBe(0);
    await store.close();
    expect(mongoose.connection.readyState).toBe(mongoose.ConnectionStates.connected);
  });

  it('of useDb() on a connection that is still opening opens with it', async () => {
    const opening = mongoose.createConnection(url);
    onTestFinished(() => opening.destroy());
    const name = `other-${randomUUID()}`;
    const store = new MongoStore({ connection: opening.useDb(name), collection: 'sessions' });
    onTestFinished(() => store.close());
    await store.open();
    await store.create(aRecord('k'));
    expect(await opening.useDb(name).collection('sessions').countDocuments()).toBe(1);
    await opening.useDb(name).dropDatabase();
  });

  it('that was given but never opened makes the open reject', async () => {
    const store = new MongoStore({ connection: mongoose.createConnection() });
    await expect(store.open()).rejects.toThrow('the connection is not open. Call its openUri() first');
  });

  it('that the store created is closed with the store, which can be opened again', async () => {
    const before = mongoose.connections.length;
    const store = new MongoStore({ uri: url, collection: `again-${randomUUID()}` });
    for (let time = 0; time < 2; time++) {
      await Promise.all([store.open(), store.open()]);
      expect(await store.read('k')).toBeUndefined();
      await store.close();
      await expect(store.read('k')).rejects.toThrow('the store is not open');
    }
    expect(mongoose.connections.length).toBe(before);
  });

  it.each(['&maxStalenessSeconds=120', '&maxStalenessSeconds=120&readPreference=nearest'])(
    'that allows stale reads (%s) reads from the primary',
    async (stale) => {
      const store = new MongoStore({
        uri: `${url}${stale}`,
        options: { maxStalenessSeconds: 120 },
        collection: `stale-${randomUUID()}`,
      });
      await store.open();
      expect(await store.read('k')).toBeUndefined();
      await store.close();
    },
  );

  it('with weak read and write settings is overridden in each call', async () => {
    const weak = await mongoose
      .createConnection(url, {
        readPreference: 'secondaryPreferred',
        readConcernLevel: 'majority',
        writeConcern: { w: 0, journal: false },
        promoteValues: false,
        monitorCommands: true,
      })
      .asPromise();
    const commands: Record<string, unknown>[] = [];
    weak.getClient().on('commandStarted', ({ command }) => commands.push(command as Record<string, unknown>));
    const store = new MongoStore({ connection: weak, collection: `weak-${randomUUID()}` });
    await store.open();
    const record = aRecord('k', {
      groups: ['g'],
      previous: { hash: 'w', replacedAt: 5, grace: 2 ** 40, validUntil: NEVER },
    });
    await store.create(record);
    expect(await store.read('k')).toEqual(record);
    await store.update(record, { join: ['h'] });
    expect(await store.count('h')).toBe(1);
    expect(await store.clear('h')).toBe(1);

    const sent = (...names: string[]) => commands.filter((command) => names.some((name) => name in command));
    const reads = sent('find', 'aggregate');
    expect(reads.length).toBeGreaterThan(0);
    for (const { $readPreference = { mode: 'primary' }, readConcern } of reads)
      expect({ $readPreference, readConcern }).toEqual({
        $readPreference: { mode: 'primary' },
        readConcern: { level: 'local' },
      });
    const writes = sent('findAndModify', 'insert', 'update', 'delete');
    expect(writes.length).toBeGreaterThan(0);
    for (const { writeConcern } of writes) expect(writeConcern).toEqual({ w: 'majority', j: true });
    await weak.destroy();
  });
});
