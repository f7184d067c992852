import { isExpressStore, missingMethods } from '../contract/shapes.js';
import type { SessionStore } from '../contract/store.js';

/** The store in `store`, recognised by its methods: a class from another copy of the package is another class. */
export function checkStore(store: unknown): SessionStore {
  if (store === undefined) {
    throw new TypeError(
      'store is required: store: new ClusterStore(), from nestjs-session-stores/stores/cluster',
    );
  }
  if (typeof Object(store).then === 'function') {
    throw new TypeError('store must be a store, not a promise of one: await it, in forRootAsync');
  }
  const missing = missingMethods(store);
  if (missing.length > 0 && isExpressStore(store)) {
    throw new TypeError(
      'store is one for express-session: wrap it, store: fromExpressStore(store), from nestjs-session-stores/stores/express',
    );
  }
  if (missing.length > 0) {
    throw new TypeError(
      `store must be a SessionStore such as new ClusterStore(), but it has no ${missing.join(', ')}: pass an instance of a class that extends SessionStore`,
    );
  }
  return store as SessionStore;
}
