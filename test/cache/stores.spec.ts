import { fork } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { CachedStore, FEED_TIMEOUT, type SessionStore } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { connect } from '../hazelcast/client.js';
import { serveApp, type Handler } from '../http/app.js';
import { aRecord } from '../record.js';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';
import { LateStore } from './late.store.js';
import { optionsOf, sharedStores } from './shared.stores.js';

const isLong = process.env['LONG'] !== undefined;

/** Two cached stores with the same sessions, of which the first has read the session `k`. */
async function pair(make: (namespace: string) => SessionStore): Promise<[CachedStore, CachedStore]> {
  const namespace = randomUUID();
  const stores: [CachedStore, CachedStore] = [
    new CachedStore(make(namespace)),
    new CachedStore(make(namespace)),
  ];
  for (const store of stores) {
    await store.open();
    onTestFinished(() => store.close());
  }
  await stores[1].create(aRecord('k'));
  await fill(stores[0], 'k');
  return stores;
}

/** Reads a session until it is cached. */
async function fill(store: CachedStore, id: string): Promise<void> {
  await eventually(async () => {
    await store.read(id);
    return store.cached(id) !== undefined;
  });
}

const WRITES: [name: string, write: (store: CachedStore) => Promise<unknown>][] = [
  ['update', (store) => store.update({ id: 'k' }, { set: { a: '2' } })],
  ['rotate', (store) => store.rotate({ id: 'k' }, 'secretHash', 'next', 1000)],
  ['destroy', (store) => store.destroy('k')],
  ['regenerate', (store) => store.regenerate('k')],
  ['clear', (store) => store.clear()],
];

const HANDLERS: Record<string, Handler> = {
  '/login': async (session) => {
    await session.regenerate();
    session['user'] = 'ann';
  },
  '/': (session) => session['user'] ?? null,
  '/rotate': (session) => session.rotate({ grace: 0 }),
};

describe.each(sharedStores)('a cached session of the store %s', (word, make) => {
  it.each(WRITES)('is dropped within the bound after a %s elsewhere', async (_, write) => {
    const [reader, writer] = await pair(make);
    const before = reader.cached('k');
    await write(writer);
    const written = performance.now();
    while (reader.cached('k') === before) {
      expect(performance.now() - written).toBeLessThanOrEqual(FEED_TIMEOUT);
      await wait(1);
    }
    expect(reader.cached('k')).toBeUndefined();
  });

  it('is dropped at once by an own write', async () => {
    const [reader] = await pair(make);
    await reader.update({ id: 'k' }, { set: { a: '2' } });
    expect(reader.cached('k')).toBeUndefined();
  });

  it('admits whoever has a new secret, however late the feed is', async () => {
    const namespace = randomUUID();
    const options = { cache: true, onReplacedToken: 'destroy' } as const;
    const a = await serveApp(HANDLERS, { ...options, store: new LateStore(make(namespace), 500) });
    const b = await serveApp(HANDLERS, { ...options, store: make(namespace) });
    const [here, there] = [a.browser(), b.browser()];
    await here.post('/login');
    let hits = 0;
    for (let time = 0; time < (isLong ? 1000 : 20); time++) {
      // Now and then, after the event of the last rotation, the session is cached again.
      if (time % 10 === 0)
        await eventually(async () => a.store.take() && (await here.get('/')) && !a.store.take().length);
      for (const [name, value] of here.cookies) there.cookies.set(name, value);
      expect((await there.post('/rotate')).setCookies, `rotation ${time}`).toHaveLength(1);
      for (const [name, value] of there.cookies) here.cookies.set(name, value);
      a.store.take();
      expect((await here.get('/')).json(), `rotation ${time}`).toBe('ann');
      if (a.store.take().length === 0) hits++;
    }
    // A hit would have admitted the secret of before.
    expect(hits).toBe(0);
    expect([a.logged, b.logged]).toEqual([[], []]);
  }, 240_000);

  // The sessions of a cluster are in its primary, with which a stopped worker has its own specs.
  it.skipIf(word === 'cluster')('is not served by a process that was stopped and continues', async () => {
    const namespace = randomUUID();
    const writer = make(namespace);
    await writer.open();
    onTestFinished(() => writer.close());
    const args = [word, JSON.stringify(optionsOf[word]!(namespace))];
    const child = fork(join(import.meta.dirname, 'reader.process.mjs'), args, { execArgv: [] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ask = async (message: object): Promise<string | undefined> => {
      child.send(message);
      const [{ a }] = (await once(child, 'message')) as [{ a?: string }];
      return a;
    };
    await once(child, 'message');
    await writer.create(aRecord('k'));
    for (const times of [1.1, 2]) {
      await eventually(async () => {
        await ask({ read: 'k' });
        return (await ask({ cached: 'k' })) !== undefined;
      });
      child.kill('SIGSTOP');
      await writer.update({ id: 'k' }, { set: { a: String(times) } });
      // Sent while it is stopped, so that it is among the first that it hears when it continues.
      const served = ask({ cached: 'k' });
      await wait(times * FEED_TIMEOUT);
      child.kill('SIGCONT');
      expect(await served).toBeUndefined();
    }
  });
});

describe('a cached session of Hazelcast', () => {
  it('is written in one round trip, by its hint', async () => {
    const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
    const client = await connect({ clusterMembers: [proxy.address], smartRouting: false });
    const store = new CachedStore(new HazelcastStore({ client, prefix: randomUUID() }));
    await store.open();
    onTestFinished(async () => {
      await store.close();
      await client.shutdown();
      await proxy.close();
    });
    await store.create(aRecord('k'));
    await fill(store, 'k');
    const record = store.cached('k')!;
    expect(
      await proxy.roundTripsOf(() => store.update(record, { set: { b: '2' } }) as Promise<unknown>),
    ).toEqual([['replaceIfSame', 'setTtl']]);
  });
});

describe('a cached session of Redis', () => {
  /** A cache in which the session `k` was read, and the deletion of the keys of its store. */
  async function filled(): Promise<{ store: CachedStore; remove: (pattern: string) => Promise<unknown> }> {
    const prefix = `${randomUUID()}:`;
    const store = new CachedStore(new RedisStore({ ...inject('redis'), prefix }));
    const redis = new Redis(inject('redis').url);
    await store.open();
    onTestFinished(async () => {
      await store.close();
      redis.disconnect();
    });
    await store.create(aRecord('k'));
    await fill(store, 'k');
    return { store, remove: async (pattern) => redis.del(await redis.keys(`${prefix}${pattern}`)) };
  }

  it('is dropped if all keys are deleted past the store', async () => {
    const { store, remove } = await filled();
    await remove('*');
    await eventually(() => store.cached('k') === undefined, { within: FEED_TIMEOUT });
  });

  it('is dropped by its renewal if its key alone was deleted past the store', async () => {
    const { store, remove } = await filled();
    await remove('*:s:k');
    const record = store.cached('k')!;
    const { expiresAt } = record;
    await store.update(record, { touch: { from: expiresAt, to: expiresAt + 1000 } });
    expect(store.cached('k')).toBeUndefined();
  });
});
