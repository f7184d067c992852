import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { startRedis, startRedisCluster, startRedisSentinel } from '../servers/redis.mjs';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import { Endings } from '../stores/endings.js';
import { FeedLedger } from '../stores/feed.ledger.js';
import { expectNothingSkippedWhileStopped } from '../stores/stopped.watcher.js';
import { SlotMove } from './slot.move.js';

const { url } = inject('redis');
const shared = { host: new URL(url).hostname, port: Number(new URL(url).port) };
const isLong = process.env['LONG'] !== undefined;

/** An open store with a prefix. Closed after the test. */
async function aStore(options: RedisStoreOptions): Promise<RedisStore> {
  const store = new RedisStore({ timeout: 1000, ...options });
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

/** A watch of one store, while another one with the same prefix writes. */
async function watching({ watched, writer }: { watched: RedisStoreOptions; writer: RedisStoreOptions }) {
  const prefix = `${randomUUID()}:`;
  const ledger = await FeedLedger.of(await aStore({ prefix, ...watched }));
  return {
    prefix,
    ledger,
    endings: new Endings(await aStore({ prefix, ...writer }), [ledger]),
  };
}

async function aClient(address = url): Promise<Redis> {
  const client = new Redis(address);
  onTestFinished(() => client.disconnect());
  return client;
}

describe('the feed of a Redis store', () => {
  it('leaves no key three seconds after the last watch, and none while nobody watches', async () => {
    const client = await aClient();
    const { prefix, ledger, endings } = await watching({ watched: { url }, writer: { url } });
    const keys = () => client.keys(`${prefix}{18}:feed`);
    expect(await keys()).toHaveLength(1);
    ledger.close();
    await eventually(async () => (await keys()).length === 0);
    await endings.end();
    expect(await keys()).toEqual([]);
  });

  it('announces nothing of a session that is only created, read or touched forward', async () => {
    const prefix = `${randomUUID()}:`;
    const store = await aStore({ url, prefix });
    const ledger = await FeedLedger.of(store);
    const record = aRecord('k', { expiresAt: Date.now() + 60_000 });
    await store.create(record);
    await store.read('k');
    await store.update(record, {});
    await store.update(record, { touch: { from: record.expiresAt, to: record.expiresAt + 60_000 } });
    await ledger.complete();
    expect(ledger.events).toEqual([{ type: 'live' }]);
  });

  it('is lost when another program flushes the database, also if many changes follow at once', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const { ledger, endings } = await watching({ watched: { url: server.url }, writer: { url: server.url } });
    const client = await aClient(server.url);
    await endings.end();
    await client.flushall();
    for (let more = 0; more < 5; more++) await endings.end();
    await ledger.expectNothingSkipped();
    expect(ledger.losses).toHaveLength(1);
  });

  it('is lost when an announcement does not arrive', async () => {
    const client = await aClient();
    const { prefix, ledger } = await watching({ watched: { url }, writer: { url } });
    await client.incr(`${prefix}{18}:feed`);
    await ledger.complete();
    await eventually(() => ledger.losses.length === 1);
    expect(ledger.losses[0]).toMatch(/within 1000 ms/);
  });

  it('is lost at once when the connection is cut, and live again after it', async () => {
    const proxy = await RedisProxy.to(shared);
    onTestFinished(() => proxy.close());
    const { ledger } = await watching({ watched: { url: proxy.url }, writer: { url } });
    proxy.cutAll();
    await eventually(() => ledger.losses.length === 1, { within: 500 });
    await ledger.expectNothingSkipped();
    expect(ledger.course.slice(0, 3)).toEqual(['live', 'lost', 'live']);
  });

  it.each([
    { title: 'PUBLISH', rights: ['-publish'], problem: /the user may not run PUBLISH.*\+publish/ },
    {
      title: 'its channels',
      rights: ['resetchannels'],
      problem: /the user may not use the channels of the store/,
    },
  ])(
    'is refused to a user without the right to use $title, who may still use sessions',
    async ({ rights, problem }) => {
      const client = await aClient();
      const username = randomUUID();
      await client.acl('SETUSER', username, 'on', '>p', '~*', '&*', '+@all', ...rights);
      const store = await aStore({
        url,
        prefix: `${randomUUID()}:`,
        redisOptions: { username, password: 'p' },
      });
      expect(store.capabilities.feed).toMatch(problem);
      await expect(store.watch(() => {})).rejects.toThrow(problem);
      await store.create(aRecord('k'));
      expect(await store.destroy('k')).toBe(true);
    },
  );

  it('notices changes by a user who may not announce them', async () => {
    const client = await aClient();
    const username = randomUUID();
    await client.acl('SETUSER', username, 'on', '>p', '~*', '&*', '+@all', '-publish');
    const { ledger, endings } = await watching({
      watched: { url },
      writer: { url, redisOptions: { username, password: 'p' } },
    });
    await endings.end();
    await ledger.expectNothingSkipped();
    expect(ledger.losses).toHaveLength(1);
  });

  it('rejects a watch with the missing right to subscribe', async () => {
    const client = await aClient();
    const username = randomUUID();
    await client.acl('SETUSER', username, 'on', '>p', '~*', '&*', '+@all', '-subscribe');
    const store = await aStore({
      url,
      prefix: `${randomUUID()}:`,
      redisOptions: { username, password: 'p' },
    });
    await expect(store.watch(() => {})).rejects.toThrow(/the user may not run SUBSCRIBE.*\+subscribe/);
  });
});

describe.runIf(isLong)('the feed of a Redis store skips nothing without saying that it is lost', () => {
  it('while the server is frozen', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const { ledger, endings } = await watching({ watched: { url: server.url }, writer: { url: server.url } });
    for (const time of [300, 900, 1500, 4000]) {
      await server.freeze();
      await endings.during(wait(time).then(() => server.thaw()));
      await endings.during(wait(300));
      await ledger.expectNothingSkipped();
    }
  });

  it('while one connection at a time is cut', async () => {
    const proxy = await RedisProxy.to(shared);
    onTestFinished(() => proxy.close());
    const { ledger, endings } = await watching({ watched: { url: proxy.url }, writer: { url } });
    for (let round = 0; round < 10; round++) {
      const cut = proxy.cut({ command: 1 + (round % 3) });
      await endings.during(cut);
      await ledger.expectNothingSkipped();
    }
    expect(ledger.losses.length).toBeGreaterThan(0);
  });

  it('through a failover of Sentinels', { timeout: 120_000 }, async () => {
    const set = await startRedisSentinel();
    onTestFinished(() => set.stop());
    const sentinels = set.sentinels.map(({ host, port }) => ({ host, port }));
    const options = { redisOptions: { name: set.name, sentinels } };
    const { ledger, endings } = await watching({ watched: options, writer: options });
    await endings.during(set.primary.kill().then(() => untilWritable(endings)));
    await ledger.expectNothingSkipped();
    expect(ledger.losses.length).toBeGreaterThan(0);
  });

  it('while a node of a Cluster is killed and replaced', { timeout: 120_000 }, async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    const options = { cluster: { nodes: addresses(cluster.nodes) } };
    const { ledger, endings } = await watching({ watched: options, writer: options });
    await endings.during(wait(300));
    await ledger.expectNothingSkipped();
    expect(ledger.losses).toEqual([]);
    const gone = cluster.primaries[0]!.kill();
    await endings.during(gone.then(() => eventually(() => ledger.losses.length > 0)));
    await endings.during(ledger.complete(60_000));
    await ledger.expectNothingSkipped();
  });

  it('while the slots of its shards move to other nodes', { timeout: 120_000 }, async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    const options = { cluster: { nodes: addresses(cluster.nodes) } };
    const { ledger, endings } = await watching({ watched: options, writer: options });
    for (const slot of [511, 1535, 511, 6655]) {
      const move = await SlotMove.begin(slot, cluster.primaries);
      await endings.during(wait(200));
      await endings.during(move.finish());
      await endings.during(wait(200));
      await ledger.expectNothingSkipped();
    }
    expect(ledger.losses.length).toBeGreaterThan(0);
  });

  it('while its own process is stopped', async () => {
    const prefix = `${randomUUID()}:`;
    const writer = await aStore({ url, prefix });
    await expectNothingSkippedWhileStopped('redis', { url, prefix }, writer);
  });
});

function untilWritable(endings: Endings): Promise<unknown> {
  return eventually(() => endings.end(), { within: 60_000 });
}

function addresses(nodes: { host: string; port: number }[]): { host: string; port: number }[] {
  return nodes.map(({ host, port }) => ({ host, port }));
}
