// The servers that all specs of a run share: those whose addresses are set in the environment, otherwise new ones.
// A spec that stops or freezes a server must start a separate one.
import { command, startMongoSet } from './mongo.mjs';
import { versionOfHazelcast } from './hazelcast.client.mjs';
import { startHazelcast } from './hazelcast.mjs';
import { call, startRedis, startRedisCluster } from './redis.mjs';

/**
 * @template Address
 * @typedef {object} Shared
 * @property {Address} address
 * @property {string} line a description of what runs
 * @property {() => Promise<void>} stop
 */

/** @returns {Promise<Shared<{ url: string }>>} */
export async function sharedRedis() {
  const given = process.env.REDIS_URL;
  const server = given ? undefined : await startRedis();
  const url = given ?? server.url;
  const version = await versionOf(url, 'REDIS_URL');
  return {
    address: { url },
    line: `redis ${version} (${server?.origin ?? 'REDIS_URL'}) on ${new URL(url).host}`,
    stop: async () => server?.stop(),
  };
}

/** @returns {Promise<Shared<{ nodes: { host: string, port: number }[] }>>} */
export async function sharedRedisCluster() {
  const given = process.env.REDIS_CLUSTER_NODES;
  const cluster = given ? undefined : await startRedisCluster();
  const nodes = cluster ? cluster.nodes.map(({ host, port }) => ({ host, port })) : parsed(given);
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`);
  const version = await versionOf(`redis://${addresses[0]}`, 'REDIS_CLUSTER_NODES');
  const origin = cluster?.nodes[0].origin ?? 'REDIS_CLUSTER_NODES';
  return {
    address: { nodes },
    line: `redis cluster ${version} (${origin}) on ${addresses.join(', ')}`,
    stop: async () => cluster?.stop(),
  };
}

/** @returns {Promise<Shared<{ url: string }>>} */
export async function sharedMongo() {
  const given = process.env.MONGO_URL;
  const set = given ? undefined : await startMongoSet();
  const url = given ?? set.url;
  const { version } = await command(url, { buildInfo: 1 }).catch((error) => {
    throw new Error(`MongoDB is unreachable, see MONGO_URL: ${error.message}`, { cause: error });
  });
  const [, hosts] = /^[^/]*\/\/(?:[^@/]*@)?([^/?]*)/.exec(url);
  return {
    address: { url },
    line: `mongo ${version} (${set?.nodes[0].origin ?? 'MONGO_URL'}) on ${hosts}`,
    stop: async () => set?.stop(),
  };
}

/**
 * @param {{ heap?: string, collector?: 'Serial' | 'G1' }} [options] as of `startHazelcast`, for new members
 * @returns {Promise<Shared<{ clusterName: string, members: string[] }>>}
 */
export async function sharedHazelcast(options) {
  const given = process.env.HAZELCAST_ADDRESSES;
  const cluster = given ? undefined : await startHazelcast({ members: 2, ...options });
  const members = cluster?.addresses ?? given.split(',').map((address) => address.trim());
  const clusterName = cluster?.clusterName ?? (process.env.HAZELCAST_CLUSTER_NAME || 'dev');
  const version = await versionOfHazelcast({ clusterName, members });
  return {
    address: { clusterName, members },
    line: `hazelcast ${version} (${cluster?.members[0].origin ?? 'HAZELCAST_ADDRESSES'}) on ${members.join(', ')}`,
    stop: async () => cluster?.stop(),
  };
}

function parsed(addresses) {
  return addresses.split(',').map((address) => {
    const { hostname: host, port } = new URL(`redis://${address.trim()}`);
    return { host, port: Number(port) };
  });
}

async function versionOf(url, variable) {
  try {
    const [, version] = /redis_version:(\S+)/.exec(await call(url, 'INFO', 'server'));
    return version;
  } catch (error) {
    throw new Error(`Redis is unreachable on ${new URL(url).host}, see ${variable}: ${error.message}`, {
      cause: error,
    });
  }
}
