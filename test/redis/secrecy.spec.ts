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

const PASSWORD = 'password-that-must-not-leak';
const DATA = 'data-that-must-not-leak';
const SECRET_HASH = 'secret-hash-that-must-not-leak';

const { server, direct } = await ownServer();

async function opened(options: RedisStoreOptions): Promise<RedisStore> {
  const store = new RedisStore({ timeout: 300, ...options });
  await store.open();
  return store;
}

/** Asserts that `work` fails with a `SessionStoreError` without password, session data or secret hash. */
async function failsWithoutLeaking(work: Promise<unknown>, problem: RegExp): Promise<SessionStoreError> {
  const error = await work.then(
    () => expect.unreachable('it resolved'),
    (reason: unknown) => reason as SessionStoreError,
  );
  expect(error).toBeInstanceOf(SessionStoreError);
  expect(error.message).toMatch(problem);
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    const shown = `${inspect(one, { depth: 10, showHidden: true })} ${one.stack} ${JSON.stringify(one)}`;
    for (const kept of [PASSWORD, DATA, SECRET_HASH]) expect(shown).not.toContain(kept);
  }
  return error;
}

/** Each call that writes data, a secret hash, or both. */
function writes(store: SessionStore, id: string): (() => Promise<unknown>)[] {
  const record = aRecord(id, { groups: ['g'], secretHash: SECRET_HASH, data: { a: JSON.stringify(DATA) } });
  return [
    () => store.create({ ...record, id: `${id} new` }),
    () => store.update(record, { set: { b: DATA, [DATA]: '1' }, join: ['h'] }),
    () => store.rotate(record, 'secretHash', SECRET_HASH, 1000),
  ];
}

describe('an error contains no session data, secret hash or password', () => {
  it.each(['url', 'client'] as const)(
    'when connections are cut during calls, one by one and all at once (%s)',
    async (kind) => {
      const proxy = await RedisProxy.to(server);
      const client = kind === 'client' ? new Redis(proxy.url, { maxRetriesPerRequest: 0 }) : undefined;
      client?.on('error', () => {});
      const prefix = randomUUID();
      const store = await opened({ ...(client ? { client } : { url: proxy.url }), prefix });
      const intact = await opened({ url: server.url, prefix });
      try {
        await intact.create(aRecord('k'));
        for (const write of writes(store, 'k2')) {
          void proxy.cut();
          await failsWithoutLeaking(write(), /no connection/);
          await eventually(() => store.read('k').then(() => store.create(aRecord('k'))));
        }
        void proxy.cut({ command: 2, when: 'after' });
        const all = await Promise.allSettled(writes(store, 'k3').map((write) => write()));
        const failed = all.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
        expect(failed.length).toBeGreaterThan(0);
        for (const { reason } of failed)
          await failsWithoutLeaking(Promise.reject(reason as Error), /no connection/);
      } finally {
        await Promise.all([store.close(), intact.close()]);
        client?.disconnect();
        await proxy.close();
      }
    },
  );

  it('when another program uses the same keys', async () => {
    const prefix = randomUUID();
    const store = await opened({ url: server.url, prefix });
    try {
      await store.create(aRecord('k'));
      for (const name of ['s:taken', 'g:h', 'g:g']) await direct.set(`${prefix}{18}:${name}`, 'x');
      for (const id of ['taken', 'k4']) {
        const record = aRecord(id, { groups: ['h'], secretHash: SECRET_HASH, data: { a: DATA } });
        await failsWithoutLeaking(store.create(record), /another program\. Choose another prefix/);
      }
      await failsWithoutLeaking(store.read('taken'), /another program/);
      await failsWithoutLeaking(store.update(aRecord('taken'), { set: { a: DATA } }), /another program/);
      await failsWithoutLeaking(
        store.update(aRecord('k'), { set: { a: DATA }, join: ['h'] }),
        /another program/,
      );
      await failsWithoutLeaking(store.count('h'), /another program/);
      // Nothing was written in part.
      expect(await store.read('k4')).toBeUndefined();
      expect(await store.count()).toBe(1);
      expect((await store.read('k'))?.data['a']).toBe('1');
    } finally {
      await store.close();
    }
  });

  it('when the server is out of memory, where sessions can still be destroyed', async () => {
    const full = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
    const settings = new Redis(full.url);
    const store = await opened({ url: full.url });
    try {
      await store.create(aRecord('k', { groups: ['g'] }));
      await settings.config('SET', 'maxmemory', '1');
      for (const write of writes(store, 'k')) {
        await failsWithoutLeaking(write(), /out of memory\. Raise maxmemory/);
      }
      expect((await store.read('k'))?.data).toEqual({ __proto__: null, a: '1' });
      expect(await store.count('g')).toBe(1);
      expect(await store.destroy('k')).toBe(true);
      expect(await settings.keys('*')).toEqual([expect.stringMatching(/s:k$/)]);
      expect(await store.haveEnded(['k'])).toBe(true);
    } finally {
      await store.close();
      settings.disconnect();
      await full.stop();
    }
  });

  it('when the user lacks permissions or the login is rejected', async () => {
    const name = 'reader';
    await direct.acl('SETUSER', name, 'on', `>${PASSWORD}`, '~*', '+@all');
    const login = { username: name, password: PASSWORD };
    const store = await opened({ url: server.url, redisOptions: login, prefix: randomUUID() });
    try {
      await direct.acl('SETUSER', name, '-@write', '-evalsha', '-eval');
      for (const write of writes(store, 'k'))
        await failsWithoutLeaking(
          write(),
          /the user may not run EVALSHA\. Allow it with ACL SETUSER: \+evalsha$/,
        );
    } finally {
      await store.close();
    }
    for (const protocol of [2, 3] as const) {
      const wrong = { username: name, password: `${PASSWORD} wrong`, protocol };
      const rejected = new RedisStore({ url: server.url, redisOptions: wrong, timeout: 300 });
      const error = await failsWithoutLeaking(rejected.open(), /^\[session:redis\] open: /);
      expect(inspect(error)).toContain('WRONGPASS');
    }
  });

  it('when the server lacks the commands and repeats their arguments in its error', async () => {
    const bare = await startRedis({
      args: ['--rename-command', 'EVALSHA', '', '--rename-command', 'HGETALL', ''],
    });
    try {
      const store = new RedisStore({ url: bare.url, prefix: '', timeout: 300 });
      const error = await failsWithoutLeaking(
        store.open(),
        /the server does not know the command EVALSHA\. Use Redis 6\.2 or newer/,
      );
      expect((error.cause as Error).message).toMatch(/unknown command .evalsha.$/i);
      expect(inspect(error)).not.toContain('{18}');
    } finally {
      await bare.stop();
    }
  });
});
