// MongoStore beside connect-mongo, on a replica set of one: the stores' calls, and an Express app on each.
import { startMongoSet } from '../test/servers/mongo.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'MongoDB: calls of a store, and what a request costs';

export async function run() {
  const server = await startMongoSet();
  try {
    console.log(
      'Ours waits for the majority and the journal with each write; connect-mongo does as the server, here the same.\n',
    );
    await compareStores('mongo', { url: server.url });
  } finally {
    await server.stop();
  }
}
