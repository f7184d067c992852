const stores = {
  cluster: () => import('nestjs-session-stores/stores/cluster').then(({ ClusterStore }) => ClusterStore),
  redis: () => import('nestjs-session-stores/stores/redis').then(({ RedisStore }) => RedisStore),
  mongo: () => import('nestjs-session-stores/stores/mongo').then(({ MongoStore }) => MongoStore),
  hazelcast: () =>
    import('nestjs-session-stores/stores/hazelcast').then(({ HazelcastStore }) => HazelcastStore),
};
const drivers = { redis: 'ioredis', mongo: 'mongoose', hazelcast: 'hazelcast-client' };

/** Opens a store, by its word and the JSON text of its options, without loading the other stores. */
export async function openStore(word, options) {
  // Otherwise `open` would load it, within its deadline.
  if (drivers[word]) await import(drivers[word]);
  const Store = await stores[word]();
  const store = new Store(JSON.parse(options));
  await store.open();
  return store;
}
