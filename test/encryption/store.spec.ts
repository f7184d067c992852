import { randomUUID } from 'node:crypto';
import { MemoryStore } from 'express-session';
import { sessionMiddleware, type SessionOptions } from 'nestjs-session-stores';
import { CachedStore, EncryptedStore, MigratingStore, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { connect } from '../hazelcast/client.js';
import { twoClients } from '../hazelcast/two.clients.js';
import { serveApp } from '../http/app.js';
import { aRecord } from '../record.js';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';
import { aKey } from './keys.js';

const keys = aKey();

async function opened<T extends SessionStore>(store: T): Promise<T> {
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

describe('an encrypted store', () => {
  it('refuses an add to a sealed property, says what to do, and writes nothing', async () => {
    const store = await opened(new EncryptedStore(new ClusterStore({ name: randomUUID() }), { keys }));
    await store.create(aRecord('k', { data: { visits: '1' } }));
    await expect(store.update({ id: 'k' }, { add: { name: 'visits', by: 1 } })).rejects.toThrow(
      new TypeError(
        'session["visits"] cannot be added to, because its value is sealed and the sum is made in the store. List the sealed properties in encrypt.only, without this one',
      ),
    );
    expect((await store.read('k'))!.data['visits']).toBe('1');
  });

  it('adds to a property that is not sealed', async () => {
    const inner = new ClusterStore({ name: randomUUID() });
    const store = await opened(new EncryptedStore(inner, { keys, only: ['user'] }));
    await store.create(aRecord('k', { data: { visits: '1', user: '"ada"' } }));
    expect(await store.update({ id: 'k' }, { add: { name: 'visits', by: 2 } })).toMatchObject({ text: '3' });
    expect((await inner.read('k'))!.data).toMatchObject({ visits: '3', user: expect.stringMatching(/^~/) });
  });

  it('refuses an add to a value from before its property was left out of `only`, until another is assigned', async () => {
    const inner = new ClusterStore({ name: randomUUID() });
    const before = await opened(new EncryptedStore(inner, { keys }));
    const after = await opened(new EncryptedStore(inner, { keys, only: ['user'] }));
    await before.create(aRecord('k', { data: { visits: '1' } }));
    const add = { name: 'visits', by: 1 };
    await expect(after.update({ id: 'k' }, { add })).rejects.toThrow(
      new TypeError(
        'session["visits"] cannot be added to, because its value was sealed before the property was left out of encrypt.only. Assign another value to it once, which is stored in plain text',
      ),
    );
    expect((await after.read('k'))!.data['visits']).toBe('1');
    await after.update({ id: 'k' }, { set: { visits: '2' } });
    expect(await after.update({ id: 'k' }, { add })).toMatchObject({ text: '3' });
    expect(await after.update({ id: 'k' }, { add: { name: 'visits', by: 2 ** 53 - 1 } })).toMatchObject({
      refused: 'not a safe integer',
    });
  });

  it('takes a sealed property', async () => {
    const store = await opened(new EncryptedStore(new ClusterStore({ name: randomUUID() }), { keys }));
    await store.create(aRecord('k', { data: { code: '"123456"' } }));
    const takes = await Promise.all([1, 2, 3].map(() => store.update({ id: 'k' }, { take: 'code' })));
    expect(takes.map((update) => update?.text).toSorted()).toEqual(['"123456"', undefined, undefined]);
  });

  it('opens no text of a session until it is read, and each once', async () => {
    const inner = new ClusterStore({ name: randomUUID() });
    const lines: string[] = [];
    const logger = { error: (line: string) => lines.push(line) };
    const store = await opened(new EncryptedStore(inner, { keys: aKey(), logger }));
    const other = await opened(new EncryptedStore(inner, { keys }));
    await other.create(aRecord('k', { label: 'Home', client: { first: '{}', last: '{}' } }));
    const record = (await store.read('k'))!;
    expect(Object.keys(record.data)).toEqual(['a']);
    await store.page({ limit: 1 });
    expect(lines).toEqual([]);
    expect(record.data['a']).toBeUndefined();
    expect(lines.length).toBe(1);
  });

  it("keeps Hazelcast's hint, so that changing a session that was read takes one round trip", async () => {
    const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
    const client = await connect({ clusterMembers: [proxy.address], smartRouting: false });
    onTestFinished(async () => {
      await client.shutdown();
      await proxy.close();
    });
    const store = new EncryptedStore(new HazelcastStore({ client, prefix: randomUUID() }), { keys });
    await store.open();
    await store.create(aRecord('k'));
    const record = (await store.read('k'))!;
    const trips = await proxy.roundTripsOf(async () => {
      await store.update(record, { set: { b: '2' } });
      await store.update(record, { set: { c: '3' } });
    });
    expect(trips).toEqual([
      ['replaceIfSame', 'setTtl'],
      ['replaceIfSame', 'setTtl'],
    ]);
    await store.close();
  });

  it('passes on the feed of its store, and can be cached', async () => {
    const store = await opened(
      new CachedStore(new EncryptedStore(new ClusterStore({ name: randomUUID() }), { keys })),
    );
    await store.create(aRecord('k', { data: { user: '"ada"' } }));
    await store.read('k');
    expect(store.cached('k')?.data['user']).toBe('"ada"');
    await store.update({ id: 'k' }, { set: { user: '"bob"' } });
    expect(store.cached('k')).toBeUndefined();
  });

  it.each<[what: string, make: () => unknown, message: RegExp]>([
    [
      'a store of express-session',
      () => new EncryptedStore(fromExpressStore(new MemoryStore()), { keys }),
      /an express-session store cannot be encrypted/,
    ],
    [
      'a cache',
      () => new EncryptedStore(new CachedStore(new ClusterStore()), { keys }),
      /encryption must be inside of the cache/,
    ],
    [
      'a migration',
      () =>
        new EncryptedStore(
          new MigratingStore(new ClusterStore(), { store: new ClusterStore(), move: true }),
          { keys },
        ),
      /encryption must be inside of the migration/,
    ],
    [
      'an encrypted store',
      () => new EncryptedStore(new EncryptedStore(new ClusterStore(), { keys }), { keys }),
      /encrypted already/,
    ],
    ['no store', () => new EncryptedStore({} as never, { keys }), /EncryptedStore needs a store/],
    [
      'no options',
      () => new EncryptedStore(new ClusterStore(), undefined as never),
      /encrypt.keys must be 32/,
    ],
  ])('is not made of %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('the option encrypt', () => {
  it('goes inside of the cache', async () => {
    const app = await serveApp(
      { '/login': (session) => void (session['user'] = 'ada'), '/': (session) => session['user'] },
      { encrypt: { keys }, cache: true },
    );
    const browser = app.browser();
    await browser.post('/login');
    await browser.get('/');
    app.store.take();
    expect((await browser.get('/')).json()).toBe('ada');
    expect(app.store.take()).toEqual([]);
  });

  it.each<[what: string, options: Partial<SessionOptions>, message: RegExp]>([
    [
      'a store that is encrypted',
      { store: new EncryptedStore(new ClusterStore(), { keys }) },
      /is an EncryptedStore/,
    ],
    ['a store that is cached', { store: new CachedStore(new ClusterStore()) }, /is a CachedStore/],
    ['a key that is too short', { encrypt: { keys: 'short' } }, /encrypt\.keys must be 32 random bytes/],
    ['no object', { encrypt: false as never }, /encrypt takes an object/],
  ])('is rejected with %s', (_, options, message) => {
    const all = { secret: 'x', store: new ClusterStore(), encrypt: { keys }, ...options };
    expect(() => sessionMiddleware(all)).toThrow(message);
  });
});

describe("Hazelcast's beans", () => {
  const { withStores, found } = twoClients();
  const maps = (
    bean: (session: any) => object,
  ): [{ mapName: string }, { mapName: string; bean: typeof bean }] => [
    { mapName: 'Sessions' },
    { mapName: 'Users', bean },
  ];

  it('fail the save, and say what to do, if they read a sealed property', () =>
    withStores(
      async ([inner]) => {
        const store = new EncryptedStore(inner, { keys });
        await store.open();
        await expect(store.create(aRecord('k', { data: { user: '"ada"' } }))).rejects.toMatchObject({
          cause: new TypeError(
            'the value of "user" is sealed, and a bean cannot read it. List the sealed properties in encrypt.only, without this one, or leave it out of the bean',
          ),
        });
        expect(await inner.read('k')).toBeUndefined();
      },
      { maps: maps(({ data }) => ({ user: data.user })) },
    ));

  it('fail the save if they read sealed groups', () =>
    withStores(
      async ([inner]) => {
        const store = new EncryptedStore(inner, { keys, groups: aKey() });
        await store.open();
        await expect(store.create(aRecord('k', { groups: ['user:ada'] }))).rejects.toMatchObject({
          cause: { message: expect.stringContaining('the names of groups are sealed') },
        });
      },
      { maps: maps(({ groups }) => ({ groups })) },
    ));

  it('read the properties that are not sealed', () =>
    withStores(
      async ([inner], prefix) => {
        const store = new EncryptedStore(inner, { keys, only: ['user'] });
        await store.open();
        await store.create(aRecord('k', { data: { user: '"ada"', cart: '["book"]' } }));
        expect(await found('Users', `${prefix}/k`)).toMatchObject({ cart: ['book'] });
        expect((await store.read('k'))!.data['user']).toBe('"ada"');
      },
      { maps: maps(({ data }) => ({ cart: data.cart })) },
    ));
});
