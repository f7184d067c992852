import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Controller, Get, Module, Post, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { Session, SessionModule, SessionStoreError } from 'nestjs-session-stores';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually, firstAnswer } from '../eventually.js';
import { Browser } from '../http/browser.js';
import { call, startRedis, startRedisCluster, startRedisSentinel } from '../servers/redis.mjs';
import type { Server } from '../servers/server.mjs';
import { callsOf, failInTime } from './calls.js';

const TIMEOUT = 400;
/** How long a failover may take on a busy machine. */
const FAILOVER = { within: 25_000 };

/** Runs `work` with an open store, and closes it. */
async function withStore(options: RedisStoreOptions, work: (store: RedisStore) => Promise<void>) {
  const store = new RedisStore({ prefix: randomUUID(), timeout: TIMEOUT, ...options });
  await store.open();
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

/** Waits for replication, because Redis replicates after its reply, and loses the rest with the primary. */
async function replicated(primary: Server, replica: Server): Promise<void> {
  const offset = /master_repl_offset:(\d+)/.exec(await call(primary.url, 'INFO', 'replication'))?.[1];
  await eventually(async () => {
    const has = /slave_repl_offset:(\d+)/.exec(await call(replica.url, 'INFO', 'replication'))?.[1];
    return Number(has) >= Number(offset);
  });
}

describe.concurrent('one server', () => {
  it.each(['url', 'client'] as const)(
    'that is killed, restarted empty and frozen makes calls fail in time, and then works again (%s)',
    async (kind) => {
      const server = await startRedis();
      const client = kind === 'client' ? new Redis(server.url) : undefined;
      client?.on('error', () => {});
      try {
        await withStore(client ? { client } : { url: server.url }, async (store) => {
          const record = aRecord('k', { groups: ['g'] });
          await store.create(record);

          await server.kill();
          // Waits until the client has noticed the end of the connection.
          await eventually(async () => !(await store.create(aRecord('probe')).catch(() => false)));
          const firstErrors = await failInTime(callsOf(store, record), TIMEOUT);
          await eventually(async () => {
            const errors = await failInTime(callsOf(store, record), TIMEOUT);
            for (const { cause } of Object.values(errors)) {
              expect(cause).toMatchObject({ code: 'ECONNREFUSED' });
            }
          });
          expect(firstErrors['create']?.message).toMatch(/no connection to the server\. Is Redis running/);

          await server.start({ empty: true });
          await eventually(() => store.create(record));
          expect(await firstAnswer(() => store.read('k'))).toBeDefined();
          expect(await firstAnswer(() => store.count('g'))).toBe(1);

          await server.freeze();
          await failInTime(callsOf(store, record), TIMEOUT);
          await failInTime(callsOf(store, record), TIMEOUT);
          await server.thaw();
          await eventually(() => store.update(record, { set: { c: '3' } }));
          const thawed = await firstAnswer(() => store.read('k'));
          expect(thawed?.data).toEqual({ __proto__: null, a: '1', c: '3' });
          await eventually(() => store.destroy('k'));
        });
      } finally {
        client?.disconnect();
        await server.stop();
      }
    },
  );
});

describe.concurrent('a connection that no longer delivers anything', () => {
  it.each([
    ['a URL', undefined],
    ['a client', (url: string) => new Redis(url)],
    ['a client of ioredis 5', (url: string) => new Redis5(url) as unknown as Redis],
  ] as const)('is replaced by a new one (%s)', async (_, clientOf) => {
    const { hostname, port } = new URL(inject('redis').url);
    const sockets: Socket[] = [];
    const door = createServer((socket) => {
      const to = connect(Number(port), hostname);
      sockets.push(socket, to);
      for (const one of [socket, to]) one.on('error', () => {});
      socket.pipe(to).pipe(socket);
    });
    await once(door.listen(0, '127.0.0.1'), 'listening');
    const url = `redis://127.0.0.1:${(door.address() as AddressInfo).port}`;
    const client = clientOf?.(url);
    client?.on('error', () => {});
    try {
      await withStore(client ? { client } : { url }, async (store) => {
        // As when a firewall drops the connection silently: neither end notices.
        for (const socket of sockets) socket.unpipe().pause();
        const create = () => store.create(aRecord(randomUUID()));
        await failInTime({ create }, TIMEOUT);
        await eventually(create);
        expect(await firstAnswer(() => store.read('unknown'))).toBeUndefined();
        expect(await firstAnswer(() => store.clear())).toBe(1);
      });
    } finally {
      client?.disconnect();
      for (const socket of sockets) socket.destroy();
      door.close();
    }
  });
});

describe.concurrent('a primary with Sentinels', () => {
  it.each([
    ['is killed', 'kill', 'own'],
    ['is frozen', 'freeze', 'own'],
    ['is frozen', 'freeze', 'client'],
  ] as const)(
    'that %s is replaced by its replica (%s, %s), and destroyed sessions stay destroyed',
    async (_, how, kind) => {
      const all = await startRedisSentinel();
      // A Sentinel that does not respond must not keep the store from asking the next.
      const [first, second, frozen] = all.sentinels as [Server, Server, Server];
      const redisOptions = {
        name: all.name,
        sentinels: [frozen, first, second].map(({ host, port }) => ({ host, port })),
      };
      // A client that is handed in needs the timeouts that the store sets for its own.
      const client =
        kind === 'client'
          ? new Redis({ ...redisOptions, socketTimeout: TIMEOUT, sentinelCommandTimeout: TIMEOUT })
          : undefined;
      client?.on('error', () => {});
      try {
        await withStore(client ? { client } : { redisOptions }, async (store) => {
          const record = aRecord('k', { groups: ['g'] });
          await store.create(record);
          await store.create(aRecord('gone', { groups: ['g'] }));
          expect(await store.destroy('gone')).toBe(true);
          await replicated(all.primary, all.replica);

          if (kind === 'own' && how === 'kill') await frozen.freeze();
          await all.primary[how]();
          const calls = callsOf(store, record);
          await failInTime(
            { read: calls['read']!, update: calls['update']!, count: calls['count']! },
            TIMEOUT,
          );
          await eventually(() => store.create(aRecord('after', { groups: ['g'] })), FAILOVER);
          expect(await call(all.replica.url, 'INFO', 'replication')).toContain('role:master');
          // Each Sentinel announces the failover, and the driver connects again when it first hears of it.
          expect(await firstAnswer(() => store.read('k'))).toBeDefined();
          expect(await firstAnswer(() => store.read('gone'))).toBeUndefined();
          expect(await firstAnswer(() => store.count('g'))).toBe(2);
          await firstAnswer(() => store.destroy('k'));

          if (how === 'freeze') {
            // The former primary considers itself primary until a Sentinel demotes it. It must not be used again.
            await all.primary.thaw();
            await eventually(async () => (await call(all.primary.url, 'PING')) === 'PONG');
            expect(await firstAnswer(() => store.read('k'))).toBeUndefined();
            await firstAnswer(() => store.destroy('after'));
            expect(await firstAnswer(() => store.count('g'))).toBe(0);
          }
        });
      } finally {
        client?.disconnect();
        for (const node of all.nodes) await node.thaw();
        await all.stop();
      }
    },
    60_000,
  );
});

describe.concurrent('a node of a Cluster', () => {
  it('that is killed is replaced by its replica, calls end in time, and destroyed sessions stay destroyed', async () => {
    const cluster = await startRedisCluster();
    try {
      const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
      await withStore({ cluster: { nodes } }, async (store) => {
        const records = Array.from({ length: 48 }, (_, at) => aRecord(`k${at}`, { groups: ['g'] }));
        await Promise.all(records.map((record) => store.create(record)));
        const gone = records.slice(0, 24);
        await Promise.all(gone.map((record) => store.destroy(record.id)));
        const first = cluster.primaries[0] as Server;
        await replicated(first, cluster.replica);

        await first.kill();
        const begun = performance.now();
        const outcomes = await Promise.allSettled(records.map((record) => store.read(record.id)));
        expect(performance.now() - begun).toBeLessThan(TIMEOUT + 1000);
        // Sessions on the other nodes can be read until the Cluster notices that a part is missing.
        expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
        for (const outcome of outcomes) {
          if (outcome.status === 'fulfilled') continue;
          expect(outcome.reason).toBeInstanceOf(SessionStoreError);
          expect(outcome.reason).toMatchObject({ operation: 'read', cause: expect.any(Error) });
        }

        await eventually(async () => (await store.count('g')) === 24, FAILOVER);
        for (const { id } of gone) expect(await firstAnswer(() => store.read(id))).toBeUndefined();
        for (const { id } of records.slice(24)) expect(await firstAnswer(() => store.read(id))).toBeDefined();
        expect(await firstAnswer(() => store.clear('g'))).toBe(24);
      });
    } finally {
      await cluster.stop();
    }
  }, 60_000);
});

describe.concurrent('a Nest app', () => {
  it('responds with 503 while the server is unreachable, and works again afterwards without a restart', async () => {
    const server = await startRedis();
    const app = await nestApp(
      new RedisStore({ url: server.url, timeout: TIMEOUT, redisOptions: { retryStrategy: () => 50 } }),
    );
    try {
      const browser = new Browser((await app.getUrl()).replace('[::1]', '127.0.0.1'));
      expect((await browser.post('/count')).text).toBe('1');
      expect((await browser.get('/count')).text).toBe('1');

      await server.freeze();
      const frozen = await browser.get('/count');
      expect(frozen).toMatchObject({ status: 503, headers: { 'retry-after': expect.any(String) } });
      expect(frozen.text).not.toMatch(/redis|127\.0\.0\.1/i);
      await server.thaw();
      await eventually(async () => (await browser.post('/count')).text === '2');

      await server.kill();
      expect((await browser.get('/count')).status).toBe(503);
      expect((await browser.post('/count')).status).toBe(503);
      const stranger = new Browser(browser.url);
      expect((await stranger.post('/count')).status).toBe(503);
      expect(stranger.cookies.size).toBe(0);

      await server.start({ empty: true });
      await eventually(async () => (await browser.post('/count')).text === '1');
      expect((await browser.post('/count')).text).toBe('2');
    } finally {
      await app.close();
      await server.stop();
    }
  });
});

@Controller('count')
class CountController {
  @Post()
  up(@Session() session: Record<string, unknown>): string {
    return String((session['count'] = Number(session['count'] ?? 0) + 1));
  }

  @Get()
  count(@Session() session: Record<string, unknown>): string {
    return String(session['count']);
  }
}

async function nestApp(store: RedisStore): Promise<INestApplication> {
  @Module({
    imports: [SessionModule.forRoot({ secret: 'outage', store })],
    controllers: [CountController],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  return app;
}
