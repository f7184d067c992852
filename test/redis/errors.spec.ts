import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { startRedis } from '../servers/redis.mjs';
import { cert, key } from './certificate.js';

/** A server with these arguments, a client of it, and a store that is not open. */
async function withServer(
  args: string[],
  work: (at: { store: RedisStore; direct: Redis; url: string }) => Promise<void>,
): Promise<void> {
  const server = await startRedis({ args });
  const direct = new Redis(server.url);
  const store = new RedisStore({ url: server.url });
  try {
    await work({ store, direct, url: server.url });
  } finally {
    await store.close();
    direct.disconnect();
    await server.stop();
  }
}

const create = (store: RedisStore) => store.create(aRecord('k'));

describe.concurrent('an error says what happened and what to do', () => {
  it('if the server cannot save to disk, where sessions can still be read', async () => {
    await withServer([], async ({ store, direct }) => {
      await store.open();
      await direct.config('SET', 'save', '3600 1');
      const [, folder] = (await direct.config('GET', 'dir')) as [string, string];
      await rm(folder, { recursive: true });
      await direct.bgsave();
      await eventually(async () => (await direct.info('persistence')).includes('rdb_last_bgsave_status:err'));
      await expect(create(store)).rejects.toThrow(
        /create: the server accepts no writes, .* Check its log and its disk$/,
      );
      expect(await store.read('k')).toBeUndefined();
      expect(await store.count()).toBe(0);
      expect(await store.destroy('k')).toBe(false);
      // A process that starts now can read and destroy sessions.
      const other = new RedisStore({ client: direct });
      await other.open();
      await other.close();
    });
  });

  it('if too few replicas are connected', async () => {
    await withServer(['--min-replicas-to-write', '1'], async ({ store }) => {
      await store.open();
      await expect(create(store)).rejects.toThrow(/too few replicas are connected\. Check them, or lower/);
      expect(await store.read('k')).toBeUndefined();
      expect(await store.count()).toBe(0);
      expect(await store.destroy('k')).toBe(false);
    });
  });

  it('if the server is busy with a slow script', async () => {
    await withServer(['--lua-time-limit', '10'], async ({ store, direct, url }) => {
      await store.open();
      const busy = new Redis(url);
      const endless = busy.eval('while true do end', 0).catch(() => {});
      try {
        await eventually(() =>
          expect(create(store)).rejects.toThrow(/create: the server is busy with a slow script\./),
        );
      } finally {
        await direct.script('KILL');
        await endless;
        busy.disconnect();
      }
    });
  });

  it('if the server requires a login', async () => {
    const server = await startRedis();
    const direct = new Redis(server.url);
    const store = new RedisStore({ url: server.url });
    try {
      await direct.config('SET', 'requirepass', 'secret');
      await expect(store.open()).rejects.toThrow(
        /open: the server requires a login\. Set user name and password$/,
      );
    } finally {
      await store.close();
      direct.disconnect();
      await server.stop();
    }
  });

  it('if the server has too many clients', async () => {
    await withServer([], async ({ store, direct }) => {
      await direct.config('SET', 'maxclients', '1');
      await expect(store.open()).rejects.toThrow(
        /open: 127\.0\.0\.1:\d+ closed the connection\. .* has it too many clients\?$/,
      );
    });
  });

  it('if the slots of a Cluster have no node', async () => {
    await withServer(['--cluster-enabled', 'yes'], async ({ store }) => {
      await expect(store.open()).rejects.toThrow(/open: the Redis Cluster does not serve all slots\./);
    });
  });

  it('if the server is still loading its data', async () => {
    const server = await startRedis({
      args: [
        '--key-load-delay',
        '50000',
        '--rdbcompression',
        'no',
        '--loading-process-events-interval-bytes',
        '1024',
      ],
    });
    const direct = new Redis(server.url);
    const store = new RedisStore({ url: server.url, timeout: 500 });
    try {
      await store.open();
      await direct.eval("for i = 1, 100 do redis.call('SET', i, string.rep('x', 2000)) end", 0);
      await direct.save();
      direct.disconnect();
      await server.kill();
      await server.start();
      await eventually(() =>
        expect(store.read('k')).rejects.toThrow(
          /read: the server is not ready\. Is it blocked, or still loading its data\?$/,
        ),
      );
      const late = new RedisStore({ url: server.url, timeout: 500 });
      await expect(late.open()).rejects.toThrow(
        /open: timed out after 500 ms\. The server has accepted the connection\. Is it .+ loading its data\?/,
      );
      await late.close();
    } finally {
      await store.close();
      direct.disconnect();
      await server.kill();
    }
  });

  it('if the host name of the server is unknown', async () => {
    const unknown = new RedisStore({ url: 'redis://nowhere.invalid' });
    await expect(unknown.open()).rejects.toThrow(/open: the host name of the server is not known\. Check it/);
  });
});

describe.concurrent('an error that concerns TLS', () => {
  const tls = { ca: cert, servername: 'localhost' };
  const client = { cert, key };

  it.each([
    ['an unknown authority', {}, { tls: {} }, /not signed by a known authority\. Pass .* as tls: \{ ca \}$/],
    ['another host name', {}, { tls: { ca: cert } }, /is for another host name\. Connect with that name/],
    [
      'a missing certificate of the client',
      { requestCert: true, ca: cert },
      { tls },
      /requires a client certificate/,
    ],
    [
      'a client without TLS',
      {},
      {},
      /^\[session:redis\] open: 127\.0\.0\.1:\d+ closed the connection\. .* require TLS \(rediss:\/\/\)/,
    ],
    ['no error at all', { requestCert: true, ca: cert }, { tls: { ...tls, ...client } }, undefined],
  ] as [string, TlsOptions, RedisOptions, RegExp | undefined][])(
    'says so: %s',
    async (_, serverOptions, redisOptions, problem) => {
      const door = createServer({ cert, key, rejectUnauthorized: true, ...serverOptions }, (socket) => {
        const to = connect(Number(new URL(inject('redis').url).port), '127.0.0.1');
        for (const one of [socket, to]) one.on('error', () => {});
        socket.pipe(to).pipe(socket);
      });
      door.on('tlsClientError', () => {});
      await once(door.listen(0, '127.0.0.1'), 'listening');
      const { port } = door.address() as AddressInfo;
      const single = new RedisStore({ redisOptions: { ...redisOptions, host: '127.0.0.1', port } });
      const cluster = new RedisStore({
        cluster: { nodes: [{ host: '127.0.0.1', port }], options: { redisOptions } },
      });
      try {
        if (!problem) return await single.open();
        await expect(single.open()).rejects.toThrow(problem);
        // In a Cluster, the connections to its nodes have the error.
        if (redisOptions.tls) await expect(cluster.open()).rejects.toThrow(problem);
      } finally {
        await single.close();
        await cluster.close();
        door.close();
      }
    },
  );

  it('is suspected if a server without TLS does not respond', async () => {
    const store = new RedisStore({ url: inject('redis').url.replace('redis:', 'rediss:'), timeout: 300 });
    await expect(store.open()).rejects.toThrow(/timed out after 300 ms\. .* does it use TLS on this port\?$/);
    await store.close();
  });
});
