import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { startRedis } from '../servers/redis.mjs';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import { aRecord } from '../record.js';
import { expectEverythingToWork } from './everything.js';
import { ownServer } from './own.server.js';
import { withoutTombstones } from './tombstones.js';

const { server, direct } = await ownServer();

const page = readFileSync(new URL('../../docs/stores/redis.md', import.meta.url), 'utf8');
/** The rights of the user in the documentation. */
const RIGHTS = documentedRights();
const commands = RIGHTS.filter((right) => right.startsWith('+')).map((right) => right.slice(1));
/** Without INFO, ioredis logs a warning and goes on. Only the feed needs PUBLISH and SUBSCRIBE. */
const needed = commands.filter((name) => !['info', 'publish', 'subscribe'].includes(name));

function documentedRights(): string[] {
  const [, rights] = /^ACL SETUSER shop on >password (.*?)^```/ms.exec(page) ?? [];
  return (rights as string).split(/\s+/).filter((right) => right !== '');
}

/** A user with these rights, as ioredis' options. */
async function user(...rights: string[]): Promise<{ username: string; password: string }> {
  const username = randomUUID();
  await direct.acl('SETUSER', username, 'on', '>password', ...rights);
  return { username, password: 'password' };
}

/** The error of `open` for a user with these rights. */
async function refusal(...rights: string[]): Promise<Error> {
  const store = new RedisStore({ url: server.url, redisOptions: await user(...rights) });
  try {
    await store.open();
  } catch (error) {
    return error as Error;
  } finally {
    await store.close();
  }
  return expect.unreachable('open resolved');
}

afterEach(async () => {
  vi.restoreAllMocks();
  expect(await withoutTombstones(direct)).toEqual([]);
  await direct.flushdb();
});

describe('the user in the documentation', () => {
  it('has all rights that the store needs', async () => {
    const warnings = vi.spyOn(console, 'warn');
    await expectEverythingToWork({
      url: server.url,
      prefix: 'session:',
      redisOptions: await user(...RIGHTS),
    });
    expect(warnings).not.toHaveBeenCalled();
  });

  it('has all rights that the store needs in a Cluster, with those that the documentation adds', async () => {
    const [, added] = /and `([^`]+)` for a Cluster/.exec(page) ?? [];
    const { nodes } = inject('redisCluster');
    const admins = nodes.map((node) => new Redis(node));
    const username = randomUUID();
    try {
      const rights = [...RIGHTS, ...(added as string).split(' ')];
      for (const admin of admins) await admin.acl('SETUSER', username, 'on', '>password', ...rights);
      await expectEverythingToWork({
        prefix: 'session:',
        cluster: { nodes, options: { redisOptions: { username, password: 'password' } } },
      });
    } finally {
      for (const admin of admins) {
        await admin.acl('DELUSER', username);
        admin.disconnect();
      }
    }
  });

  it.each(needed)('needs %s: without it open says so, and leaves nothing', async (name) => {
    const error = await refusal(...RIGHTS, `-${name}`);
    expect(error.message).toBe(
      `[session:redis] open: the user may not run ${name.toUpperCase()}. Allow it with ACL SETUSER: +${name}`,
    );
  });

  it('is given by the error what else it needs, one time, if it lacks several commands', async () => {
    const error = await refusal(...RIGHTS, '-time', '-hset', '-zadd');
    expect(error.message).toMatch(
      /the user may not run TIME, ZADD and HSET\. Allow it with ACL SETUSER: \+time \+zadd \+hset$/,
    );
  });

  it('needs its keys: with another prefix open says so', async () => {
    const error = await refusal(...RIGHTS.map((right) => right.replace('~session:*', '~other:*')));
    expect(error.message).toMatch(
      /open: the user may not use the keys of the store\. Allow those that start/,
    );
  });

  it('gets the name of a command that it may no longer run', async () => {
    const login = await user(...RIGHTS);
    const store = new RedisStore({ url: server.url, redisOptions: login });
    try {
      await store.open();
      await direct.acl('SETUSER', login.username, '-hgetall', '-hset');
      await expect(store.read('k')).rejects.toThrow(
        /read: the user may not run HGETALL\. Allow it .*\+hgetall$/,
      );
      await expect(store.create(aRecord('k'))).rejects.toThrow(
        /create: the user may not run a command of the/,
      );
      await direct.acl('SETUSER', login.username, '+hgetall');
      // What the script had written when it was stopped.
      await store.clear();
    } finally {
      await store.close();
      await direct.del('session:{18}:all', 'session:{18}:expiry');
    }
  });
});

describe('open', () => {
  it('sends two scripts and fifteen reads beside the handshake, whether the server knows the script or not', async () => {
    const proxy = await RedisProxy.to(server);
    try {
      await direct.script('FLUSH');
      for (let time = 0; time < 2; time++) {
        proxy.reset();
        const store = new RedisStore({ url: proxy.url });
        await store.open();
        await store.close();
        const handshake = ['HELLO', 'CLIENT', 'INFO'];
        const sent = Object.entries(proxy.counted().byName).filter(([name]) => !handshake.includes(name));
        expect(Object.fromEntries(sent)).toEqual({ EVAL: 1, EVALSHA: 1, EXISTS: 15 });
      }
    } finally {
      await proxy.close();
    }
  });

  it.each(['EVALSHA', 'EVAL', 'HSET', 'INFO'])('says that the server lacks %s', async (name) => {
    const bare = await startRedis({ args: ['--rename-command', name, ''] });
    const store = new RedisStore({ url: bare.url });
    try {
      await expect(store.open()).rejects.toThrow(
        new RegExp(
          `open: the server does not know (the|a) command ${name === 'HSET' ? 'of the scripts|HSET' : name}`,
        ),
      );
    } finally {
      await store.close();
      await bare.stop();
    }
  });
});
