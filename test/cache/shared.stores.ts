import type { ClientConfig } from 'hazelcast-client';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { inject } from 'vitest';

/** Every store, as the options by which two share the sessions of a namespace. */
export const optionsOf: Record<string, (namespace: string) => object> = {
  cluster: (name) => ({ name }),
  redis: (name) => ({ ...inject('redis'), prefix: `${name}:` }),
  mongo: (collection) => ({ uri: inject('mongo').url, collection }),
  hazelcast: (name) => ({ config: hazelcastConfig(), prefix: `${name}:` }),
};

/** Every store, as how to make one that shares the sessions of a namespace. */
export const sharedStores: [word: string, make: (namespace: string) => SessionStore][] = [
  ['cluster', (name) => new ClusterStore(optionsOf['cluster']!(name))],
  ['redis', (name) => new RedisStore(optionsOf['redis']!(name))],
  ['mongo', (name) => new MongoStore(optionsOf['mongo']!(name))],
  ['hazelcast', (name) => new HazelcastStore(optionsOf['hazelcast']!(name))],
];

function hazelcastConfig(): ClientConfig {
  const { clusterName, members } = inject('hazelcast');
  return { clusterName, network: { clusterMembers: members } };
}
