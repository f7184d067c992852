import { randomUUID } from 'node:crypto';
import { HazelcastJsonValue, Predicates, type IMap } from 'hazelcast-client';
import { TOMBSTONE_LIFETIME } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { connect, type HazelcastClient } from './client.js';
import { disturbed, onTheWay } from './disturbed.js';

const HOUR = 60 * 60_000;

let client: HazelcastClient;

beforeAll(async () => {
  client = await connect();
});
afterAll(() => client?.shutdown());

/** A store with a map of its own, and that map. */
async function aStore(): Promise<{ store: HazelcastStore; map: IMap<string, unknown>; mapName: string }> {
  const mapName = `Sessions of ${randomUUID()}`;
  const map = await client.getMap<string, unknown>(mapName);
  const store = await another(mapName, client);
  onTestFinished(() => map.destroy());
  return { store, map, mapName };
}

/** A store with the same map and another client. */
async function another(mapName: string, other: HazelcastClient): Promise<HazelcastStore> {
  const store = new HazelcastStore({ client: other, maps: [{ mapName }] });
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

async function ttlOf(map: IMap<string, unknown>, id: string): Promise<number> {
  return (await map.getEntryView(id)).ttl.toNumber();
}

/** Waits until the lifetime of an entry is that of a tombstone. */
const isBuried = (map: IMap<string, unknown>, id: string) => async () => {
  const ttl = await ttlOf(map, id);
  return ttl >= TOMBSTONE_LIFETIME && ttl < TOMBSTONE_LIFETIME + 5000;
};

const LONG = process.env['LONG'] !== undefined;

const endings: [name: string, end: (store: HazelcastStore) => Promise<unknown>][] = [
  ['destroyed', (store) => store.destroy('k')],
  ['cleared with its group', (store) => store.clear('g')],
  ['cleared with all', (store) => store.clear()],
  ['given an expiry in the past', (store) => store.update(aRecord('k'), { expiresAt: 0 })],
];
const regenerated: (typeof endings)[number] = ['regenerated', (store) => store.regenerate('k')];

describe('a session that was', () => {
  it.each([...endings, regenerated])('%s leaves a tombstone for ten minutes', async (_, end) => {
    const { store, map } = await aStore();
    await store.create(aRecord('k', { groups: ['g'], expiresAt: Date.now() + HOUR }));
    await end(store);
    expect(await map.get('k')).toMatchObject({ tombstone: expect.any(String) });
    expect(await isBuried(map, 'k')()).toBe(true);
    expect(await map.size()).toBe(1);
  });

  // Members remove an entry some seconds after its lifetime.
  it.each([...endings.slice(0, 1), ...(LONG ? [regenerated] : [])])(
    '%s leaves nothing after that',
    async (_, end) => {
      const { store, map } = await aStore();
      await store.create(aRecord('k', { groups: ['g'] }));
      await end(store);
      await map.setTtl('k', 1000);
      await eventually(async () => (await map.size()) === 0, { within: 25_000 });
      for (const predicate of [Predicates.equal('prefix', ''), Predicates.equal('groups[any]', '/g')]) {
        expect([...(await map.keySetWithPredicate(predicate))]).toEqual([]);
      }
      expect(await store.regenerate('k')).toBe(true);
      await store.create(aRecord('k'));
    },
  );

  it.each(endings)('%s is in no list', async (_, end) => {
    const { store, map } = await aStore();
    await store.create(aRecord('k', { groups: ['g'] }));
    await end(store);
    for (const predicate of [Predicates.equal('prefix', ''), Predicates.equal('groups[any]', '/g')]) {
      expect([...(await map.keySetWithPredicate(predicate))]).toEqual([]);
    }
  });

  it('regenerated is in the lists of a clear, and in no page and no count', async () => {
    const { store } = await aStore();
    await store.create(aRecord('k', { groups: ['g'] }));
    await store.create(aRecord('l', { groups: ['g'] }));
    await store.regenerate('k');
    for (const group of ['g', undefined]) {
      const { records } = await store.page({ group, limit: 10 });
      expect(records.map(({ id }) => id)).toEqual(['l']);
      expect(await store.count(group)).toBe(1);
    }
    expect(await store.clear('g', 'l')).toBe(0);
    expect(await store.haveEnded(['k'])).toBe(true);
  });
});

describe('no tombstone is left', () => {
  it.each(endings.slice(0, 3))('of a session that had expired before it was %s', async (_, end) => {
    const { store, map } = await aStore();
    const expiresAt = Date.now() + 200;
    await store.create(aRecord('k', { groups: ['g'], expiresAt: Date.now() + HOUR }));
    await store.update(aRecord('k'), { expiresAt });
    await eventually(() => Date.now() > expiresAt);
    await end(store);
    expect(await map.size()).toBe(0);
    expect(await store.haveEnded(['k'])).toBe(false);
  });

  it('of a session whose entry goes while it is cleared', async () => {
    const { store, map, mapName } = await aStore();
    await store.create(aRecord('k', { groups: ['g'] }));
    const late = onTheWay(client, ['put'], async () => void (await map.delete('k')));
    expect(await (await another(mapName, late)).clear('g')).toBe(0);
    expect(await map.size()).toBe(0);
  });

  it('of a session that was never there', async () => {
    const { store, map } = await aStore();
    expect(await store.destroy('k')).toBe(false);
    expect(await store.regenerate('k')).toBe(true);
    expect(await map.size()).toBe(0);
  });
});

it('a tombstone counts for ten minutes even if its entry lives longer', async () => {
  const { store, map } = await aStore();
  const old = new HazelcastJsonValue(JSON.stringify({ tombstone: 'ended', until: Date.now() - 1 }));
  await map.set('k', old);
  expect(await store.haveEnded(['k'])).toBe(false);
  expect(await store.regenerate('k')).toBe(true);
  expect(await store.create(aRecord('k'))).toBe(true);
  expect(await store.read('k')).toMatchObject({ id: 'k' });
});

describe('a race leaves each entry with a lifetime of its own:', () => {
  const expiresAt = Date.now() + HOUR;

  it('a tombstone, if an update loses against the destroy', async () => {
    const { store, map, mapName } = await aStore();
    await store.create(aRecord('k', { expiresAt }));
    let destroying: Promise<unknown> | undefined;
    const late = onTheWay(client, ['replaceIfSame', 'setTtl'], async () => {
      await (destroying ??= store.destroy('k'));
    });
    expect(await (await another(mapName, late)).update(aRecord('k'), { set: { b: '2' } })).toBeUndefined();
    expect(await isBuried(map, 'k')()).toBe(true);
  });

  it('a session, if a regenerate loses against an update, and fails', async () => {
    const { store, map, mapName } = await aStore();
    await store.create(aRecord('k', { expiresAt }));
    let updating: Promise<unknown> | undefined;
    const late = disturbed(client, ['replaceIfSame', 'setTtl'], async (call, _, method) => {
      await (updating ??= store.update(aRecord('k'), { set: { b: '2' } }));
      const done = await call();
      if (method === 'replaceIfSame') throw new Error('broken');
      return done;
    });
    const broken = (await another(mapName, late)).regenerate('k');
    await expect(broken).rejects.toMatchObject({ cause: { message: 'broken' } });
    await eventually(async () => (await ttlOf(map, 'k')) > TOMBSTONE_LIFETIME * 2);
  });

  it('a session that is created between the two steps of a destroy', async () => {
    const { store, map, mapName } = await aStore();
    const late = onTheWay(client, ['setTtl'], async (count) => {
      if (count === 1) await store.create(aRecord('k', { expiresAt }));
    });
    expect(await (await another(mapName, late)).destroy('k')).toBe(false);
    expect(await store.read('k')).toBeDefined();
    expect(await ttlOf(map, 'k')).toBeGreaterThan(TOMBSTONE_LIFETIME * 2);
  });

  it('a tombstone whose lifetime could not be set at first', async () => {
    const { store, map, mapName } = await aStore();
    await store.create(aRecord('k', { expiresAt }));
    let hasFailed = false;
    const failing = disturbed(client, ['setTtl'], async (call) => {
      if (hasFailed) return call();
      hasFailed = true;
      throw new Error('broken');
    });
    await expect((await another(mapName, failing)).destroy('k')).rejects.toThrow('destroy: ');
    await eventually(isBuried(map, 'k'));
  });
});

it('a clear ends a successor that is created after the clear has listed the sessions', async () => {
  const { store, mapName } = await aStore();
  await store.create(aRecord('k', { groups: ['g'] }));
  // The clear has the keys of the group, and ends the first of them.
  const late = onTheWay(client, ['put'], async (count) => {
    if (count > 1) return;
    await store.regenerate('k');
    await store.create(aRecord('l', { groups: ['g'], from: ['k'] }));
    await store.create(aRecord('m', { groups: ['g'], from: ['another'] }));
    await store.create(aRecord('n', { groups: ['g'] }));
  });
  expect(await (await another(mapName, late)).clear('g')).toBe(1);
  const { records } = await store.page({ group: 'g', limit: 10 });
  expect(records.map(({ id }) => id).toSorted()).toEqual(['m', 'n']);
});

it('a clear of a group keeps the tombstones of the predecessors of a session that it keeps', async () => {
  const { store } = await aStore();
  for (const id of ['k', 'l']) {
    await store.create(aRecord(id, { groups: ['g'] }));
    await store.regenerate(id);
  }
  await store.create(aRecord('m', { groups: ['g'], from: ['j', 'k'] }));
  expect(await store.clear('g', 'm')).toBe(0);
  expect(await store.haveEnded(['k'])).toBe(false);
  expect(await store.haveEnded(['l'])).toBe(true);
  expect(await store.read('m')).toMatchObject({ from: ['j', 'k'] });
});
