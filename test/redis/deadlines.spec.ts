import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { NEVER, type SessionRecord } from 'nestjs-session-stores/store';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { call } from '../servers/redis.mjs';
import { agreement } from './agreement.js';
import { callsOf, failInTime } from './calls.js';
import { ownServer } from './own.server.js';

const { server, direct } = await ownServer();
let prefix: string;
beforeEach(() => {
  prefix = randomUUID();
});

async function opened(options: RedisStoreOptions = {}): Promise<RedisStore> {
  const store = new RedisStore({ ...(options.client ? {} : { url: server.url }), prefix, ...options });
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

/** How many scripts the server received, including rejected ones. */
async function scriptsRun(): Promise<number> {
  const stats = await call(server.url, 'INFO', 'commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

describe.each(['url', 'client'] as const)('a frozen server with a store of a %s', (kind) => {
  it('makes every call fail in time, and runs none of them later', async () => {
    const client = kind === 'client' ? new Redis(server.url) : undefined;
    client?.on('error', () => {});
    onTestFinished(() => client?.disconnect());
    const late = await opened({ timeout: 300, ...(client && { client }) });
    const other = await opened();
    const records = Array.from({ length: 8 }, (_, at) => aRecord(`k${at}`, { groups: ['g'] }));
    for (const record of records) await other.create(record);
    // The server already has all scripts, so that the calls need no second command.
    for (const record of records) await other.read(record.id);
    await warm(other);
    const before = await agreement(other, [direct], prefix);
    const run = await scriptsRun();

    await server.freeze();
    const errors = await failInTime(callsOf(late, records[0] as SessionRecord), 300).finally(() =>
      server.thaw(),
    );
    for (const { message } of Object.values(errors)) {
      expect(message).toContain('timed out after 300 ms. Is the server reachable');
    }
    // The six scripts that were sent arrive.
    await eventually(async () => (await scriptsRun()) >= run + 6);
    expect(await agreement(other, [direct], prefix)).toEqual(before);

    // The store works again by itself.
    await eventually(async () => (await late.read('k0')) !== undefined);
    await eventually(() => late.create(aRecord('k9')));
    expect(await late.destroy('k0')).toBe(true);
  });
});

/** Runs each script once, so that the server has it. */
async function warm(store: RedisStore): Promise<void> {
  const record = aRecord(randomUUID());
  await store.create(record);
  await store.update(record, {});
  await store.rotate(record, record.secretHash, 'next', 0);
  await store.destroy(record.id);
  await store.regenerate(record.id);
  await store.haveEnded([record.id]);
  await store.page({ limit: 1 });
  await store.count('nobody');
  await store.clear('empty');
}

it('works although the server forgets the scripts between any two calls', async () => {
  const store = await opened();
  const record = aRecord('k', { groups: ['g'] });
  const results: unknown[] = [];
  for (const step of [
    () => store.create(record),
    () => store.update(record, { set: { b: '2' }, join: ['h'] }),
    () => store.rotate(record, record.secretHash, 'next', 1000),
    () => store.count(),
    () => store.count('h'),
    () => store.page({ limit: 10 }).then((page) => page.records.length),
    () => store.clear('h'),
    () => store.destroy('k'),
    () => store.haveEnded(['k']),
    () => store.regenerate('k'),
  ]) {
    await direct.script('FLUSH');
    results.push(await step());
  }
  expect(results).toEqual([
    true,
    { expiresAt: record.expiresAt, secretHash: 'secretHash' },
    'next',
    1,
    1,
    1,
    1,
    false,
    true,
    false,
  ]);
});

describe('nodes whose clocks are a minute fast and a minute slow', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('run all operations, and use the time of the server to decide which sessions have expired', async () => {
    const fast = await opened();
    const slow = await opened();
    const nodes = [
      [fast, 60_000],
      [slow, -60_000],
    ] as const;
    /** Runs `work` with the clock of the node. */
    const as = async <T>([store, off]: (typeof nodes)[number], work: (on: RedisStore) => Promise<T>) => {
      vi.useRealTimers();
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + off });
      try {
        return await work(store);
      } finally {
        vi.useRealTimers();
      }
    };
    const [seconds, micros] = (await direct.time()) as unknown as [number, number];
    const now = Math.floor(Number(seconds) * 1000 + Number(micros) / 1000);
    for (const [at, node] of nodes.entries()) {
      const other = nodes[1 - at] as (typeof nodes)[number];
      const id = `k${at}`;
      // By the fast node's clock it expired half a minute ago, by the slow one's it has long to live.
      const record = aRecord(id, { groups: ['g'], expiresAt: now + 30_000 });
      await as(node, (store) => store.create(record));
      for (const reader of nodes) {
        expect(await as(reader, (store) => store.read(id))).toMatchObject({ expiresAt: now + 30_000 });
        expect(await as(reader, (store) => store.count('g'))).toBe(at + 1);
      }
      expect(await as(other, (store) => store.update(record, { set: { b: '2' } }))).toBeDefined();
      expect(await as(other, (store) => store.rotate(record, 'secretHash', 'next', 5000))).toBe('next');
      // `replacedAt` is in the server's time, by which the grace is judged.
      const { previous } = (await as(node, (store) => store.read(id))) as SessionRecord;
      expect(Math.abs((previous?.replacedAt ?? 0) - now)).toBeLessThan(20_000);
      expect((await as(node, (store) => store.page({ group: 'g', limit: 10 }))).records.length).toBe(at + 1);

      const gone = aRecord(`gone ${id}`, { expiresAt: now + 500 });
      await as(node, (store) => store.create(gone));
      await eventually(async () => (await as(other, (store) => store.read(gone.id))) === undefined);
      expect(await as(node, (store) => store.read(gone.id))).toBeUndefined();
      expect(await as(node, (store) => store.update(gone, { expiresAt: NEVER }))).toBeUndefined();
    }
    expect(await as(nodes[0], (store) => store.destroy('k1'))).toBe(true);
    expect(await as(nodes[1], (store) => store.clear())).toBe(1);
  });
});
