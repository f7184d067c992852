import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterStore, type ClusterStoreOptions } from 'nestjs-session-stores/stores/cluster';
import { onTestFinished } from 'vitest';

/** The path of a directory that does not exist yet. Removed when the test is over. */
export async function aDirectory(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'sessions-'));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return join(parent, 'kept');
}

/** An open store. Closed when the test is over. */
export async function openStore(options: ClusterStoreOptions): Promise<ClusterStore> {
  const store = new ClusterStore(options);
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

/** Does some work with a store that is closed after it, as in a process that ends. */
export async function inProcess<T>(
  options: ClusterStoreOptions,
  work: (store: ClusterStore) => Promise<T>,
): Promise<T> {
  const store = new ClusterStore(options);
  await store.open();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
