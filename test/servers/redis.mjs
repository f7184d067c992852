import { Redis } from 'ioredis';
import { contained, firstOf, installed, unpacked } from './programs.mjs';
import { Server } from './server.mjs';
import { until } from './until.mjs';

/** @typedef {import('./programs.mjs').Program} Program */

/** As quick as a failover can be without one that nobody asked for, on a machine that does other things too. */
const NODE_TIMEOUT = 1_500;
const SLOTS = 16_384;

/**
 * Starts a Redis that keeps nothing on disk.
 *
 * @param {{ args?: string[], program?: Program }} [options] `args` come last, so they win
 * @returns {Promise<Server>}
 */
export async function startRedis({ args = [], program } = {}) {
  return Server.start({
    program: program ?? (await redisProgram()),
    args: ({ port, folder }) => [
      ...flags({ port, bind: '127.0.0.1', dir: folder }),
      ...flags({ save: '', appendonly: 'no', 'repl-diskless-sync-delay': 0 }),
      ...args,
    ],
    url: (port) => `redis://127.0.0.1:${port}`,
    ready: async ({ url }) => (await call(url, 'PING')) === 'PONG',
  });
}

/**
 * Starts three primaries and one replica, of the first, and waits until all of them serve all slots.
 *
 * @returns {Promise<{ nodes: Server[], primaries: Server[], replica: Server, stop(): Promise<void> }>}
 */
export async function startRedisCluster() {
  const args = flags({
    'cluster-enabled': 'yes',
    'cluster-announce-ip': '127.0.0.1',
    'cluster-node-timeout': NODE_TIMEOUT,
  });
  const nodes = await Promise.all(Array.from({ length: 4 }, () => startRedis({ args })));
  const [first, second, third, replica] = nodes;
  const primaries = [first, second, third];
  await Promise.all(primaries.map((node, at) => claimSlots(node, at, primaries.length)));
  for (const node of nodes.slice(1)) await call(first.url, 'CLUSTER', 'MEET', node.host, node.port);
  const firstId = await call(first.url, 'CLUSTER', 'MYID');
  await until(() => succeeds(call(replica.url, 'CLUSTER', 'REPLICATE', firstId)), {
    within: 20_000,
    what: 'the replica of the Redis Cluster knows its primary',
  });
  await until(async () => (await isInSync(first)) && (await all(nodes, servesAllSlots)), {
    within: 20_000,
    what: 'all nodes of the Redis Cluster serve all slots',
  });
  return { nodes, primaries, replica, stop: () => stopAll(nodes) };
}

async function claimSlots(node, at, of) {
  const [low, high] = [at, at + 1].map((part) => Math.floor((part * SLOTS) / of));
  const slots = Array.from({ length: high - low }, (_, index) => low + index);
  await call(node.url, 'CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
  await call(node.url, 'CLUSTER', 'ADDSLOTS', ...slots);
}

async function servesAllSlots(node) {
  const [info, nodes] = await Promise.all([
    call(node.url, 'CLUSTER', 'INFO'),
    call(node.url, 'CLUSTER', 'NODES'),
  ]);
  return /cluster_state:ok/.test(info) && /cluster_known_nodes:4/.test(info) && /\bslave\b/.test(nodes);
}

async function isInSync(primary) {
  return /slave0:.*state=online/.test(await call(primary.url, 'INFO', 'replication'));
}

/**
 * Calls a Redis over a connection of its own, which does not outlive the call.
 *
 * @param {string} url
 * @param {string} command
 * @param {...(string | number)} args
 * @returns {Promise<any>}
 */
export async function call(url, command, ...args) {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    retryStrategy: () => null,
  });
  let reason;
  redis.on('error', (error) => (reason = error));
  try {
    await redis.connect();
    return await redis.call(command, ...args);
  } catch (error) {
    throw reason ?? error;
  } finally {
    redis.disconnect();
  }
}

const flags = (settings) => Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
const succeeds = (promise) => promise.then(() => true);
const stopAll = async (servers) => void (await Promise.all(servers.map((server) => server.stop())));
const all = async (servers, check) => (await Promise.all(servers.map(check))).every(Boolean);

/** @type {Promise<Program> | undefined} */
let found;
const redisProgram = () =>
  (found ??= firstOf(
    {
      'Docker engine': () => contained('redis', 'redis-server'),
      'installed program': () => installed('redis-server'),
      'Debian package': () =>
        unpacked('redis', { command: 'redis-server', packages: ['redis-server', 'redis-tools'] }),
    },
    'Give the address of one as REDIS_URL (and of a cluster as REDIS_CLUSTER_NODES), start Docker, or install redis-server.',
  ));
