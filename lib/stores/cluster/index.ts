export { ClusterStore, type ClusterStoreOptions } from './store.js';
export { serveSessions, type ServeSessionsOptions, type SessionServing } from './server.js';
