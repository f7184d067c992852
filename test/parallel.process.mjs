// A process that changes one session many times in parallel: `node parallel.process.mjs <store> <options>`. For each
// message it makes the changes, and sends back how many were acknowledged, and the errors of the others.
const [name, options] = process.argv.slice(2);
const stores = {
  redis: () => import('nestjs-session-stores/stores/redis').then(({ RedisStore }) => RedisStore),
  mongo: () => import('nestjs-session-stores/stores/mongo').then(({ MongoStore }) => MongoStore),
  hazelcast: () =>
    import('nestjs-session-stores/stores/hazelcast').then(({ HazelcastStore }) => HazelcastStore),
};
const drivers = { redis: 'ioredis', mongo: 'mongoose', hazelcast: 'hazelcast-client' };
// Otherwise `open` would load it, within its deadline.
await import(drivers[name]);
const Store = await stores[name]();
const store = new Store(JSON.parse(options));
await store.open();
process.on('message', async ({ id, changes }) => {
  const record = await store.read(id);
  const outcomes = await Promise.allSettled(changes.map((change) => store.update(record, change)));
  const errors = outcomes.flatMap(({ reason }) => (reason ? [reason.message] : []));
  const acknowledged = outcomes.filter(({ value }) => value !== undefined).length;
  process.send({ acknowledged, errors: [...new Set(errors)] });
});
process.on('disconnect', () => process.exit());
process.send('open');
