export { MongoStore, type MongoStoreOptions } from './store.js';
export type { MongoConnectionOptions } from './connection.js';
