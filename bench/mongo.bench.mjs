// Compares MongoStore with connect-mongo on a replica set of one: the calls of the stores, and an Express app on each.
import { startMongoSet } from '../test/servers/mongo.mjs';
import { compareStores } from './stores/compare.mjs';

export const title = 'MongoDB: the cost of store calls and of requests';

export async function run() {
  const server = await startMongoSet();
  try {
    console.log(
      'Ours waits for the majority and the journal with each write; connect-mongo uses the default of the server, which is the same here.\n',
    );
    await compareStores('mongo', { url: server.url });
  } finally {
    await server.stop();
  }
}
