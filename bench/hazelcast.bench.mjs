// Compares HazelcastStore with hazelcast-store on two members: the calls of the stores, and an Express app on each.
import { startHazelcast } from '../test/servers/hazelcast.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'Hazelcast: the cost of store calls and of requests';

export async function run() {
  const cluster = await startHazelcast({ members: 2 });
  try {
    console.log(
      'hazelcast-store has no touch, and its writes neither detect nor report changes by others.\n',
    );
    await compareStores('hazelcast', { clusterName: cluster.clusterName, members: cluster.addresses });
  } finally {
    await cluster.stop();
  }
}
