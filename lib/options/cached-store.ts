import { resolveCache } from '../cache/options.js';
import { CachedStore } from '../cache/store.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';

/** A store with a cache, of this copy of the package or another. */
interface Caching {
  cached(id: string): SessionRecord | undefined;
}

/** The store with the cache of the option `cache`, or without one. Throws a `TypeError` if it is a cache already. */
export function withCache(store: SessionStore, cache: unknown): SessionStore {
  const resolved = resolveCache(cache);
  if (!resolved) return store;
  if (isCaching(store)) {
    throw new TypeError(
      'cache must not be set for a store that is a CachedStore: set its limits as new CachedStore(store, { maxSessions: 10_000 })',
    );
  }
  return new CachedStore(store, resolved.limits);
}

/** How the session layer reads from the cache of its store. */
export function cacheOf(
  store: SessionStore,
  cache: unknown,
): { cached: ((id: string) => SessionRecord | undefined) | undefined; cachesSockets: boolean } {
  const { sockets = false } = resolveCache(cache) ?? {};
  return { cached: isCaching(store) ? (id) => store.cached(id) : undefined, cachesSockets: sockets };
}

/** Whether a store is a cache, of any copy of this package. */
export function isCaching(store: unknown): store is Caching {
  return typeof (store as Partial<Caching>).cached === 'function';
}
