import { call, startRedis, startSentinel } from './redis.server.mjs';
import { until } from './until.mjs';

/** @typedef {import('./server.mjs').Server} Server */

const NAME = 'sessions';

/**
 * Starts a primary, its replica, and three Sentinels with a quorum of two, and waits until they all know each other.
 * `name` is the name of the primary for the Sentinels.
 *
 * @returns {Promise<{ name: string, nodes: Server[], primary: Server, replica: Server, sentinels: Server[], stop(): Promise<void> }>}
 */
export async function startRedisSentinel() {
  const primary = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', primary.host, String(primary.port)] });
  // Sentinels query a primary for its replicas only every ten seconds.
  await until(async () => /state=online/.test(await call(primary.url, 'INFO', 'replication')), {
    within: 20_000,
    what: 'the replica is in sync',
  });
  const config = [
    `sentinel monitor ${NAME} ${primary.host} ${primary.port} 2`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 2000`,
  ].join('\n');
  const sentinels = await Promise.all(Array.from({ length: 3 }, () => startSentinel(config)));
  await until(async () => (await Promise.all(sentinels.map(knowsAll))).every(Boolean), {
    within: 20_000,
    what: 'the Sentinels know the replica and each other',
  });
  const nodes = [primary, replica, ...sentinels];
  return {
    name: NAME,
    nodes,
    primary,
    replica,
    sentinels,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function knowsAll(sentinel) {
  return /status=ok,.*slaves=1,sentinels=3/.test(await call(sentinel.url, 'INFO', 'sentinel'));
}
