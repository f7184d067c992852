import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SessionStore, SessionRecord } from 'nestjs-session-stores/store';
import { ClusterStore, serveSessions, type ClusterStoreOptions } from 'nestjs-session-stores/stores/cluster';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { aRecord } from '../../../test/record.js';
import { copyOfPackage } from '../../../test/cluster/copy.js';
import { WorkerStore, forkWorker, killWorker } from '../../../test/cluster/worker.store.js';

type Pair = (options: { name: string }) => readonly [SessionStore, SessionStore];

function keepsTheLaws(pair: Pair): void {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, async () => {
      const stores = pair({ name: randomUUID() });
      try {
        for (const store of stores) await store.open();
        await law.holds(stores);
      } finally {
        for (const store of stores) await store.close();
      }
    });
  }
}

describe('two stores in one process keep the law', () => {
  keepsTheLaws((options) => [new ClusterStore(options), new ClusterStore(options)]);
});

describe('two stores with a directory keep the law', () => {
  let directory: string;
  let keeper: ClusterStore;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sessions-'));
    keeper = new ClusterStore({ directory, name: randomUUID() });
    await keeper.open();
  });
  afterAll(async () => {
    await keeper.close();
    await rm(directory, { recursive: true });
  });
  keepsTheLaws((options) => [
    new ClusterStore({ ...options, directory }),
    new ClusterStore({ ...options, directory }),
  ]);
});

describe('in one process', () => {
  const opened: ClusterStore[] = [];
  const open = async (options?: ClusterStoreOptions, Store = ClusterStore) => {
    const store = new Store(options);
    opened.push(store);
    await store.open();
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  it('stores with different names have different sessions', async () => {
    const [one, other] = [await open(), await open({ name: 'other' })];
    await one.create(aRecord('k'));
    expect(await other.read('k')).toBeUndefined();
    expect(await (await open({ name: 'sessions' })).read('k')).toBeDefined();
  });

  it('sessions live until the last store of their name is closed', async () => {
    const [one, other] = [await open(), await open()];
    await one.create(aRecord('k'));
    await one.close();
    await one.close();
    await one.open();
    await one.open();
    await one.close();
    expect(await other.count()).toBe(1);
    await other.close();
    expect(await (await open()).count()).toBe(0);
  });

  it('sessions live while the process serves', async () => {
    const [stop, stopToo] = [serveSessions(), serveSessions()];
    const store = await open();
    await store.create(aRecord('k'));
    await store.close();
    stop();
    stop();
    await store.open();
    expect(await store.count()).toBe(1);
    await store.close();
    stopToo();
    await store.open();
    expect(await store.count()).toBe(0);
  });

  it('maxSessions limits the sessions of each name', async () => {
    const store = await open();
    const stop = serveSessions({ maxSessions: 2 });
    try {
      for (const id of ['a', 'b', 'c']) await store.create(aRecord(id));
      expect(await store.count()).toBe(2);
      const later = await open({ name: 'other' });
      for (const id of ['a', 'b', 'c']) await later.create(aRecord(id));
      expect(await later.count()).toBe(2);
    } finally {
      stop();
    }
  });

  it('a record that was read cannot be altered, and altering one that was written has no effect', async () => {
    const store = await open();
    const record = aRecord('k');
    await store.create(record);
    record.data['a'] = '2';
    const read = (await store.read('k')) as SessionRecord;
    expect(read.data['a']).toBe('1');
    expect(() => (read.data['a'] = '2')).toThrow(TypeError);
    expect(await store.read('k')).toBe(read);
  });

  it('another copy of the package has the same sessions', async () => {
    const copy = await copyOfPackage();
    try {
      const { ClusterStore: Copied, serveSessions: serve } = await copy.load();
      expect(Copied).not.toBe(ClusterStore);
      const [ours, theirs] = [await open(), await open({}, Copied)];
      await ours.create(aRecord('k'));
      expect(await theirs.read('k')).toBe(await ours.read('k'));
      const listeners = cluster.listenerCount('message');
      const [stop, stopToo] = [serveSessions(), serve()];
      expect(cluster.listenerCount('message')).toBe(listeners + 1);
      stop();
      stopToo();
      expect(cluster.listenerCount('message')).toBe(listeners);
    } finally {
      await copy.remove();
    }
  });

  it('a store that is not open rejects with what to do', async () => {
    const store = new ClusterStore();
    const notOpen = { name: 'SessionStoreError', message: expect.stringMatching(/read: .*Call open\(\)/) };
    await expect(store.read('k')).rejects.toMatchObject(notOpen);
    await store.open();
    await store.read('k');
    await store.close();
    await expect(store.read('k')).rejects.toMatchObject(notOpen);
  });

  it('an id in use is rejected with what to do', async () => {
    const store = await open();
    await store.create(aRecord('k'));
    const message =
      '[session:cluster] create: the id is in use by another session, or was until less than ten minutes ago. Make genid return unique ids';
    await expect(store.create({ ...aRecord('k'), secretHash: 'other' })).rejects.toThrow(message);
  });

  it('an `after` that no page returned is rejected', async () => {
    const store = await open();
    for (const after of ['', 'k', '-1', '1.5', '1e3', ' 1', '9'.repeat(16)]) {
      await expect(store.page({ after, limit: 1 }), after).rejects.toThrow(TypeError);
    }
  });

  it('invalid options are rejected', () => {
    for (const maxSessions of [0, -1, 1.5, Number.NaN, '10', null] as number[]) {
      expect(() => serveSessions({ maxSessions })).toThrow('maxSessions must be a whole number of sessions');
    }
    serveSessions({ maxSessions: Infinity, maxBytes: Infinity })();
    for (const maxBytes of [0, -1, 1.5, Number.NaN, '10', null] as number[]) {
      expect(() => serveSessions({ maxBytes })).toThrow('maxBytes must be a whole number of bytes');
    }
    expect(() => serveSessions({ maxbytes: 1 } as object)).toThrow('maxbytes');
    for (const timeout of [0, 1.5, Infinity]) expect(() => new ClusterStore({ timeout })).toThrow(TypeError);
    expect(() => new ClusterStore({ name: 1 as unknown as string })).toThrow(TypeError);
  });
});

describe('in a cluster', () => {
  let workers: [Worker, Worker, Worker];
  let stop: () => void;

  beforeAll(async () => {
    stop = serveSessions();
    workers = [await forkWorker(), await forkWorker(), await forkWorker({ serialization: 'advanced' })];
  });
  afterAll(async () => {
    for (const worker of workers) await killWorker(worker);
    stop();
  });

  describe('two workers keep the law', () => {
    keepsTheLaws((options) => [new WorkerStore(workers[0], options), new WorkerStore(workers[1], options)]);
  });

  describe('a worker with advanced serialization and the primary keep the law', () => {
    keepsTheLaws((options) => [new WorkerStore(workers[2], options), new ClusterStore(options)]);
  });
});
