import type { IncomingMessage, Server } from 'node:http';
import type { SocketSessions } from '../handshake/socket-sessions.js';

const BY_HANDSHAKE = new WeakMap<IncomingMessage, SocketSessions>();

/**
 * The sessions of the app whose HTTP server upgraded a connection. `undefined` if the app has no `SessionModule`, or if
 * no listener upgraded it.
 */
export function sessionsFor(handshake: IncomingMessage): SocketSessions | undefined {
  return BY_HANDSHAKE.get(handshake);
}

/**
 * Lets `sessionsFor` find the sessions of a server's upgrades. A handshake alone does not lead to its app: Fastify
 * listens with a server for each address of `localhost`, of which its adapter knows the first.
 */
export function provideUpgrades(server: Server | undefined, sessions: SocketSessions): void {
  if (!server) return;
  const provide = (handshake: IncomingMessage): void => void BY_HANDSHAKE.set(handshake, sessions);
  if (server.listenerCount('upgrade') > 0) return void server.prependListener('upgrade', provide);
  // Not without another listener: Node handles an upgrade as a request while there is none. A listener that is added
  // here runs before the one that is being added.
  const watch = (event: string | symbol): void => {
    if (event !== 'upgrade') return;
    server.off('newListener', watch);
    server.on('upgrade', provide);
  };
  server.on('newListener', watch);
}
