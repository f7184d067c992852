// The stores that hold many sessions, each on a server of its own.
import { Redis } from 'ioredis';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { startHazelcast } from '../../test/servers/hazelcast.mjs';
import { startRedis } from '../../test/servers/redis.mjs';
import { rate } from '../figures.mjs';
import { ours } from './ours.mjs';

const FOREIGN = 200_000;
const SIZES = [1_000, 100_000, 1_000_000];

/** By name: the sizes to measure at, and what starts a store with what is beside its sessions. */
export const growing = {
  'ClusterStore, in one process': { sizes: SIZES, start: inMemory },
  RedisStore: { sizes: SIZES, start: inRedis },
  // A cluster for a million would take more room than a laptop has.
  'HazelcastStore, on two members': { sizes: [1_000, 20_000, 200_000], start: inHazelcast },
};

async function inMemory() {
  const contender = await ours(new ClusterStore());
  return { contender, stop: contender.close };
}

async function inRedis() {
  const server = await startRedis();
  const client = new Redis(server.url, { enableAutoPipelining: true });
  await rate(FOREIGN, 256, (index) => client.set(`foreign:${index}`, 'x'.repeat(100)));
  const contender = await ours(new RedisStore({ url: server.url }));
  return {
    contender,
    foreign: `${FOREIGN.toLocaleString('en')} keys of others`,
    async memory() {
      const [, bytes] = /used_memory:(\d+)/.exec(await client.info('memory'));
      return Number(bytes);
    },
    async stop() {
      await contender.close();
      client.disconnect();
      await server.stop();
    },
  };
}

async function inHazelcast() {
  const { clusterName, addresses, stop } = await startHazelcast({ members: 2, heap: '1500m' });
  const config = { clusterName, network: { clusterMembers: addresses } };
  const contender = await ours(new HazelcastStore({ config }));
  return {
    contender,
    async stop() {
      await contender.close();
      await stop();
    },
  };
}
