export { RedisStore, type RedisStoreOptions } from './store.js';
export type { RedisConnectionOptions } from './address.js';
