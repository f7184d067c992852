// The stores that keep sessions in MongoDB, on the same driver.
import mongoose from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { TIMEOUT, ours } from './ours.mjs';
import { peer, theirs } from './theirs.mjs';

/** Functions that make a store on the server at `url`, by name. */
export const stores = {
  MongoStore: ({ url }) => ours(new MongoStore({ uri: url, timeout: TIMEOUT })),

  'connect-mongo 6': ({ url }) => connectMongo(url, {}),
};

/** Also with the lazy update of its README, which matters to apps only. */
export async function connectMongo(url, options) {
  const { MongoStore: Theirs } = peer('connect-mongo');
  const client = await mongoose.mongo.MongoClient.connect(url);
  const store = Theirs.create({ client, collectionName: 'theirs', ...options });
  return theirs(store, () => client.close());
}
