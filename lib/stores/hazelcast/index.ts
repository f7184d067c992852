export { HazelcastStore, type HazelcastStoreOptions } from './store.js';
export type { HazelcastConnectionOptions } from './connection.js';
export type { ReplicaMap, ReplicatedSession, SessionBean } from './replica.js';
