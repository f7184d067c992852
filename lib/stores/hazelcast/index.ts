export { HazelcastStore, type HazelcastStoreOptions } from './hazelcast.store.js';
export type { HazelcastConnectionOptions } from './hazelcast.connection.js';
export type { ReplicaMap, ReplicatedSession, SessionBean } from './hazelcast.replica.js';
