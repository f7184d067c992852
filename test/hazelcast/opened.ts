import { HazelcastStore, type HazelcastStoreOptions } from 'nestjs-session-stores/stores/hazelcast';
import { onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { FeedLedger } from '../stores/feed.ledger.js';

/** A store that is open until the end of the test, as soon as its members respond. */
export async function opened(options: HazelcastStoreOptions): Promise<HazelcastStore> {
  const store = new HazelcastStore(options);
  onTestFinished(() => store.close());
  await eventually(() => store.open(), { within: 30_000 });
  return store;
}

/** The ledger of a watcher until the end of the test, as soon as its members respond. */
export function listening(store: HazelcastStore): Promise<FeedLedger> {
  return eventually(() => FeedLedger.of(store), { within: 30_000 });
}
