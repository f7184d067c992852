import { randomUUID } from 'node:crypto';
import { NEVER, type SessionRecord } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { ownServer } from './own.server.js';
import { outlive } from './tombstones.js';

const { server, direct } = await ownServer();

const TEN_MINUTES = 600_000;

async function opened(options = {}): Promise<{ store: RedisStore; shard: string }> {
  const prefix = randomUUID();
  const store = new RedisStore({ url: server.url, prefix, ...options });
  await store.open();
  onTestFinished(() => store.close());
  return { store, shard: `${prefix}{18}:` };
}

const keysOf = async (shard: string) =>
  (await direct.keys(`${shard}*`)).map((key) => key.slice(shard.length)).toSorted();

const endings: Record<string, (store: RedisStore) => Promise<unknown>> = {
  'was destroyed': (store) => store.destroy('k'),
  'got an expiry in the past': (store) => store.update({ id: 'k' }, { expiresAt: 1 }),
  'was cleared with its group': (store) => store.clear('g'),
  'was cleared with all': (store) => store.clear(),
};

describe.each([
  ['expires in an hour', Date.now() + 3_600_000],
  ['never expires', NEVER],
])('a session that %s', (_, expiresAt) => {
  it.each(Object.entries(endings))(
    'and %s leaves one key for ten minutes, and nothing in a list',
    async (__, end) => {
      const { store, shard } = await opened();
      await store.create(aRecord('k', { groups: ['g', 'h'], expiresAt }));
      await end(store);
      expect(await keysOf(shard)).toEqual(['s:k']);
      expect(await direct.hgetall(`${shard}s:k`)).toEqual({ ended: 'ended' });
      expectTenMinutes(await direct.pttl(`${shard}s:k`));
    },
  );

  it('and was regenerated leaves a key for ten minutes, in lists that go soon after it', async () => {
    const { store, shard } = await opened();
    await store.create(aRecord('k', { groups: ['g', 'h'], expiresAt }));
    await store.regenerate('k');
    expect(await keysOf(shard)).toEqual(['all', 'expiry', 'g:g', 'g:h', 'm:k', 's:k']);
    expectTenMinutes(await direct.pttl(`${shard}s:k`));
    expectTenMinutes((await direct.pttl(`${shard}m:k`)) - 5000);
    for (const list of ['all', 'expiry', 'g:g', 'g:h']) {
      const left = await direct.pttl(`${shard}${list}`);
      expect(left).toBeGreaterThan(TEN_MINUTES - 60_000);
      expect(left).toBeLessThanOrEqual(3_600_000 * 1.25);
      if (expiresAt === NEVER) expect(left).toBeLessThanOrEqual(TEN_MINUTES);
    }
  });
});

function expectTenMinutes(left: number): void {
  expect(left).toBeGreaterThan(TEN_MINUTES - 60_000);
  expect(left).toBeLessThanOrEqual(TEN_MINUTES);
}

it('a destroy or a regenerate of a session that is absent or has expired writes nothing', async () => {
  const { store, shard } = await opened();
  await store.create(aRecord('k', { expiresAt: Date.now() + 50 }));
  await eventually(async () => (await store.read('k')) === undefined);
  for (const id of ['k', 'absent']) {
    expect(await store.destroy(id)).toBe(false);
    expect(await store.regenerate(id)).toBe(true);
    expect(await direct.exists(`${shard}s:${id}`)).toBe(0);
  }
});

it('a session that was destroyed after it was regenerated has ended, and stays so', async () => {
  const { store, shard } = await opened();
  await store.create(aRecord('k', { groups: ['g'] }));
  await store.regenerate('k');
  await direct.pexpire(`${shard}s:k`, 60_000);
  expect(await store.destroy('k')).toBe(false);
  expectTenMinutes(await direct.pttl(`${shard}s:k`));
  expect(await store.regenerate('k')).toBe(false);
  expect(await store.haveEnded(['k'])).toBe(true);
});

it('regenerated sessions whose tombstones are gone leave all lists while sessions are created', async () => {
  const { store, shard } = await opened();
  const old = Array.from({ length: 30 }, (_, at) => aRecord(`old ${at}`, { groups: ['g', `g${at % 3}`] }));
  await Promise.all([aRecord('stays', { groups: ['g'] }), ...old].map((record) => store.create(record)));
  await Promise.all(old.map(({ id }) => store.regenerate(id)));
  expect({ all: await store.count(), g: await store.count('g'), g0: await store.count('g0') }).toEqual({
    all: 1,
    g: 1,
    g0: 0,
  });
  // A count does not remove them from the lists in which a clear must find them.
  expect(await direct.zcard(`${shard}g:g`)).toBe(31);
  await outlive(direct, shard, ...old.map(({ id }) => id));
  for (let at = 0; at < 8; at++) await store.create(aRecord(`new ${at}`));
  expect(await keysOf(shard)).toEqual(
    [
      'all',
      'expiry',
      'g:g',
      'm:stays',
      's:stays',
      ...Array.from({ length: 8 }, (_, at) => `s:new ${at}`),
    ].toSorted(),
  );
  expect(await direct.zrange(`${shard}g:g`, '0', '-1')).toEqual(['stays']);
  expect(await direct.zcard(`${shard}all`)).toBe(9);
  expect(await direct.zcard(`${shard}expiry`)).toBe(9);
});

it('a clear that keeps a session keeps its predecessors in the lists, for the next clear', async () => {
  const { store } = await opened();
  await store.create(aRecord('old', { groups: ['g'] }));
  await store.regenerate('old');
  await store.create(aRecord('new', { groups: ['g'], from: ['old'] }));
  expect(await store.clear('g', ['new'])).toBe(0);
  expect(await store.haveEnded(['old'])).toBe(false);
  expect(await store.clear('g')).toBe(1);
  expect(await store.haveEnded(['old'])).toBe(true);
});

/** As many sessions as a clear takes several steps for: in each shard only with LONG. */
const MANY = process.env['LONG'] ? 16_000 : 1200;

it.each([
  ['one server', () => ({ url: server.url })],
  ['the shards of a Cluster', () => ({ url: undefined, cluster: inject('redisCluster') })],
])(
  'a clear also ends what members of a group are regenerated into between its steps, on %s',
  async (_, options) => {
    const { store } = await opened(options());
    const regenerated = async (held: SessionRecord) => {
      if (!(await store.regenerate(held.id))) return undefined;
      const next = aRecord(randomUUID(), { groups: ['g'], from: [...(held.from ?? []), held.id] });
      return (await store.create(next)) ? next : undefined;
    };
    for (const group of ['g', undefined]) {
      const members = Array.from({ length: MANY }, () => aRecord(randomUUID(), { groups: ['g'] }));
      for (let at = 0; at < MANY; at += 1000)
        await Promise.all(members.slice(at, at + 1000).map((record) => store.create(record)));
      // One server meets the last members last: their successors are there by then, behind the end of its first walk. In
      // a Cluster the clear would be over before.
      const clear = async () => {
        if (options().url === undefined) await regenerated(members[0] as SessionRecord);
        return store.clear(group);
      };
      let successors = 0;
      const chain = async (member: SessionRecord, at: number) => {
        let held: SessionRecord | undefined = member;
        for (let hop = 0; hop <= at % 3 && held; hop++) {
          held = await regenerated(held);
          if (held) successors++;
        }
      };
      await Promise.all([clear(), ...members.slice(-60).map(chain)]);
      expect(successors).toBeGreaterThan(0);
      expect({ inGroup: await store.count('g'), all: await store.count() }).toEqual({ inGroup: 0, all: 0 });
    }
  },
);
