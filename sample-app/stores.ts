import type { ConfigService } from '@nestjs/config';
import type { SessionStore } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { Visitor } from './visitor.bean.js';

/** What `STORE` may be. */
const stores = new Map<string, (config: ConfigService) => SessionStore>([
  ['cluster', () => new ClusterStore()],
  [
    'mongo',
    (config) => new MongoStore({ uri: config.get('MONGO_URL', 'mongodb://127.0.0.1:27017/sample-app') }),
  ],
  ['hazelcast', (config) => hazelcastStore(config)],
  ['redis', (config) => new RedisStore({ url: config.get('REDIS_URL', 'redis://127.0.0.1:6379') })],
]);

export const storeNames = [...stores.keys()];

export function createStore(config: ConfigService): SessionStore {
  return stores.get(config.getOrThrow('STORE'))!(config);
}

/** Other programs find in the map `Visitors` who is there, and need not know what a session is. */
function hazelcastStore(config: ConfigService): SessionStore {
  return new HazelcastStore({
    config: {
      clusterName: config.get('HAZELCAST_CLUSTER_NAME', 'dev'),
      network: { clusterMembers: config.get('HAZELCAST_ADDRESSES', '127.0.0.1:5701').split(',') },
    },
    maps: [{ mapName: 'Sessions' }, { mapName: 'Visitors', bean: Visitor }],
  });
}
