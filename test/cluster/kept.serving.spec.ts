import type { Worker } from 'node:cluster';
import { serveSessions, type SessionServing } from 'nestjs-session-stores/stores/cluster';
import { afterEach, describe, expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { StoreProcess, aDirectory, inProcess, openStore } from './kept.js';
import { WorkerStore, forkWorker, killWorker } from './worker.store.js';

describe('a primary with a directory', () => {
  const workers: Worker[] = [];
  const stops: SessionServing[] = [];
  afterEach(async () => {
    for (const worker of workers.splice(0)) await killWorker(worker);
    for (const stop of stops.splice(0)) await stop();
  });
  const fork = async () => {
    const worker = await forkWorker();
    workers.push(worker);
    return worker;
  };
  const serve = (options: Parameters<typeof serveSessions>[0]) => {
    const stop = serveSessions(options);
    stops.push(stop);
    return stop;
  };

  it('has the sessions of its workers when it serves again', async () => {
    const directory = await aDirectory();
    const worker = await fork();
    const stop = serve({ directory });
    const [store, other] = [new WorkerStore(worker), new WorkerStore(worker, { name: 'other' })];
    await Promise.all([store.open(), other.open()]);
    await store.create(aRecord('a'));
    await store.create(aRecord('b'));
    await store.destroy('b');
    await other.create(aRecord('c'));
    await stop();
    serve({ directory });
    expect(await store.read('a')).toMatchObject({ id: 'a' });
    expect(await store.haveEnded(['b'])).toBe(true);
    expect(await other.count()).toBe(1);
  });

  it('performs the calls of its workers once the sessions are read', async () => {
    const directory = await aDirectory();
    await inProcess({ directory }, (store) => store.create(aRecord('a')));
    const worker = await fork();
    const earlier = serve({});
    const store = new WorkerStore(worker);
    await store.open();
    await earlier();
    // It sends its calls at once: to it, the primary serves.
    const other = await StoreProcess.open({ directory });
    const { opened } = serve({ directory, timeout: 10_000 });
    const found = store.read('a');
    const opening = new WorkerStore(worker, { timeout: 10_000 }).open();
    await other.kill();
    expect(await found).toMatchObject({ id: 'a' });
    await opening;
    await opened;
  });

  it('that cannot open it says so, to its caller and to its workers', async () => {
    const directory = await aDirectory();
    await StoreProcess.open({ directory });
    const { opened } = serve({ directory, timeout: 1 });
    await expect(opened).rejects.toThrow(
      '[session:cluster] open: the directory is still in use by another process',
    );
    const store = new WorkerStore(await fork());
    await expect(store.open()).rejects.toMatchObject({
      message: '[session:cluster] open: the primary failed. Its error is the cause',
    });
  });

  it('has a store of its own with the same sessions', async () => {
    const directory = await aDirectory();
    serve({ directory });
    const [store, named] = [await openStore({}), await openStore({ directory })];
    await store.create(aRecord('a'));
    expect(await named.read('a')).toBeDefined();
  });

  it('has only one', async () => {
    serve({ directory: await aDirectory() });
    const directory = await aDirectory();
    expect(() => serveSessions({ directory })).toThrow('with the same directory each time');
  });

  it('keeps it while a store of the primary is open', async () => {
    const directory = await aDirectory();
    const stop = serve({ directory });
    const store = await openStore({});
    await stop();
    await store.create(aRecord('a'));
    await store.close();
    expect(await (await openStore({ directory })).read('a')).toBeDefined();
  });
});

it("a worker's store rejects a directory, and names the call that takes it", async () => {
  const worker = await forkWorker();
  const store = new WorkerStore(worker, { directory: await aDirectory() });
  await expect(store.open()).rejects.toThrow(
    '[session:cluster] open: directory is an option of the process that has the sessions, and this is a worker. Pass it to serveSessions() in the primary instead',
  );
  await killWorker(worker);
});

it('the only instance of PM2 keeps its own directory', async () => {
  const directory = await aDirectory();
  const env = { pm_id: '3', exec_mode: 'cluster_mode', instances: '1', NODE_APP_INSTANCE: '0' };
  const worker = await forkWorker({}, env);
  const store = new WorkerStore(worker, { directory });
  await store.open();
  await store.create(aRecord('a'));
  await killWorker(worker);
  expect(await (await openStore({ directory, timeout: 1 })).read('a')).toBeDefined();
});
