import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as wait } from 'node:timers/promises';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { expect, inject, it, onTestFinished } from 'vitest';

const CHANNEL = 'net.client.socket';

// To read the slots, ioredis opens a connection each time.
it('an idle store of a Cluster does not open a connection each second', async () => {
  let opened = 0;
  const count = (): void => void opened++;
  subscribe(CHANNEL, count);
  onTestFinished(() => void unsubscribe(CHANNEL, count));
  const { nodes } = inject('redisCluster');
  const store = new RedisStore({ cluster: { nodes }, prefix: `${randomUUID()}:` });
  onTestFinished(() => store.close());
  await store.open();
  opened = 0;
  await wait(3_000);
  expect(opened).toBeLessThanOrEqual(1);
});
