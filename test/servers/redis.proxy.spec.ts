import { once } from 'node:events';
import { connect } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { call, startRedis } from './redis.mjs';
import { RedisProxy } from './redis.proxy.mjs';
import type { Server } from './server.mjs';

let server: Server;
let proxy: RedisProxy;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await call(server.url, 'DEL', 'n', 'm');
  proxy = await RedisProxy.to(server);
  return () => proxy.close();
});

async function client(protocol: 2 | 3 = 3): Promise<Redis> {
  const redis = new Redis(proxy.url, { protocol, lazyConnect: true, retryStrategy: () => null });
  onTestFinished(() => redis.disconnect());
  await redis.connect();
  proxy.reset();
  return redis;
}
const direct = (name: string): Promise<string | null> => call(server.url, 'GET', name);

describe.each([2, 3] as const)('RedisProxy over RESP%i', (protocol) => {
  it('counts commands, replies and bytes', async () => {
    const redis = await client(protocol);
    await redis.set('n', '1');
    await redis.get('n');
    expect(proxy.counted()).toEqual({
      commands: 2,
      replies: 2,
      bytesToServer: '*3\r\n$3\r\nset\r\n$1\r\nn\r\n$1\r\n1\r\n*2\r\n$3\r\nget\r\n$1\r\nn\r\n'.length,
      bytesToClients: '+OK\r\n$1\r\n1\r\n'.length,
      byName: { SET: 1, GET: 1 },
    });
  });

  it('passes on replies of every type and size', async () => {
    const redis = await client(protocol);
    const large = 'ü'.repeat(1_000_000);
    await redis.set('m', large);
    expect(await redis.get('m')).toBe(large);
    expect(await redis.get('missing')).toBeNull();
    expect(await redis.eval("return {1, 'a', {'b', {}}, false}", 0)).toEqual([1, 'a', ['b', []], null]);
    expect(await redis.config('GET', 'maxmemory')).toContain('maxmemory');
    expect(await redis.info('server')).toContain('redis_version');
    await expect(redis.call('NONSENSE')).rejects.toThrow('unknown command');
    const many = Array.from({ length: 2_000 }, () => redis.incr('n'));
    expect(await Promise.all(many)).toEqual(many.map((_, at) => at + 1));
    expect(proxy.counted()).toMatchObject({ commands: 2_007, replies: 2_007 });
  });

  it('passes messages on to subscribers', async () => {
    const redis = await client(protocol);
    await redis.subscribe('c');
    await call(server.url, 'PUBLISH', 'c', 'text');
    expect(await once(redis, 'message')).toEqual(['c', 'text']);
  });

  it.each([
    ['before', '2'],
    ['after', '3'],
  ] as const)('cuts the connection %s the server runs the nth matching command', async (when, expected) => {
    const redis = await client(protocol);
    const cut = proxy.cut({ command: 3, matching: /^INCR n$/, when });
    const calls = ['n', 'm', 'n', 'm', 'n', 'm', 'n'].map((name) => redis.incr(name));
    const results = await Promise.allSettled(calls);
    await cut;
    expect(results.slice(4).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    await eventually(async () => (await direct('n')) === expected);
    expect(await direct('m')).toBe('2');
  });
});

it('RedisProxy passes on the replies to commands before the one that it cuts after', async () => {
  const redis = await client();
  void proxy.cut({ command: 2, when: 'after' });
  const results = await Promise.allSettled([redis.incr('n'), redis.incr('n')]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(await direct('n')).toBe('2');
});

it('RedisProxy cuts once, and only the connection of the matching command', async () => {
  const [one, two] = [await client(), await client()];
  const cut = proxy.cut({ matching: /^SET/ });
  await expect(one.set('n', 1)).rejects.toThrow();
  await cut;
  expect(await two.set('n', 2)).toBe('OK');
});

it('RedisProxy cuts all connections at once', async () => {
  const clients = [await client(), await client()];
  const ends = clients.map((redis) => once(redis, 'end'));
  proxy.cutAll();
  await Promise.all(ends);
});

it('RedisProxy holds commands until they are released', async () => {
  const redis = await client();
  proxy.hold();
  let replied = false;
  const reply = redis.incr('n').finally(() => (replied = true));
  const late = new Redis(proxy.url);
  onTestFinished(() => late.disconnect());
  const lateReply = late.incr('m');
  await once(late, 'connect');
  for (let round = 0; round < 5; round++) await call(server.url, 'PING');
  expect({ replied, n: await direct('n'), m: await direct('m') }).toEqual({
    replied: false,
    n: null,
    m: null,
  });
  proxy.release();
  expect(await Promise.all([reply, lateReply])).toEqual([1, 1]);
});

it('RedisProxy closes the connection of a client when the server is down', async () => {
  const own = await startRedis();
  const ownProxy = await RedisProxy.to(own);
  onTestFinished(() => ownProxy.close());
  await own.kill();
  await expect(call(ownProxy.url, 'PING')).rejects.toThrow();
});

it('RedisProxy understands inline commands that arrive in pieces', async () => {
  const socket = connect(proxy.port, proxy.host);
  onTestFinished(() => void socket.destroy());
  for (const piece of ['PI', 'NG\r', '\necho  hello\r\n']) {
    socket.write(piece);
    await call(inject('redis').url, 'PING');
  }
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (text === '+PONG\r\n$5\r\nhello\r\n') break;
  }
  expect(proxy.counted().byName).toEqual({ PING: 1, ECHO: 1 });
});
