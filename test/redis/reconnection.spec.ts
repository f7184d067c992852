import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { describe, expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { call, startRedis, startRedisCluster, startRedisSentinel } from '../servers/redis.mjs';
import type { Server } from '../servers/server.mjs';

const LONG = process.env['LONG'] !== undefined;
/** After this time, ioredis pauses for three seconds between its attempts by default. */
const OUTAGE = 4_500;

interface Backend {
  /** The servers that are all down for a while. */
  servers: Server[];
  options: RedisStoreOptions;
  /** Whether the servers serve sessions again. */
  isBack?(): Promise<boolean>;
  stop(): Promise<void>;
}

async function single(optionsFor: (url: string) => RedisStoreOptions): Promise<Backend> {
  const server = await startRedis();
  const options = optionsFor(server.url);
  const stop = async () => {
    options.client?.disconnect();
    await server.stop();
  };
  options.client?.on('error', () => {});
  return { servers: [server], options, stop };
}

async function cluster(): Promise<Backend> {
  const { nodes, stop } = await startRedisCluster();
  return {
    servers: nodes,
    options: { cluster: { nodes: nodes.map(({ host, port }) => ({ host, port })) } },
    // A node that was down rejects commands for two seconds after its return.
    isBack: async () => {
      const infos = await Promise.all(nodes.map(({ url }) => call(url, 'CLUSTER', 'INFO')));
      return infos.every((info: string) => info.includes('cluster_state:ok'));
    },
    stop,
  };
}

/** With Sentinels that stay and keep naming a primary that is down. */
async function sentinel(): Promise<Backend> {
  const { name, primary, replica, sentinels, stop } = await startRedisSentinel();
  const redisOptions = { name, sentinels: sentinels.map(({ host, port }) => ({ host, port })) };
  return { servers: [replica, primary], options: { redisOptions }, stop };
}

const others: [name: string, start: () => Promise<Backend>][] = [
  ['a URL', () => single((url) => ({ url }))],
  ['a client of ioredis 5', () => single((url) => ({ client: new Redis5(url) as unknown as Redis }))],
  ['a Cluster', cluster],
  ['Sentinels', sentinel],
];

const backends: [name: string, start: () => Promise<Backend>][] = [
  ['a client', () => single((url) => ({ client: new Redis(url) }))],
  ...(LONG ? others : []),
];

describe.concurrent('a server that was down for seconds', () => {
  it.each(backends)(
    'is used again within a second of its return (%s)',
    async (_, start) => {
      const { servers, options, isBack, stop } = await start();
      const store = new RedisStore({ ...options, prefix: randomUUID(), timeout: 1000 });
      try {
        await store.open();
        await store.create(aRecord('k'));
        await Promise.all(servers.map((server) => server.kill()));
        await wait(OUTAGE);
        await Promise.all(servers.map((server) => server.start()));
        if (isBack) await eventually(isBack);
        const ids = Array.from({ length: 32 }, () => randomUUID());
        const begun = performance.now();
        // In a Cluster, each primary has some of them.
        await eventually(() => Promise.all(ids.map((id) => store.create(aRecord(id)))));
        await eventually(() => Promise.all(ids.map((id) => store.read(id))));
        expect(performance.now() - begun).toBeLessThan(1000);
      } finally {
        await store.close();
        await stop();
      }
    },
    60_000,
  );
});
