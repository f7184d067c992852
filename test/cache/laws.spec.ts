import { randomUUID } from 'node:crypto';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { CachedStore } from 'nestjs-session-stores/store';
import { describe, it } from 'vitest';
import { sharedStores } from './shared.stores.js';

/** The simplest store, and the one that needs the hints of records. The others take longer, and differ in neither. */
const around = process.env['LONG']
  ? sharedStores
  : sharedStores.filter(([word]) => ['cluster', 'hazelcast'].includes(word));

describe.each(around)('a cache around the store %s', (_, make) => {
  it.concurrent.each(sessionStoreLaws)('keeps the law: $name', async (law) => {
    const namespace = randomUUID();
    const handles = [new CachedStore(make(namespace)), new CachedStore(make(namespace))] as const;
    try {
      for (const store of handles) await store.open();
      await law.holds(handles);
    } finally {
      for (const store of handles) await store.close();
    }
  });
});
