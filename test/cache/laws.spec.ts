import { randomUUID } from 'node:crypto';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { CachedStore, type SessionStore } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, inject, it } from 'vitest';
import { sharedStores } from './shared.stores.js';

/** Two that are quick, and the one that needs the hints of records. The others take half a minute. */
const QUICK = ['cluster', 'redis', 'hazelcast'];

const every: [name: string, make: (namespace: string) => SessionStore][] = [
  ...sharedStores,
  ['redis in a Cluster', (name) => new RedisStore({ cluster: inject('redisCluster'), prefix: `${name}:` })],
];
const around = process.env['LONG'] ? every : every.filter(([name]) => QUICK.includes(name));

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
