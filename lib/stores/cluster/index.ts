export { ClusterStore, type ClusterStoreOptions } from './cluster.store.js';
export { serveSessions, type ServeSessionsOptions } from './cluster.server.js';
