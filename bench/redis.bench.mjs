// RedisStore beside connect-redis, on one server: the stores' calls, and an Express app on each.
import { startRedis } from '../test/servers/redis.mjs';
import { compareHttp } from './http/compare.mjs';
import { compareCalls } from './stores/calls.mjs';
import { redisStores } from './stores/redis.mjs';

export const title = 'Redis: calls of a store, and what a request costs';

export async function run() {
  const server = await startRedis();
  try {
    const contenders = {};
    for (const name in redisStores) contenders[name] = await redisStores[name](server.url);
    await compareCalls(contenders);
    for (const contender of Object.values(contenders)) await contender.close();

    const [ours, ...peers] = Object.keys(redisStores);
    console.log('\nOver HTTP, 32 connections; CPU is the app process alone.\n');
    await compareHttp(['no session', ...peers, ours], { sizes: [700], url: server.url });
  } finally {
    await server.stop();
  }
}
