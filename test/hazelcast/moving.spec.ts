import { randomUUID } from 'node:crypto';
import type { IMap } from 'hazelcast-client';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { connect, type HazelcastClient } from './client.js';

type Queries = Pick<IMap<string, unknown>, 'keySetWithPredicate' | 'aggregateWithPredicate'>;

let client: HazelcastClient;

beforeAll(async () => {
  client = await connect();
});
afterAll(() => client?.shutdown());

/**
 * A client whose queries with an index miss every session, as those of a member may while its partitions leave. The
 * first partition is seen to move during the first query. Counts the queries.
 */
function missing(): { client: HazelcastClient; queries: () => number } {
  let queries = 0;
  const service = client.getPartitionService();
  const [one, other] = client.getCluster().getMembers();
  const getPartitionOwner = (partition: number) =>
    partition > 0 ? service.getPartitionOwner(partition) : queries > 0 ? one!.uuid : other!.uuid;
  const getMap = async (name: string) => {
    const map = await client.getMap<string, unknown>(name);
    return Object.assign(Object.create(map) as IMap<string, unknown>, {
      keySetWithPredicate: async (predicate) => (queries++ > 0 ? map.keySetWithPredicate(predicate) : []),
      aggregateWithPredicate: async (aggregator, predicate) =>
        queries++ > 0 ? map.aggregateWithPredicate(aggregator, predicate) : (0 as never),
    } satisfies Queries);
  };
  const moving = Object.create(client, {
    getMap: { value: getMap },
    getPartitionService: {
      value: () => Object.assign(Object.create(service) as object, { getPartitionOwner }),
    },
  }) as HazelcastClient;
  return { client: moving, queries: () => queries };
}

/** A store whose first query misses every session, with a map of its own, so that one query reaches all of them. */
async function aStore(): Promise<{ store: HazelcastStore; queries: () => number }> {
  const { client: moving, queries } = missing();
  const mapName = randomUUID();
  const store = new HazelcastStore({ client: moving, maps: [{ mapName }] });
  await store.open();
  onTestFinished(async () => {
    await store.close();
    await (await client.getMap(mapName)).destroy();
  });
  await Promise.all(['a', 'b', 'c'].map((id) => store.create(aRecord(id, { groups: ['g'] }))));
  return { store, queries };
}

describe('while partitions move, no session is missed by', () => {
  const g = { group: 'g', limit: 10 };
  it.each<[string, (store: HazelcastStore) => Promise<number>]>([
    ['a page of a group', async (store) => (await store.page(g)).records.length],
    ['a page of all', async (store) => (await store.page({ limit: 10 })).records.length],
    ['a count of a group', (store) => store.count('g')],
    ['a count of all', (store) => store.count()],
    ['a clear of a group', (store) => store.clear('g')],
    ['a clear of all', (store) => store.clear()],
  ])('%s', async (_, call) => {
    const { store, queries } = await aStore();
    expect(await call(store)).toBe(3);
    expect(queries()).toBeGreaterThan(1);
  });
});

it.each([
  ['a group', 'g'],
  ['all', undefined],
])('while partitions move, a clear of %s ends the sessions that were regenerated too', async (_, group) => {
  const { store, queries } = await aStore();
  await store.regenerate('a');
  expect(await store.clear(group)).toBe(2);
  expect(await store.haveEnded(['a'])).toBe(true);
  expect(queries()).toBeGreaterThan(1);
});
