import { randomUUID } from 'node:crypto';
import { Client, type ClientConfig } from 'hazelcast-client';
import { HazelcastStore, type HazelcastStoreOptions } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, inject } from 'vitest';
import type { HazelcastClient } from './client.js';

export const MINUTE = 60_000;
export const MONTH = 30 * 24 * 60 * MINUTE;

type Stores = readonly [HazelcastStore, HazelcastStore];

/**
 * Two clients for the specs of a file, and what they do with them. The first one parses values, which is the default, and
 * the other does not. `clients` has them once the specs run.
 */
export function twoClients() {
  const { clusterName, members } = inject('hazelcast');
  const config: ClientConfig = {
    clusterName,
    network: { clusterMembers: members },
    properties: { 'hazelcast.logging.level': 'OFF' },
  };
  const clients = [] as unknown as [HazelcastClient, HazelcastClient];

  beforeAll(async () => {
    const serialization = { jsonStringDeserializationPolicy: 'NO_DESERIALIZATION' } as NonNullable<
      ClientConfig['serialization']
    >;
    clients.push(
      await Client.newHazelcastClient(config),
      await Client.newHazelcastClient({ ...config, serialization }),
    );
  });
  afterAll(() => Promise.all(clients.map((client) => client.shutdown())));

  /** Runs `story` with two stores of one prefix, each with its own client. */
  async function withStores(
    story: (stores: Stores, prefix: string) => Promise<void>,
    options: HazelcastStoreOptions = {},
  ): Promise<void> {
    const prefix = `${randomUUID()}:`;
    const [one, other] = clients.map((client) => {
      return new HazelcastStore({ ...(options.config ? {} : { client }), prefix, ...options });
    });
    const stores = [one!, other!] as const;
    try {
      for (const store of stores) await store.open();
      await story(stores, prefix);
    } finally {
      for (const store of stores) await store.close();
    }
  }

  /** The entry under a key, read without a store. */
  async function found(mapName: string, id: string): Promise<Record<string, unknown> | null> {
    return (await clients[0].getMap<string, Record<string, unknown>>(mapName)).get(id);
  }

  /** How long an entry lives, in milliseconds. */
  async function ttlOf(mapName: string, id: string): Promise<number> {
    const view = await (await clients[0].getMap<string, unknown>(mapName)).getEntryView(id);
    return view.ttl.toNumber();
  }

  return { config, clients, withStores, found, ttlOf };
}
