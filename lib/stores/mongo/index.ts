export { MongoStore, type MongoStoreOptions } from './mongo.store.js';
export type { MongoConnectionOptions } from './mongo.connection.js';
