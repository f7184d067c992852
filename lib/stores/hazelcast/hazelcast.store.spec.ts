import { randomUUID } from 'node:crypto';
import { Client, type ClientConfig } from 'hazelcast-client';
import { HazelcastStore, type HazelcastStoreOptions } from 'nestjs-session-stores/stores/hazelcast';
import { sessionStoreLaws } from 'nestjs-session-stores/testing';
import { afterAll, beforeAll, describe, inject, it } from 'vitest';

type HazelcastClient = Awaited<ReturnType<typeof Client.newHazelcastClient>>;

const { clusterName, members } = inject('hazelcast');
const config: ClientConfig = {
  clusterName,
  network: { clusterMembers: members },
  properties: { 'hazelcast.logging.level': 'OFF' },
};

let clients: [HazelcastClient, HazelcastClient];

beforeAll(async () => {
  clients = [await Client.newHazelcastClient(config), await Client.newHazelcastClient(config)];
});
afterAll(() => Promise.all(clients.map((client) => client.shutdown())));

/** Two stores of one prefix, each on a client of its own, for the time of `story`. */
async function withStores(
  options: Pick<HazelcastStoreOptions, 'maps' | 'timeout'>,
  story: (stores: readonly [HazelcastStore, HazelcastStore]) => Promise<void>,
): Promise<void> {
  const prefix = `${randomUUID()}:`;
  const [one, other] = clients.map((client) => new HazelcastStore({ ...options, client, prefix }));
  const stores = [one!, other!] as const;
  try {
    for (const store of stores) await store.open();
    await story(stores);
  } finally {
    for (const store of stores) await store.close();
  }
}

describe('two stores on a cluster of two members keep the law', () => {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, () => withStores({}, (stores) => law.holds(stores)));
  }
});
