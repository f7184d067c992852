import { MongoStore } from 'connect-mongo';
import { RedisStore } from 'connect-redis';
import { createClient } from 'redis';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { openStore } from '../stores/open.store.mjs';

/**
 * The store of a predecessor: connect-redis or connect-mongo, or a store of this package by its word.
 *
 * @param {string} word
 * @param {any} options those of the store: `{ url, prefix }`, `{ mongoUrl, collectionName }`, or of this package
 */
export async function oldStore(word, options) {
  if (word === 'connect-redis') {
    const client = await createClient({ url: options.url }).connect();
    return fromExpressStore(new RedisStore({ client, prefix: options.prefix }));
  }
  if (word === 'connect-mongo') return fromExpressStore(MongoStore.create(options));
  return openStore(word, JSON.stringify(options));
}
