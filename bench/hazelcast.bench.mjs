// HazelcastStore beside hazelcast-store, on two members: the stores' calls, and an Express app on each.
import { startHazelcast } from '../test/servers/hazelcast.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'Hazelcast: calls of a store, and what a request costs';

export async function run() {
  const cluster = await startHazelcast({ members: 2 });
  try {
    console.log(
      'hazelcast-store has no touch, and its writes neither look for what others wrote nor tell.\n',
    );
    await compareStores('hazelcast', { clusterName: cluster.clusterName, members: cluster.addresses });
  } finally {
    await cluster.stop();
  }
}
