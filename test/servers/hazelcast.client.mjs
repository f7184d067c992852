import { Client } from 'hazelcast-client';

/**
 * Connects a plain client that gives up soon if the cluster is unreachable. Shut it down after use.
 *
 * @param {{ clusterName: string, members: string[] }} cluster
 * @returns {Promise<Client>}
 */
export function plainClient({ clusterName, members }) {
  return Client.newHazelcastClient({
    clusterName,
    network: { clusterMembers: members },
    connectionStrategy: { connectionRetry: { clusterConnectTimeoutMillis: 5_000 } },
    properties: { 'hazelcast.logging.level': 'OFF' },
  });
}

/**
 * The version that the members of a cluster run.
 *
 * @param {{ clusterName: string, members: string[] }} cluster
 * @returns {Promise<string>}
 */
export async function versionOfHazelcast(cluster) {
  try {
    const client = await plainClient(cluster);
    const [member] = client.getCluster().getMembers();
    await client.shutdown();
    return `${member.version.major}.${member.version.minor}.${member.version.patch}`;
  } catch (error) {
    const names = 'HAZELCAST_ADDRESSES and HAZELCAST_CLUSTER_NAME';
    throw new Error(`Hazelcast is unreachable, see ${names}: ${error.message}`, { cause: error });
  }
}
