import type { Worker } from 'node:cluster';
import { open, type FileHandle } from 'node:fs/promises';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import type { SessionStore } from 'nestjs-session-stores/store';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { aDirectory, openStore } from './kept.js';
import { WorkerStore, forkWorker, killWorker } from './worker.store.js';

let worker: Worker;
beforeAll(async () => {
  worker = await forkWorker();
});
afterAll(() => killWorker(worker));

/** The class of the files that the store writes. */
const files = await open(import.meta.filename).then(async (handle) => {
  await handle.close();
  return Object.getPrototypeOf(handle) as FileHandle;
});

/** Holds back a method of all files until `release` is called. `calls` is how often it has been called. */
function holdBack(method: 'write' | 'datasync') {
  const original = files[method] as () => Promise<never>;
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const spy = vi.spyOn(files, method).mockImplementation(async function held(this: FileHandle, ...args: []) {
    await released;
    return original.apply(this, args);
  });
  onTestFinished(() => {
    release();
    spy.mockRestore();
  });
  return { release, calls: () => spy.mock.calls.length };
}

const WRITES: [string, (store: SessionStore) => Promise<unknown>][] = [
  ['create', (store) => store.create(aRecord('b'))],
  ['update', (store) => store.update({ id: 'a' }, { join: ['g'] })],
  ['rotate', (store) => store.rotate({ id: 'a' }, 'secretHash', 'next', 0)],
  ['destroy', (store) => store.destroy('a')],
  ['regenerate', (store) => store.regenerate('a')],
  ['clear', (store) => store.clear('old')],
  ['add', (store) => store.update({ id: 'a' }, { add: { name: 'count', by: 1 } })],
  [
    'join with a limit',
    (store) => store.joinLimited({ id: 'a' }, { group: 'g', max: 1, whenFull: 'reject' }),
  ],
];

describe.each([
  ['process', 'write'],
  ['disk', 'datasync'],
] as const)("with the durability '%s'", (durability, method) => {
  async function aStore(): Promise<SessionStore> {
    const store = await openStore({ directory: await aDirectory(), durability });
    await store.create(aRecord('a', { groups: ['old'] }));
    return store;
  }

  async function aWorkerStore(): Promise<SessionStore> {
    const stop = serveSessions({ directory: await aDirectory(), durability });
    onTestFinished(() => stop());
    const store = new WorkerStore(worker);
    await store.open();
    await store.create(aRecord('a', { groups: ['old'] }));
    return store;
  }

  describe.each([
    ['a store', aStore],
    ['the store of a worker', aWorkerStore],
  ])('%s', (_, open_) => {
    it.each(WRITES)(`acknowledges a %s after a ${method}, and reads meanwhile`, async (_name, write) => {
      const store = await open_();
      const { release, calls } = holdBack(method);
      let isAcknowledged = false;
      const writing = write(store).then(() => (isAcknowledged = true));
      await eventually(() => calls() > 0);
      // Three calls that each go the same way as the write, and come back.
      for (let time = 0; time < 3; time++) await store.count();
      expect(isAcknowledged).toBe(false);
      release();
      await writing;
    });
  });

  it('a call that relies on a change which is being written is acknowledged with it', async () => {
    const store = await aStore();
    const { release, calls } = holdBack(method);
    const acknowledged: string[] = [];
    const rotating = store
      .rotate({ id: 'a' }, 'secretHash', 'next', 60_000)
      .then(() => acknowledged.push('winner'));
    await eventually(() => calls() > 0);
    // It learns the secret of the other, and writes nothing.
    const losing = store
      .rotate({ id: 'a' }, 'secretHash', 'other', 60_000)
      .then((hash) => acknowledged.push(hash!));
    for (let time = 0; time < 3; time++) await store.count();
    expect(acknowledged).toEqual([]);
    release();
    await Promise.all([rotating, losing]);
    expect(acknowledged).toEqual(['winner', 'next']);
  });
});

it("before each acknowledgement of 'disk', among 32 writers, the disk has what was written since the call", async () => {
  const store = await openStore({ directory: await aDirectory(), durability: 'disk' });
  const original = files.datasync;
  let begun = 0;
  let lastDone = 0;
  const spy = vi.spyOn(files, 'datasync').mockImplementation(async function counted(this: FileHandle) {
    const number = ++begun;
    await original.call(this);
    lastDone = number;
  });
  onTestFinished(() => spy.mockRestore());
  let early = 0;
  const writer = async (name: number) => {
    for (let turn = 0; turn < 20; turn++) {
      const begunBefore = begun;
      await store.create(aRecord(`${name} ${turn}`));
      if (lastDone <= begunBefore) early++;
    }
  };
  await Promise.all(Array.from({ length: 32 }, (_, name) => writer(name)));
  expect(early).toBe(0);
  // A batch for several writers.
  expect(begun).toBeLessThan(320);
});
