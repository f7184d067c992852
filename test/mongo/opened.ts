import { MongoStore, type MongoStoreOptions } from 'nestjs-session-stores/stores/mongo';
import { onTestFinished } from 'vitest';

/** A store that is open until the end of the test. */
export async function opened(options: MongoStoreOptions): Promise<MongoStore> {
  const store = new MongoStore(options);
  onTestFinished(() => store.close());
  await store.open();
  return store;
}
