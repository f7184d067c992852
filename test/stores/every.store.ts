import { randomUUID } from 'node:crypto';
import type { ClientConfig } from 'hazelcast-client';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { inject } from 'vitest';

/** Every store that ships, on the run's servers: by its word, how to make one whose sessions are its own. */
export const everyStore: [word: string, make: () => SessionStore][] = [
  ['cluster', () => new ClusterStore({ name: randomUUID() })],
  ['redis', () => new RedisStore({ ...inject('redis'), prefix: `${randomUUID()}:` })],
  ['mongo', () => new MongoStore({ uri: inject('mongo').url, collection: randomUUID() })],
  ['hazelcast', () => new HazelcastStore({ config: hazelcastConfig(), prefix: `${randomUUID()}:` })],
];

function hazelcastConfig(): ClientConfig {
  const { clusterName, members } = inject('hazelcast');
  return { clusterName, network: { clusterMembers: members } };
}
