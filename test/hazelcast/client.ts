import { Client, type ClientConfig } from 'hazelcast-client';
import { inject } from 'vitest';

export type HazelcastClient = Awaited<ReturnType<typeof Client.newHazelcastClient>>;

/** A client of the run's cluster that logs nothing. `network` says how to reach it; by default directly. */
export function connect(network?: ClientConfig['network']): Promise<HazelcastClient> {
  const { clusterName, members } = inject('hazelcast');
  return Client.newHazelcastClient({
    clusterName,
    network: network ?? { clusterMembers: members },
    properties: { 'hazelcast.logging.level': 'OFF' },
  });
}
