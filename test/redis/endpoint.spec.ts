import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { describe, expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually, firstAnswer } from '../eventually.js';
import { call, startRedis } from '../servers/redis.mjs';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import type { Server } from '../servers/server.mjs';
import { callsOf } from './calls.js';

/** How soon after a failover a store must have noticed it. */
const NOTICED = 2_000;

/** Two servers behind one address, as in a managed Redis. */
interface Endpoint {
  url: string;
  former: Server;
  present: Server;
  /** Over the connections to the former primary, which stay open, clients see the state before the failover. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

async function endpoint(): Promise<Endpoint> {
  const former = await startRedis();
  const present = await startRedis({ args: ['--replicaof', former.host, String(former.port)] });
  const proxy = await RedisProxy.to(former);
  await eventually(async () => /state=online/.test(await call(former.url, 'INFO', 'replication')));
  return {
    url: proxy.url,
    former,
    present,
    failOver: async () => {
      await eventually(async () => {
        const offset = /master_repl_offset:(\d+)/.exec(await call(former.url, 'INFO', 'replication'))?.[1];
        return (await call(present.url, 'INFO', 'replication')).includes(`slave_repl_offset:${offset}`);
      });
      proxy.pointTo(present);
      await call(present.url, 'REPLICAOF', 'NO', 'ONE');
      // It never reaches a primary, so that it keeps what it had.
      await call(former.url, 'REPLICAOF', '127.0.0.1', '1');
    },
    stop: async () => {
      await proxy.close();
      await Promise.all([former.stop(), present.stop()]);
    },
  };
}

const kinds: [name: string, options: (url: string) => RedisStoreOptions][] = [
  ['a URL', (url) => ({ url })],
  ['a client', (url) => ({ client: new Redis(url) })],
  ['a client of ioredis 5', (url) => ({ client: new Redis5(url) as unknown as Redis })],
];

/** Runs `work` with a store of the endpoint, and one of the new primary alone. */
async function afterFailover(
  optionsFor: (url: string) => RedisStoreOptions,
  prepare: (store: RedisStore) => Promise<void>,
  work: (store: RedisStore, present: RedisStore) => Promise<void>,
) {
  const at = await endpoint();
  const prefix = randomUUID();
  const options = optionsFor(at.url);
  options.client?.on('error', () => {});
  const store = new RedisStore({ ...options, prefix });
  const present = new RedisStore({ url: at.present.url, prefix });
  try {
    await store.open();
    await prepare(store);
    await at.failOver();
    await present.open();
    await work(store, present);
  } finally {
    await Promise.all([store.close(), present.close()]);
    options.client?.disconnect();
    await at.stop();
  }
}

describe.concurrent.each(kinds)('after a failover behind one address, a store of %s', (_, optionsFor) => {
  it('runs every operation on the new primary within two seconds', async () => {
    const record = aRecord('k', { groups: ['g'] });
    await afterFailover(
      optionsFor,
      (store) => store.create(record).then(() => {}),
      async (store, present) => {
        const begun = performance.now();
        for (const work of Object.values(callsOf(store, record))) await firstAnswer(work);
        expect(performance.now() - begun).toBeLessThan(NOTICED);
        await store.create(aRecord('k2'));
        expect(await present.read('k2')).toBeDefined();
      },
    );
  });

  it('that only reads shows no session that was destroyed since, after at most two seconds', async () => {
    await afterFailover(
      optionsFor,
      async (store) => {
        await store.create(aRecord('k'));
        expect(await store.read('k')).toBeDefined();
      },
      async (store, present) => {
        expect(await present.destroy('k')).toBe(true);
        const begun = performance.now();
        await eventually(async () => (await store.read('k')) === undefined, { within: NOTICED });
        expect(performance.now() - begun).toBeLessThan(NOTICED);
        expect((await eventually(() => store.page({ limit: 10 }))).records).toEqual([]);
      },
    );
  });
});

it.concurrent.each(['update', 'rotate', 'destroy', 'regenerate', 'haveEnded', 'count', 'clear'] as const)(
  'a store never gives a result of %s from a former primary',
  async (operation) => {
    const record = aRecord('new', { groups: ['g'] });
    await afterFailover(
      (url) => ({ url }),
      async (store) => {
        // Runs each script once, so that none of the calls below needs a second attempt.
        for (const work of Object.values(callsOf(store, aRecord('old')))) await work();
        await store.clear();
      },
      async (store, present) => {
        // The former primary has never had this session.
        await present.create(record);
        if (operation === 'regenerate' || operation === 'haveEnded') await present.destroy(record.id);
        const work = callsOf(store, record)[operation] as () => Promise<unknown>;
        const result = await firstAnswer(work);
        expect({ [operation]: result }).toEqual({
          [operation]: {
            update: { expiresAt: record.expiresAt, secretHash: record.secretHash },
            rotate: 'next',
            destroy: true,
            regenerate: false,
            haveEnded: true,
            count: 1,
            clear: 1,
          }[operation],
        });
      },
    );
  },
);

it.concurrent('a store refuses to open on a replica, and says so', async () => {
  const at = await endpoint();
  const store = new RedisStore({ url: at.present.url });
  try {
    await expect(store.open()).rejects.toThrow(
      /^\[session:redis\] open: the server is a replica\. Connect to the primary, or to the Sentinels$/,
    );
  } finally {
    await store.close();
    await at.stop();
  }
});
