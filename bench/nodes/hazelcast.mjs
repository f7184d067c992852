// A Hazelcast cluster, with the calls of maps that its client sends to each member.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { startHazelcast } from '../../test/servers/hazelcast.mjs';
import { CLIENT_GREETING, IS_MAP, Messages } from '../../test/servers/hazelcast.messages.mjs';
import { TIMEOUT } from '../stores/ours.mjs';

const CHANNEL = 'net.client.socket';

/** @param {number} size the number of members */
export async function hazelcastNodes(size) {
  const { clusterName, addresses, stop } = await startHazelcast({ members: size });
  const ports = addresses.map((address) => Number(address.split(':')[1]));
  const counts = ports.map(() => 0);
  const count = ({ socket }) => countCalls(socket, (port) => counts[ports.indexOf(port)]++);
  subscribe(CHANNEL, count);
  const config = { clusterName, network: { clusterMembers: addresses } };
  const newStore = () => new HazelcastStore({ config, timeout: TIMEOUT });
  return {
    newStore,
    store: newStore(),
    counts: async () => [...counts],
    async stop() {
      unsubscribe(CHANNEL, count);
      await stop();
    },
  };
}

function countCalls(socket, add) {
  const messages = new Messages(CLIENT_GREETING.length);
  // Not before: when a socket connects, Node.js restores its `write`.
  socket.once('connect', () => {
    const { write, remotePort } = socket;
    socket.write = (chunk, ...rest) => {
      for (const { type } of messages.completedBy(Buffer.from(chunk)))
        if (type >> 16 === IS_MAP) add(remotePort);
      return write.call(socket, chunk, ...rest);
    };
  });
}
