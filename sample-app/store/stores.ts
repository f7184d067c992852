import type { ConfigService } from '@nestjs/config';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

/** What `STORE` may be. Drivers are loaded when they are wanted: some take long, and workers must start quickly. */
const stores = new Map<string, (config: ConfigService) => SessionStore | Promise<SessionStore>>([
  ['cluster', () => new ClusterStore()],
  [
    'redis',
    async (config) => {
      const { RedisStore } = await import('nestjs-session-stores/stores/redis');
      return new RedisStore({ url: config.get('REDIS_URL', 'redis://127.0.0.1:6379') });
    },
  ],
  [
    'mongo',
    async (config) => {
      const { MongoStore } = await import('nestjs-session-stores/stores/mongo');
      return new MongoStore({ uri: config.get('MONGO_URL', 'mongodb://127.0.0.1:27017/sample-app') });
    },
  ],
  ['hazelcast', async (config) => (await import('./hazelcast.store.js')).hazelcastStore(config)],
]);

export const storeNames = [...stores.keys()];

export async function createStore(config: ConfigService): Promise<SessionStore> {
  return stores.get(config.getOrThrow('STORE'))!(config);
}
