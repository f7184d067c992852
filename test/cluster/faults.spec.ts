import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { copyOfPackage } from './copy.js';
import { aRecord } from '../record.js';
import { WorkerStore, forkWorker, killWorker } from './worker.store.js';

const TAG = 'nestjs-session-stores/cluster/1';

let stop: () => void;
let worker: Worker;
let store: WorkerStore;
let here: ClusterStore;

beforeEach(async () => {
  stop = serveSessions();
  worker = await forkWorker();
  store = new WorkerStore(worker, { timeout: 1000 });
  here = new ClusterStore();
  await Promise.all([store.open(), here.open()]);
});
afterEach(async () => {
  await killWorker(worker);
  await here.close();
  stop();
});

/** Blocks this process, the primary, for `ms` milliseconds, as a SIGSTOP would. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a worker that is killed during calls', () => {
  it('loses no acknowledged create and leaves no listener in the primary', async () => {
    const listeners = cluster.listenerCount('message');
    const acknowledged: string[] = [];
    for (let index = 0; index < 5000; index++) {
      const id = `k${index}`;
      store.create(aRecord(id)).then(
        () => acknowledged.push(id),
        () => {},
      );
    }
    await eventually(() => acknowledged.length > 100);
    await killWorker(worker);
    expect(acknowledged.length).toBeLessThan(5000);
    for (const id of acknowledged) expect(await here.read(id)).toBeDefined();
    expect(cluster.listenerCount('message')).toBe(listeners);

    worker = await forkWorker();
    store = new WorkerStore(worker);
    await store.open();
    expect(await store.count()).toBe(await here.count());
  });

  it('may have sent calls whose replies cannot be delivered: the primary still runs them', async () => {
    await here.create(aRecord('k'));
    const dead = worker;
    const died = killWorker(dead);
    cluster.emit('message', dead, [TAG, 'x', 'sessions', []]);
    await died;
    const call = [1, Date.now() + 1000, 'destroy', 'k'];
    cluster.emit('message', dead, [TAG, 'x', 'sessions', [call]]);
    await eventually(async () => (await here.count()) === 0);
  });
});

describe('a primary that was frozen', () => {
  it('does not run calls that waited past their deadline', async () => {
    const late = new WorkerStore(worker, { timeout: 100 });
    await late.open();
    const calls = [late.create(aRecord('late')), store.create(aRecord('in time'))];
    freeze(500);
    const [rejected, done] = await Promise.allSettled(calls);
    expect(rejected).toMatchObject({
      reason: { message: expect.stringMatching(/create: timed out after 100 ms/) },
    });
    expect(done).toMatchObject({ status: 'fulfilled' });
    expect(await here.read('in time')).toBeDefined();
    expect(await here.read('late')).toBeUndefined();
  });

  it('receives the calls of a tick in one message, and each call once', async () => {
    const messages: unknown[][] = [];
    const listen = (_: Worker, message: [string, string, string, unknown[][]]) => {
      if (message[0] === TAG) messages.push(message[3].map(([id]) => id));
    };
    cluster.on('message', listen);
    const counts = store.countInTicks(20);
    freeze(200);
    expect(await counts).toEqual(Array(40).fill(0));
    cluster.off('message', listen);
    expect(messages.length).toBe(20);
    expect(new Set(messages.flat()).size).toBe(40);
    expect(messages.flat().length).toBe(40);
  });

  it('does not affect a worker that closed its store meanwhile', async () => {
    const calls = [store.create(aRecord('k')), store.close()];
    freeze(100);
    const [rejected, closed] = await Promise.allSettled(calls);
    expect(rejected).toMatchObject({
      reason: { message: expect.stringMatching(/create: the store was closed/) },
    });
    expect(closed).toMatchObject({ status: 'fulfilled' });
    await store.open();
    expect(await store.count()).toBe(await here.count());
  });
});

describe('messages of other code', () => {
  const strangers: unknown[] = [
    'text',
    7,
    null,
    [],
    {},
    { cmd: 'x', calls: [[1]] },
    ['nestjs-session-stores/cluster/2', 'x', 'sessions', [[1, 9e15, 'clear', true, []]]],
    ['nestjs-session-stores/cluster/2'],
    { 0: TAG, 1: 'x', 2: 'sessions', 3: [[1, 9e15, 'clear', true, []]] },
  ];
  const malformed: unknown[] = [
    [TAG, 'x'],
    [TAG, 'x', 'sessions'],
    [TAG, 7, 'sessions', []],
    [TAG, 'x', null, [[1, 9e15, 'clear', true, []]]],
    [TAG, 7, []],
    [TAG, 'x', [[1, true]]],
  ];
  const badCalls: unknown[] = [
    null,
    5,
    'clear',
    [],
    [1],
    ['x', 9e15],
    [1, 9e15, 'constructor'],
    [1, 9e15, 'read'],
    [1, 9e15, 'create'],
    [1, 9e15, 'create', ['k2', 'p', 1, 'never', [], []]],
    [1, 9e15, 'create', ['k2', 'p', 1, 8e15, [7], []]],
    [1, 9e15, 'create', ['k2', 'p', 1, 8e15, [], ['name']]],
    [1, 9e15, 'update', 'k', null],
    [1, 9e15, 'update', 'k', { expiresAt: '1' }],
    [1, 9e15, 'update', 'k', { join: 'h' }],
    [1, 9e15, 'rotate', 'k', 'p'],
    [1, 9e15, 'destroy', { k: 1 }],
    [1, 9e15, 'page', true, 0, 1e9],
    [1, 9e15, 'count', { $ne: null }],
    [1, 9e15, 'clear'],
    [1, 9e15, 'clear', null, []],
    [1, 9e15, 'clear', true, 5],
    [1, 9e15, 'watch'],
    [1, 9e15, 'watch', {}],
    [1, 9e15, 'probe', 7],
    [1, 9e15, 'unwatch', null],
    [1, 'later', 'clear', true, []],
  ];

  it('are ignored by the primary, as are malformed ones', async () => {
    const record = aRecord('k', { groups: ['g'] });
    await here.create(record);
    const before = await here.read('k');
    const heard: unknown[] = [];
    const listen = (message: unknown) => heard.push(message);
    worker.on('message', listen);
    const calls = [TAG, 'x', 'sessions', badCalls];
    const messages = [...strangers, ...malformed, calls];
    for (const message of messages.filter((some) => some !== null)) store.say(message);
    expect(await store.count()).toBe(1);
    worker.off('message', listen);
    expect(heard).toEqual(expect.arrayContaining(strangers.slice(0, 2)));
    expect(await here.read('k')).toBe(before);
    expect(await here.count('g')).toBe(1);
  });

  it('are ignored by a worker, as are malformed ones', async () => {
    const seen = once(cluster, 'message') as Promise<[Worker, unknown[]]>;
    const count = store.count();
    const [, [, to]] = await seen;
    const replies = [null, 5, 'x', [], ['x', 1], [{}], [-1, 7], [9e9, 7, 'problem']];
    const bad = [
      [TAG, to],
      [TAG, to, 5],
      [TAG, to, replies],
    ];
    for (const message of [...strangers, ...malformed, ...bad])
      if (message !== null) worker.send(message as object);
    expect(await count).toBe(0);
    await store.create(aRecord('k'));
    expect(await store.read('k')).toMatchObject({ id: 'k' });
  });
});

describe('an error in the primary', () => {
  it('fails only the call that caused it', async () => {
    const received: unknown[] = [];
    worker.send = ([, , replies]: [string, string, unknown[]]) => received.push(...replies) > 0;
    const deadline = Date.now() + 1000;
    const calls = [
      [1, deadline, 'count', true],
      [2, deadline, 'update', 'k', { expiresAt: '1' }],
      [3, deadline, 'count', true],
    ];
    cluster.emit('message', worker, [TAG, 'x', 'sessions', calls]);
    await eventually(() => received.length === 3);
    expect(received).toEqual([
      [1, 0],
      [2, null, expect.stringMatching(/TypeError: expiresAt must be/)],
      [3, 0],
    ]);
  });

  it('reaches the caller as a SessionStoreError with its cause', async () => {
    await here.create(aRecord('k'));
    const broken = cluster.listeners('message').at(-1) as (worker: Worker, message: object) => void;
    cluster.off('message', broken);
    const spoil = (from: Worker, message: [string, string, string, unknown[][]]) => {
      for (const call of message[3] ?? []) if (call[2] === 'update') call[4] = { expiresAt: '1' };
      broken(from, message);
    };
    cluster.on('message', spoil);
    try {
      const [update, read] = await Promise.allSettled([
        store.update({ ...aRecord('k') }, {}),
        store.read('k'),
      ]);
      expect(update).toMatchObject({
        reason: {
          name: 'SessionStoreError',
          message: expect.stringMatching(/^\[session:cluster\] update: the primary failed/),
          cause: expect.stringMatching(/expiresAt must be/),
        },
      });
      expect(read).toMatchObject({ status: 'fulfilled', value: { id: 'k' } });
    } finally {
      cluster.off('message', spoil);
      cluster.on('message', broken);
    }
  });
});

describe('two copies of the package', () => {
  it('in one worker share the sessions of the primary', async () => {
    const copy = await copyOfPackage();
    try {
      const copied = new WorkerStore(worker, {}, copy.url);
      await copied.open();
      await copied.create(aRecord('k'));
      expect(await store.read('k')).toMatchObject({ id: 'k' });
      await store.update(aRecord('k'), { set: { b: '2' } });
      expect((await copied.read('k'))?.data).toEqual({ __proto__: null, a: '1', b: '2' });
      await copied.close();
      expect(await store.count()).toBe(1);
    } finally {
      await copy.remove();
    }
  });
});
