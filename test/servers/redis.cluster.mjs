import { call, flags, startRedis } from './redis.server.mjs';
import { until } from './until.mjs';

/** @typedef {import('./server.mjs').Server} Server */

/** Short, so that a failover is quick, but not so short that a busy machine causes needless failovers. */
const NODE_TIMEOUT = 1_500;
const SLOTS = 16_384;
const WITHIN = 20_000;

/**
 * Starts primaries, three by default, and a replica of the first. Waits until all of them serve all slots.
 *
 * @param {{ size?: number, isReplicated?: boolean }} [options] the number of primaries, and whether there is a replica
 * @returns {Promise<{ nodes: Server[], primaries: Server[], replica: Server, stop(): Promise<void> }>}
 */
export async function startRedisCluster({ size = 3, isReplicated = true } = {}) {
  const args = flags({
    'cluster-enabled': 'yes',
    'cluster-announce-ip': '127.0.0.1',
    'cluster-node-timeout': NODE_TIMEOUT,
  });
  const count = isReplicated ? size + 1 : size;
  const nodes = await Promise.all(Array.from({ length: count }, () => startRedis({ args })));
  const [first] = nodes;
  const primaries = nodes.slice(0, size);
  const replica = nodes[size];
  await Promise.all(primaries.map((node, at) => claimSlots(node, at, primaries.length)));
  for (const node of nodes.slice(1)) await call(first.url, 'CLUSTER', 'MEET', node.host, node.port);
  if (isReplicated) await replicate(first, replica);
  await until(
    async () => (await Promise.all(nodes.map((node) => isReady(node, count, isReplicated)))).every(Boolean),
    {
      within: WITHIN,
      what: 'each node of the Redis Cluster serves all slots and knows the replica',
    },
  );
  return {
    nodes,
    primaries,
    replica,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function claimSlots(node, at, of) {
  const [low, high] = [at, at + 1].map((part) => Math.floor((part * SLOTS) / of));
  const slots = Array.from({ length: high - low }, (_, index) => low + index);
  await call(node.url, 'CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
  await call(node.url, 'CLUSTER', 'ADDSLOTS', ...slots);
}

/** A node can only replicate a node that it knows. */
async function replicate(primary, replica) {
  const id = await call(primary.url, 'CLUSTER', 'MYID');
  await until(async () => (await call(replica.url, 'CLUSTER', 'REPLICATE', id)) === 'OK', {
    within: WITHIN,
    what: 'the replica of the Redis Cluster knows its primary',
  });
  await until(async () => /state=online/.test(await call(primary.url, 'INFO', 'replication')), {
    within: WITHIN,
    what: 'the replica of the Redis Cluster is in sync',
  });
}

async function isReady(node, count, isReplicated) {
  const [info, nodes] = await Promise.all([
    call(node.url, 'CLUSTER', 'INFO'),
    call(node.url, 'CLUSTER', 'NODES'),
  ]);
  const knowsAll =
    info.includes(`cluster_known_nodes:${count}`) && (!isReplicated || /\bslave\b/.test(nodes));
  return info.includes('cluster_state:ok') && knowsAll;
}
