// Opens a store, with a client of its own or a given one, breaks its connections as a crash of all members may do while
// this process is suspended, and prints `works` when a read succeeds again.
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'hazelcast-client';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';

const [clusterName, members, whose] = process.argv.slice(2);
const config = {
  clusterName,
  network: { clusterMembers: members.split(',') },
  properties: { 'hazelcast.logging.level': 'OFF' },
};
const connectionStrategy = { reconnectMode: 'ASYNC', connectionRetry: { clusterConnectTimeoutMillis: -1 } };
const made = [];
const { newHazelcastClient } = Client;
Client.newHazelcastClient = async (...args) => {
  const client = await newHazelcastClient.apply(Client, args);
  made.push(client);
  return client;
};

const given = whose === 'given' && (await Client.newHazelcastClient({ ...config, connectionStrategy }));
const store = new HazelcastStore(given ? { client: given } : { config });
await store.open();

// The store's own client, and not one that only looked whether there are members.
const client = made.find((one) => one.getLifecycleService().isRunning());
const listening = client.clusterViewListenerService.listenerAddedConnection;
// A socket that is destroyed without an error reports none, as one whose write fails first.
for (const connection of client.getConnectionManager().getConnectionRegistry().getConnections()) {
  if (connection !== listening) connection.socket.destroy();
}
listening.close('broken', new Error('broken'));

while (
  !(await store.read('k').then(
    () => true,
    () => false,
  ))
)
  await wait(50);
console.log('works');
process.exit();
