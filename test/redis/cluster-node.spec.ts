import { randomUUID } from 'node:crypto';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { expect, inject, it, onTestFinished } from 'vitest';

const { nodes } = inject('redisCluster');

// One of them has the slot of the only shard of such a store.
it.each(nodes)('a node of a Cluster, %o, is rejected as a single server', async ({ host, port }) => {
  const store = new RedisStore({ url: `redis://${host}:${port}`, prefix: `${randomUUID()}:` });
  onTestFinished(() => store.close());
  await expect(store.open()).rejects.toThrow(
    '[session:redis] open: the server is a node of a Redis Cluster. Use `cluster`, or pass a Cluster as `client`',
  );
});
