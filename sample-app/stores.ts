import type { ConfigService } from '@nestjs/config';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';

/** What `STORE` may be. */
const stores = new Map<string, (config: ConfigService) => SessionStore>([
  ['cluster', () => new ClusterStore()],
  [
    'mongo',
    (config) => new MongoStore({ uri: config.get('MONGO_URL', 'mongodb://127.0.0.1:27017/sample-app') }),
  ],
  ['redis', (config) => new RedisStore({ url: config.get('REDIS_URL', 'redis://127.0.0.1:6379') })],
]);

export const storeNames = [...stores.keys()];

export function createStore(config: ConfigService): SessionStore {
  return stores.get(config.getOrThrow('STORE'))!(config);
}
