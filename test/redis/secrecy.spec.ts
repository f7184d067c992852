import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { SessionStoreError, type SessionStore } from 'nestjs-session-stores';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { describe, expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { startRedis } from '../servers/redis.mjs';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import { ownServer } from './own.server.js';

const PASSWORD = 'the-password-nobody-may-see';
const TEXT = 'the-text-nobody-may-see';
const PROOF = 'the-secret hash-nobody-may-see';

const { server, direct } = await ownServer();

async function opened(options: RedisStoreOptions): Promise<RedisStore> {
  const store = new RedisStore({ timeout: 300, ...options });
  await store.open();
  return store;
}

/** Fails unless `work` fails as a store does, and tells nothing of what was to be kept. */
async function failsWithoutTelling(work: Promise<unknown>, problem: RegExp): Promise<SessionStoreError> {
  const error = await work.then(
    () => expect.unreachable('it was done'),
    (reason: unknown) => reason as SessionStoreError,
  );
  expect(error).toBeInstanceOf(SessionStoreError);
  expect(error.message).toMatch(problem);
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    const seen = `${inspect(one, { depth: 10, showHidden: true })} ${one.stack} ${JSON.stringify(one)}`;
    for (const kept of [PASSWORD, TEXT, PROOF]) expect(seen).not.toContain(kept);
  }
  return error;
}

/** What writes data, a secret hash, or both, each once. */
function writes(store: SessionStore, id: string): (() => Promise<unknown>)[] {
  const record = aRecord(id, { groups: ['g'], secretHash: PROOF, data: { a: JSON.stringify(TEXT) } });
  return [
    () => store.create({ ...record, id: `${id} new` }),
    () => store.update(record, { set: { b: TEXT, [TEXT]: '1' }, join: ['h'] }),
    () => store.rotate(record, 'secretHash', PROOF, 1000),
  ];
}

describe('an error tells no session data, no secret hash and no password', () => {
  it.each(['url', 'client'] as const)(
    'of calls that were cut, one by one and all at once (%s)',
    async (kind) => {
      const proxy = await RedisProxy.to(server);
      const client = kind === 'client' ? new Redis(proxy.url, { maxRetriesPerRequest: 0 }) : undefined;
      client?.on('error', () => {});
      const prefix = randomUUID();
      const store = await opened({ ...(client ? { client } : { url: proxy.url }), prefix });
      const beside = await opened({ url: server.url, prefix });
      try {
        await beside.create(aRecord('k'));
        for (const write of writes(store, 'k2')) {
          void proxy.cut();
          await failsWithoutTelling(write(), /no connection/);
          await eventually(() => store.read('k').then(() => store.create(aRecord('k'))));
        }
        void proxy.cut({ command: 2, when: 'after' });
        const all = await Promise.allSettled(writes(store, 'k3').map((write) => write()));
        const failed = all.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
        expect(failed.length).toBeGreaterThan(0);
        for (const { reason } of failed)
          await failsWithoutTelling(Promise.reject(reason as Error), /no connection/);
      } finally {
        await Promise.all([store.close(), beside.close()]);
        client?.disconnect();
        await proxy.close();
      }
    },
  );

  it('of keys that another program has taken', async () => {
    const prefix = randomUUID();
    const store = await opened({ url: server.url, prefix });
    try {
      await store.create(aRecord('k'));
      for (const name of ['s:taken', 'g:h', 'g:g']) await direct.set(`${prefix}{18}:${name}`, 'x');
      for (const id of ['taken', 'k4']) {
        const record = aRecord(id, { groups: ['h'], secretHash: PROOF, data: { a: TEXT } });
        await failsWithoutTelling(store.create(record), /another program: choose another prefix/);
      }
      await failsWithoutTelling(store.read('taken'), /another program/);
      await failsWithoutTelling(store.update(aRecord('taken'), { set: { a: TEXT } }), /another program/);
      await failsWithoutTelling(
        store.update(aRecord('k'), { set: { a: TEXT }, join: ['h'] }),
        /another program/,
      );
      await failsWithoutTelling(store.count('h'), /another program/);
      // Nothing of what failed is there in part.
      expect(await store.read('k4')).toBeUndefined();
      expect(await store.count()).toBe(1);
      expect((await store.read('k'))?.data['a']).toBe('1');
    } finally {
      await store.close();
    }
  });

  it('of a server that is out of memory, which still ends sessions', async () => {
    const full = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
    const settings = new Redis(full.url);
    const store = await opened({ url: full.url });
    try {
      await store.create(aRecord('k', { groups: ['g'] }));
      await settings.config('SET', 'maxmemory', '1');
      for (const write of writes(store, 'k')) {
        await failsWithoutTelling(write(), /out of memory: raise maxmemory/);
      }
      expect((await store.read('k'))?.data).toEqual({ __proto__: null, a: '1' });
      expect(await store.count('g')).toBe(1);
      expect(await store.destroy('k')).toBe(true);
      expect(await settings.dbsize()).toBe(0);
    } finally {
      await store.close();
      settings.disconnect();
      await full.stop();
    }
  });

  it('of a user who may not, and of a login that is refused', async () => {
    const name = 'reader';
    await direct.acl('SETUSER', name, 'on', `>${PASSWORD}`, '~*', '+@all');
    const login = { username: name, password: PASSWORD };
    const store = await opened({ url: server.url, redisOptions: login, prefix: randomUUID() });
    try {
      await direct.acl('SETUSER', name, '-@write', '-evalsha', '-eval');
      for (const write of writes(store, 'k')) await failsWithoutTelling(write(), /the server denies it/);
    } finally {
      await store.close();
    }
    for (const protocol of [2, 3] as const) {
      const wrong = { username: name, password: `${PASSWORD} wrong`, protocol };
      const refused = new RedisStore({ url: server.url, redisOptions: wrong, timeout: 300 });
      const error = await failsWithoutTelling(refused.open(), /^\[session:redis\] open: /);
      expect(inspect(error)).toContain('WRONGPASS');
    }
  });

  it('of a server that lacks the commands, and repeats what came with them', async () => {
    const bare = await startRedis({
      args: ['--rename-command', 'EVALSHA', '', '--rename-command', 'HGETALL', ''],
    });
    try {
      const store = new RedisStore({ url: bare.url, prefix: '', timeout: 300 });
      const error = await failsWithoutTelling(
        store.open(),
        /the server rejected the command. Its message is in the cause/,
      );
      expect((error.cause as Error).message).toMatch(/unknown command .evalsha.$/i);
      expect(inspect(error)).not.toContain('{18}');
    } finally {
      await bare.stop();
    }
  });
});
