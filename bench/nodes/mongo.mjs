// A replica set, with the commands that a store's driver sends to each member.
import mongoose from 'mongoose';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { startMongoSet } from '../../test/servers/mongo.mjs';
import { TIMEOUT } from '../stores/ours.mjs';

/** @param {number} size the number of members */
export async function mongoNodes(size) {
  const set = await startMongoSet({ size });
  const connection = await mongoose.createConnection(set.url, { monitorCommands: true }).asPromise();
  const addresses = set.nodes.map(({ host, port }) => `${host}:${port}`);
  const counts = addresses.map(() => 0);
  connection.getClient().on('commandStarted', ({ address, commandName }) => {
    if (commandName !== 'endSessions') counts[addresses.indexOf(address)]++;
  });
  return {
    newStore: () => new MongoStore({ uri: set.url, timeout: TIMEOUT }),
    store: new MongoStore({ connection, timeout: TIMEOUT }),
    counts: async () => [...counts],
    async stop() {
      await connection.close();
      await set.stop();
    },
  };
}
