import { randomUUID } from 'node:crypto';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import { ownServer } from './own.server.js';

const { server } = await ownServer();

const MIB = 1024 * 1024;
const data = { large: JSON.stringify('x'.repeat(MIB)) };

async function opened(options: RedisStoreOptions): Promise<RedisStore> {
  const store = new RedisStore({ prefix: randomUUID(), ...options });
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

it('a page receives about four MiB, and the remaining sessions follow on the next ones', async () => {
  const proxy = await RedisProxy.to(server);
  onTestFinished(() => proxy.close());
  const store = await opened({ url: proxy.url });
  const ids = Array.from({ length: 12 }, (_, at) => `k${at}`);
  for (const id of ids) await store.create(aRecord(id, { groups: ['g'], data }));
  const met: string[] = [];
  let after: string | undefined;
  do {
    proxy.reset();
    const { records, next }: Awaited<ReturnType<RedisStore['page']>> = await store.page({
      group: 'g',
      after,
      limit: 1000,
    });
    expect(proxy.counted().bytesToClients).toBeLessThan(4.1 * MIB);
    met.push(...records.map(({ id }) => id));
    after = next;
  } while (after !== undefined);
  expect(met).toEqual(ids);
  await store.clear();
});

it('a page over several shards of a Cluster has about four MiB in all', async () => {
  const store = await opened({ cluster: inject('redisCluster') });
  const ids = Array.from({ length: 12 }, () => randomUUID());
  for (const id of ids) await store.create(aRecord(id, { groups: ['g'], data }));
  const met: string[] = [];
  let after: string | undefined;
  do {
    const { records, next }: Awaited<ReturnType<RedisStore['page']>> = await store.page({
      group: 'g',
      after,
      limit: 1000,
    });
    expect(records.length).toBeLessThanOrEqual(4);
    met.push(...records.map(({ id }) => id));
    after = next;
  } while (after !== undefined);
  expect(met.toSorted()).toEqual(ids.toSorted());
  await store.clear();
});
