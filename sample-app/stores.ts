import type { ConfigService } from '@nestjs/config';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RedisStore } from 'nestjs-session-stores/stores/redis';

/** What `STORE` may be. */
const stores = new Map<string, (config: ConfigService) => SessionStore>([
  ['cluster', () => new ClusterStore()],
  ['redis', (config) => new RedisStore({ url: config.get('REDIS_URL', 'redis://127.0.0.1:6379') })],
]);

export const storeNames = [...stores.keys()];

export function createStore(config: ConfigService): SessionStore {
  return stores.get(config.getOrThrow('STORE'))!(config);
}
