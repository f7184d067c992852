import { randomUUID } from 'node:crypto';
import { Cluster, type Redis } from 'ioredis';
import { NEVER, type SessionRecord } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { Random } from '../http/random.js';
import { agreement, paged } from './agreement.js';

const { nodes } = inject('redisCluster');
const OPERATIONS = process.env['LONG'] ? 100_000 : 5_000;
const IN_FLIGHT = 32;
const GROUPS = ['a', 'b', 'c', 'd', 'e', ''];
const KEYS = 150;

let client: Cluster;
beforeAll(async () => {
  client = new Cluster(nodes, { lazyConnect: true });
  await client.connect();
});
afterAll(() => client.disconnect());

async function primaries(): Promise<Redis[]> {
  return client.nodes('master');
}

async function twoStores(prefix: string): Promise<[RedisStore, RedisStore]> {
  const stores = [0, 1].map(() => new RedisStore({ cluster: { nodes }, prefix })) as [RedisStore, RedisStore];
  await Promise.all(stores.map((store) => store.open()));
  return stores;
}

describe('two nodes that run all operations in parallel on the same sessions of a Cluster', () => {
  it.each([1, 2])(
    'leave records, indexes and groups of all shards consistent (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const prefix = randomUUID();
      const stores = await twoStores(prefix);
      const records = Array.from({ length: KEYS }, (_, at) => aRecord(`k${at}`));
      /** Sessions that may have expired by themselves. Lists contain them until they are swept. */
      const expired = new Set<string>();
      let left = OPERATIONS / 2;
      let secretHashes = 0;

      const someGroups = () => GROUPS.filter(() => random.chance(0.3));
      const later = () => Date.now() + random.between(60_000, 600_000);
      const step = async (): Promise<void> => {
        const store = random.pick(stores);
        const record = random.pick(records);
        const roll = random.next();
        if (roll < 0.3) {
          // If the id is in use, the create is rejected.
          const fresh = { ...record, groups: someGroups(), expiresAt: random.chance(0.1) ? NEVER : later() };
          await store.create(fresh).catch((error: Error) => {
            renew(record);
            throw error;
          });
        } else if (roll < 0.5) {
          const join = someGroups();
          const leave = someGroups().filter((group) => !join.includes(group));
          await store.update(record, { set: { n: String(secretHashes++) }, join, leave });
        } else if (roll < 0.62) {
          const from = (await store.read(record.id))?.expiresAt ?? 0;
          await store.update(record, { touch: { from, to: later() }, join: someGroups() });
        } else if (roll < 0.72) {
          const soon = random.chance(0.1);
          if (soon) {
            // An expired id is never reused for another session.
            expired.add(record.id);
            const at = records.indexOf(record);
            if (at >= 0) records[at] = aRecord(randomUUID());
          }
          const expiresAt = soon
            ? Date.now() + random.pick([-20, 60, 90])
            : random.chance(0.2)
              ? NEVER
              : later();
          await store.update(record, { expiresAt });
        } else if (roll < 0.82) {
          const presented = (await store.read(record.id))?.secretHash ?? 'none';
          await store.rotate(record, presented, `secret hash ${secretHashes++}`, random.pick([0, 20, 1000]));
        } else if (roll < 0.93) {
          if (random.chance(0.5)) await store.destroy(record.id);
          else await store.regenerate(record.id);
          renew(record);
        } else if (roll < 0.96) {
          await store.clear(random.pick(GROUPS), random.chance(0.3) ? [record.id] : []);
        } else if (roll < 0.98) {
          await store.count(random.pick(GROUPS));
        } else {
          await paged(store, random.pick(GROUPS));
        }
      };
      // A session that has ended makes place for another one.
      const inUse = (error: Error) => {
        if (!error.message.includes('in use by another session')) throw error;
      };
      const renew = ({ id }: SessionRecord) => {
        const at = records.findIndex((one) => one.id === id);
        if (at >= 0) records[at] = aRecord(randomUUID());
      };
      try {
        await Promise.all(
          Array.from({ length: IN_FLIGHT }, async () => {
            while (left-- > 0) await step().catch(inUse);
          }),
        );
        // Sessions that are about to expire must not do so between two of the checks below.
        await eventually(async () => {
          const ending = await Promise.all([...expired].map((id) => stores[0].read(id)));
          return ending.every((record) => !record || record.expiresAt > Date.now() + 30_000);
        });
        const live = await agreement(stores[0], await primaries(), prefix, { expired });
        expect(live.size).toBeGreaterThan(10);
        expect(await agreement(stores[1], await primaries(), prefix, { expired })).toEqual(live);
        expect(await stores[0].clear()).toBe(live.size);
        expect(await stores[1].count()).toBe(0);
      } finally {
        await Promise.all(stores.map((store) => store.close()));
      }
    },
    600_000,
  );

  it('clear every session that was in a group before, however they change meanwhile', async () => {
    const random = new Random(3);
    const prefix = randomUUID();
    const stores = await twoStores(prefix);
    const rounds = process.env['LONG'] ? 100 : 6;
    try {
      for (let round = 0; round < rounds; round++) {
        const members = Array.from({ length: 60 }, (_, at) => aRecord(`${round} ${at}`, { groups: ['g'] }));
        await Promise.all(members.map((record) => random.pick(stores).create(record)));
        const clear = { done: false };
        const background = Array.from({ length: 8 }, async () => {
          while (!clear.done) {
            const record = random.pick(members);
            const store = random.pick(stores);
            const change: (() => Promise<unknown>)[] = [
              () => store.update(record, { join: ['g', 'h'], set: { b: '1' } }),
              () => store.update(record, { expiresAt: Date.now() + random.between(60_000, 600_000) }),
              () => store.update(record, { touch: { from: record.expiresAt, to: record.expiresAt + 1000 } }),
              () => store.rotate(record, record.secretHash, randomUUID(), 0),
              () => store.create(aRecord(randomUUID(), { groups: ['g'] })),
            ];
            await random.pick(change)();
          }
        });
        await random.pick(stores).clear('g');
        const survivors = await Promise.all(members.map(({ id }) => stores[0].read(id)));
        clear.done = true;
        await Promise.all(background);
        expect(survivors.filter((one): one is SessionRecord => one !== undefined)).toEqual([]);
        await agreement(stores[1], await primaries(), prefix);
        await stores[0].clear();
      }
    } finally {
      await Promise.all(stores.map((store) => store.close()));
    }
  }, 600_000);
});
