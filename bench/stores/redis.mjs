// The stores that keep sessions in Redis.
import { Redis } from 'ioredis';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { TIMEOUT, ours } from './ours.mjs';
import { peer, theirs } from './theirs.mjs';

/** Functions that make a store on the server at `url`, by name. */
export const stores = {
  RedisStore: ({ url }) => ours(new RedisStore({ url, timeout: TIMEOUT })),

  async 'connect-redis 8'({ url }) {
    const { RedisStore: Theirs } = peer('connect-redis-8');
    const client = new Redis(url);
    return theirs(new Theirs({ client }), async () => client.disconnect());
  },

  async 'connect-redis 9'({ url }) {
    const { RedisStore: Theirs } = await import(peer.resolve('connect-redis-9'));
    const client = peer('redis').createClient({ url });
    await client.connect();
    return theirs(new Theirs({ client, prefix: 'sess9:' }), async () => client.destroy());
  },
};
