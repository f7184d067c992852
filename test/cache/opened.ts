import { CachedStore, type CachedStoreOptions, type SessionRecord } from 'nestjs-session-stores/store';
import { onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { HeldStore } from './held.store.js';

/** An open cache around a store, in which the session `k` was read. Closed after the test. */
export async function opened(
  inner = new HeldStore(),
  options?: CachedStoreOptions,
): Promise<{ inner: HeldStore; store: CachedStore; record: SessionRecord }> {
  const store = new CachedStore(inner, options);
  await store.open();
  onTestFinished(() => store.close());
  await store.create(aRecord('k'));
  return { inner, store, record: (await store.read('k'))! };
}
