export { ClusterStore, type ClusterStoreOptions } from './store.js';
export { serveSessions, type ServeSessionsOptions } from './server.js';
