import { managerOf, type Connection, type ConnectionManager } from './internals.js';

const guarded = new WeakSet<Connection>();
/** How many stores watch for new connections of a client. */
const watching = new WeakMap<ConnectionManager, number>();

/**
 * Makes a client close a connection as soon as a write to it fails. Returns how to stop that for connections to come.
 * Does nothing if the client does not have the parts that are needed.
 *
 * If a write fails before the socket reports an error, the `PipelinedWriter` of hazelcast-client (lib/network/
 * Connection.js) destroys the socket, which then reports nothing. The connection stays in the registry as if it were
 * alive. If it is the one with the cluster view listener, and no other connection is left, then `tryRegister` and
 * `tryRegisterToRandomConnection` (lib/listener/ClusterViewListenerService.js) call each other on it by
 * `process.nextTick` forever, so that the event loop never turns again. It happens when all members crash while this
 * process is suspended or busy.
 */
export function closeBrokenConnections(client: object): () => void {
  const manager = managerOf(client);
  if (!manager) return () => {};
  const others = watching.get(manager) ?? 0;
  watching.set(manager, others + 1);
  if (others === 0) manager.on('connectionAdded', guard);
  for (const connection of manager.getConnectionRegistry().getConnections()) guard(connection);
  return () => {
    const left = watching.get(manager)! - 1;
    watching.set(manager, left);
    if (left === 0) manager.off('connectionAdded', guard);
  };
}

function guard(connection: Connection): void {
  const { writer } = Object(connection) as Partial<Connection>;
  if (typeof writer?.close !== 'function' || typeof connection.close !== 'function') return;
  if (guarded.has(connection)) return;
  guarded.add(connection);
  const close = writer.close.bind(writer);
  writer.close = (cause) => {
    close(cause);
    // Does nothing if the connection itself is closing the writer.
    connection.close('A write failed', cause);
  };
}
