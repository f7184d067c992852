export { startRedisCluster } from './redis.cluster.mjs';
export { startRedisSentinel } from './redis.sentinel.mjs';
export { call, redisCli, startRedis } from './redis.server.mjs';
