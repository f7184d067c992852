export { fromExpressStore, type ExpressStoreOptions } from './store.js';
