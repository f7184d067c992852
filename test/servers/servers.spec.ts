import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { call, startRedis, startRedisCluster, startRedisSentinel } from './redis.mjs';
import type { Server } from './server.mjs';
import { sharedRedis, sharedRedisCluster } from './shared.mjs';
import { running, starter } from './starter.js';

const folderOf = async ({ url }: { url: string }): Promise<string> =>
  (await call(url, 'CONFIG', 'GET', 'dir'))[1];

it('the servers of the run respond on the addresses that are provided to specs', async () => {
  expect(await call(inject('redis').url, 'PING')).toBe('PONG');
  for (const { host, port } of inject('redisCluster').nodes)
    expect(await call(`redis://${host}:${port}`, 'CLUSTER', 'INFO')).toContain('cluster_state:ok');
});

it('servers whose addresses are set in the environment are used, and left running', async () => {
  const [redis, redisCluster] = [inject('redis'), inject('redisCluster')];
  vi.stubEnv('REDIS_URL', redis.url);
  vi.stubEnv('REDIS_CLUSTER_NODES', redisCluster.nodes.map(({ host, port }) => `${host}:${port}`).join(', '));
  onTestFinished(() => void vi.unstubAllEnvs());
  const shared = [await sharedRedis(), await sharedRedisCluster()];
  expect(shared.map(({ address }) => address)).toEqual([redis, redisCluster]);
  for (const { line, stop } of shared) {
    expect(line).toMatch(/^redis .*\(REDIS_[A-Z_]+\) on 127\.0\.0\.1:\d+/);
    await stop();
  }
  expect(await call(redis.url, 'PING')).toBe('PONG');

  vi.stubEnv('REDIS_URL', 'redis://:secret@127.0.0.1:1');
  await expect(sharedRedis()).rejects.toThrow(/^Redis is unreachable on 127\.0\.0\.1:1, see REDIS_URL: /);
});

describe('a separate server for a spec', () => {
  let server: Server;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it('listens on loopback only', async () => {
    expect((await call(server.url, 'CONFIG', 'GET', 'bind'))[1]).toBe('127.0.0.1');
  });

  it('does not respond while it is frozen, and has its data afterwards', async () => {
    await call(server.url, 'SET', 'k', 'v');
    await server.freeze();
    await expect(call(server.url, 'GET', 'k')).rejects.toThrow(/timed? ?out/i);
    await server.thaw();
    expect(await call(server.url, 'GET', 'k')).toBe('v');
  });

  it.each(['stop', 'kill'] as const)('has exited after %s, and starts again on its port', async (end) => {
    const pid = server.pid!;
    await server[end]();
    expect(server.pid).toBeUndefined();
    expect(running(pid)).toBe(false);
    await expect(call(server.url, 'PING')).rejects.toThrow('ECONNREFUSED');
    await server.start();
    expect(server.pid).not.toBe(pid);
    expect(await call(server.url, 'PING')).toBe('PONG');
  });

  it('stops even while it is frozen', async () => {
    await server.freeze();
    await server.stop();
    expect(server.pid).toBeUndefined();
    await server.start();
  });

  it('has its persisted data again after a restart, unless it starts empty', async () => {
    const durable = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    onTestFinished(() => durable.stop());
    await call(durable.url, 'SET', 'k', 'v');
    await durable.kill();
    await durable.start();
    expect(await call(durable.url, 'GET', 'k')).toBe('v');
    await durable.kill();
    await durable.start({ empty: true });
    expect(await call(durable.url, 'GET', 'k')).toBeNull();
  });

  it('does not start when another program responds on its port', async () => {
    const other = await startRedis();
    onTestFinished(() => other.stop());
    const thief = createServer((client) => void client.pipe(connect(other.port, other.host)).pipe(client));
    await server.stop();
    await once(thief.listen(server.port, '127.0.0.1'), 'listening');
    expect(await call(server.url, 'PING')).toBe('PONG');
    await expect(server.start()).rejects.toThrow(/already in use/i);
    await new Promise((closed) => void thief.close(closed));
    await server.start();
  });

  it('that does not start rejects with the reason', async () => {
    await expect(startRedis({ args: ['--maxmemory', 'much'] })).rejects.toThrow(/did not start.*maxmemory/s);
  });
});

describe('several servers', () => {
  it('of a cluster fail over from a primary to its replica', async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    const [first] = cluster.primaries;
    await first!.kill();
    await eventually(async () => (await call(cluster.replica.url, 'ROLE'))[0] === 'master');
    await first!.start();
    await eventually(async () => (await call(first!.url, 'ROLE'))[0] === 'slave');
  });

  it('under Sentinels fail over to the replica', async () => {
    const { name, primary, replica, sentinels, stop } = await startRedisSentinel();
    onTestFinished(stop);
    await primary.kill();
    await eventually(async () => (await call(replica.url, 'ROLE'))[0] === 'master');
    await eventually(async () => {
      const [, port] = await call(sentinels[0]!.url, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name);
      return Number(port) === replica.port;
    });
  });
});

describe('a process that starts a server', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'starter-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes the server and its data with it when it is killed', async () => {
    const { child, result } = await starter();
    const data = await folderOf(result);
    expect(existsSync(data)).toBe(true);
    child.kill('SIGKILL');
    await eventually(() => !running(result.pid) && !existsSync(join(data, '..')));
  });

  it('gets an error that says what was tried and what to do if no server is available', async () => {
    const { result } = await starter({ PATH: folder, SERVERS_DIR: join(folder, 'none') });
    expect(result.error.split('\n')).toEqual([
      '- Docker: no docker in PATH',
      '- PATH: no redis-server in PATH',
      '- Debian packages: no apt-get in PATH',
      'No Redis can be started: set REDIS_URL and REDIS_CLUSTER_NODES, or start Docker, or install redis-server.',
    ]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
