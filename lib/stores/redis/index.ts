export { RedisStore, type RedisStoreOptions } from './redis.store.js';
export type { RedisConnectionOptions } from './redis.connection.js';
