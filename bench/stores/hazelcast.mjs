// The stores that keep sessions in Hazelcast.
import { Client } from 'hazelcast-client';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { TIMEOUT, ours } from './ours.mjs';
import { peer, theirs } from './theirs.mjs';

/** Functions that make a store on a cluster, by name. */
export const stores = {
  HazelcastStore: ({ clusterName, members }) =>
    ours(
      new HazelcastStore({ config: { clusterName, network: { clusterMembers: members } }, timeout: TIMEOUT }),
    ),

  async 'hazelcast-store 1'({ clusterName, members }) {
    const client = await Client.newHazelcastClient({
      clusterName,
      network: { clusterMembers: members },
      properties: { 'hazelcast.logging.level': 'OFF' },
    });
    const Theirs = peer('hazelcast-store')(peer('express-session'));
    const store = new Theirs({ mapName: 'Theirs' });
    store.setClient(client);
    return theirs(store, () => client.shutdown());
  },
};
