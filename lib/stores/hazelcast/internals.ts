import { problemOf } from './errors.js';

/** The private parts of a client that the store needs. They are the same in hazelcast-client 5.3 to 5.7. */
export interface Connection {
  close(reason: string, cause: Error): void;
  writer: { close(cause: Error): void };
  getRemoteUuid?(): object | null;
}
export interface ConnectionManager {
  getConnectionRegistry(): { getConnections(): Connection[] };
  on(event: ConnectionEvent, listener: (connection: Connection) => void): unknown;
  off(event: ConnectionEvent, listener: (connection: Connection) => void): unknown;
}
type ConnectionEvent = 'connectionAdded' | 'connectionRemoved';

/** The connections of a client; `undefined` if it does not have the parts that are needed. */
export function managerOf(client: object): ConnectionManager | undefined {
  const { getConnectionManager } = client as { getConnectionManager?: () => unknown };
  if (typeof getConnectionManager !== 'function') return undefined;
  const manager = getConnectionManager.call(client) as Partial<ConnectionManager> | undefined;
  const isKnown =
    typeof manager?.on === 'function' &&
    typeof manager.off === 'function' &&
    typeof manager.getConnectionRegistry === 'function' &&
    typeof manager.getConnectionRegistry().getConnections === 'function';
  return isKnown ? (manager as ConnectionManager) : undefined;
}

/** The members to which a client is connected. */
export function connectedOf(client: object): (string | undefined)[] {
  const connections = managerOf(client)?.getConnectionRegistry().getConnections() ?? [];
  return connections.map((connection) => connection.getRemoteUuid?.()?.toString());
}

/** Called with what has happened. */
type Observer = (what: string) => void;

/** Those that observe the connections of a client. It gets one listener for all of them. */
const observing = new WeakMap<ConnectionManager, { observers: Set<Observer>; stop(): void }>();

/**
 * Calls `changed` whenever a client opens or loses a connection, of which it tells no one if it has others. Returns how
 * to stop that. Throws if the client does not have the parts that are needed.
 */
export function observeConnections(client: object, changed: Observer): () => void {
  const manager = managerOf(client);
  if (!manager)
    throw problemOf('watch', 'this version of hazelcast-client does not tell when it loses a connection');
  const all = observing.get(manager) ?? observe(manager);
  observing.set(manager, all);
  all.observers.add(changed);
  return () => {
    if (!all.observers.delete(changed) || all.observers.size > 0) return;
    all.stop();
    observing.delete(manager);
  };
}

function observe(manager: ConnectionManager): { observers: Set<Observer>; stop(): void } {
  const observers = new Set<Observer>();
  const tell = (what: string) => () => {
    for (const observer of observers) observer(what);
  };
  const added = tell('a connection to a member was opened');
  const removed = tell('a connection to a member was lost');
  manager.on('connectionAdded', added);
  manager.on('connectionRemoved', removed);
  return {
    observers,
    stop() {
      manager.off('connectionAdded', added);
      manager.off('connectionRemoved', removed);
    },
  };
}

/**
 * Makes a client forget a listener that was removed. `deregisterListener` of its `ListenerService`
 * (lib/listener/ListenerService.js) keeps it, and adds it to each new connection.
 */
export function forgetListener(client: object, id: string): void {
  const { getListenerService } = client as { getListenerService?: () => unknown };
  if (typeof getListenerService !== 'function') return;
  const service = getListenerService.call(client) as { registrations?: unknown } | undefined;
  if (service?.registrations instanceof Map) service.registrations.delete(id);
}
