import { randomUUID } from 'node:crypto';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { sessionStoreLaws } from 'nestjs-session-stores/testing';
import { describe, inject, it } from 'vitest';

const server = { url: inject('redis').url };
const cluster = { cluster: inject('redisCluster') };

function keepsTheLaws(options: RedisStoreOptions): void {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, async () => {
      const prefix = `${randomUUID()}:`;
      const stores = [
        new RedisStore({ ...options, prefix }),
        new RedisStore({ ...options, prefix }),
      ] as const;
      try {
        for (const store of stores) await store.open();
        await law.holds(stores);
      } finally {
        for (const store of stores) await store.close();
      }
    });
  }
}

describe('two stores on one server keep the law', () => {
  keepsTheLaws(server);
});

describe('two stores on a Redis Cluster keep the law', () => {
  keepsTheLaws(cluster);
});
