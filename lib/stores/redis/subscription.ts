import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { isCluster } from './driver-options.js';

/** What a subscription reports. */
export interface Subscriber {
  /** Called with each message, and the index of its channel. */
  message(channel: number, text: string): void;
  /** The connection was closed, and messages are missed. */
  broken(): void;
}

/**
 * Never reconnects: whoever subscribes must know that messages were missed. An own connection, because one that
 * subscribes accepts no other commands.
 */
const ONCE: RedisOptions = {
  lazyConnect: true,
  retryStrategy: () => null,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  reconnectOnError: () => false,
};

/**
 * Subscribes to channels on a connection of its own, with the options of the store's; in a Cluster to any node, as every
 * node receives every message. Resolves to a function that closes it. Rejects if the server cannot be reached, or refuses.
 */
export async function subscribe(
  own: Redis | Cluster,
  channels: readonly string[],
  subscriber: Subscriber,
): Promise<() => void> {
  const connection = nodeOf(own).duplicate(ONCE);
  // The error of a failed call says more. A closed connection is reported by `end`.
  connection.on('error', () => {});
  try {
    await connection.connect();
    connection.on('message', (channel: string, text: string) =>
      subscriber.message(channels.indexOf(channel), text),
    );
    await connection.subscribe(...channels);
  } catch (error) {
    connection.disconnect();
    throw error;
  }
  let isClosed = false;
  connection.on('end', () => {
    if (!isClosed) subscriber.broken();
  });
  if (connection.status === 'end') subscriber.broken();
  return () => {
    isClosed = true;
    connection.disconnect();
  };
}

function nodeOf(own: Redis | Cluster): Redis {
  if (!isCluster(own)) return own;
  const nodes = own.nodes('master');
  const node = nodes[Math.floor(Math.random() * nodes.length)];
  if (!node) throw new Error('no node of the Cluster is known');
  return node;
}
