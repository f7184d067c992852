import { isExpressStore, missingMethods } from '../contract/shapes.js';
import type { SessionStore } from '../contract/store.js';

/** Checks the option `store`. A store is recognised by its methods: another copy of this package has other classes. */
export function checkStore(store: unknown): SessionStore {
  if (store === undefined) {
    throw new TypeError(
      'store is required: write store: new ClusterStore(), from nestjs-session-stores/stores/cluster',
    );
  }
  if (typeof Object(store).then === 'function') {
    throw new TypeError('store must be a store, not a promise of one: await it in forRootAsync');
  }
  if (typeof store !== 'object' || store === null) {
    throw new TypeError(
      `store must be a SessionStore, not ${store === null ? 'null' : `a ${typeof store}`}: write store: new RedisStore({ url }), or an instance of another store`,
    );
  }
  const missing = missingMethods(store);
  if (missing.length > 0 && isExpressStore(store)) {
    throw new TypeError(
      'store must not be a store for express-session: write store: fromExpressStore(store), from nestjs-session-stores/stores/express',
    );
  }
  if (missing.length > 0) {
    throw new TypeError(
      `store must be a SessionStore, but it has no ${missing.join(', ')}: write new ClusterStore(), or an instance of another class that extends SessionStore`,
    );
  }
  return store as SessionStore;
}
