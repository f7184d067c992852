import type { ConfigService } from '@nestjs/config';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

/** What `STORE` may be. */
const stores = new Map<string, (config: ConfigService) => SessionStore>([
  ['cluster', () => new ClusterStore()],
]);

export const storeNames = [...stores.keys()];

export function createStore(config: ConfigService): SessionStore {
  return stores.get(config.getOrThrow('STORE'))!(config);
}
