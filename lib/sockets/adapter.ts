import type { INestApplicationContext, WebSocketAdapter } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { checkNoOthers } from '../contract/option-checks.js';
import { Gatekeeper } from '../handshake/gatekeeper.js';
import { SocketSessions } from '../handshake/socket-sessions.js';
import { AllowedOrigins } from '../http/origins.js';
import type { Session } from '../session/session.js';
import { openSocket, socketOf, type RawSocket, type Handlers } from './socket.js';

/** How an app lists the origins of its other sites. */
const LIST_IT = "list it: withSessions(adapter, app, { origins: ['https://app.example.com'] })";

/** The options of `withSessions`. */
export interface SocketSessionOptions {
  /**
   * The origins, besides the server's own host, whose pages may open sockets with a session, such as
   * `['https://app.example.com']`. Default: none. A page of any other origin gets a socket without a session.
   */
  origins?: string[] | undefined;
}

/** An adapter, with the method that Nest does not require. */
type Adapter = WebSocketAdapter & { dispose?: () => Promise<void> };

const wrapped = new WeakSet<object>();

/**
 * Adds sessions to the gateways of an adapter: `app.useWebSocketAdapter(withSessions(new IoAdapter(app), app))`.
 * Returns the adapter. Throws a `TypeError` for invalid options, or if `SessionModule` is not imported.
 */
export function withSessions<A extends WebSocketAdapter>(
  adapter: A,
  app: INestApplicationContext,
  options: SocketSessionOptions = {},
): A {
  if (wrapped.has(adapter))
    throw new TypeError('withSessions was called twice with the same adapter. Call it once');
  const { origins, ...others } = options;
  checkNoOthers('withSessions', others, 'origins');
  const sessions = socketSessionsOf(app);
  const gatekeeper = new Gatekeeper(sessions, new AllowedOrigins(origins), LIST_IT);
  wrapped.add(adapter);
  const { bindClientConnect, bindMessageHandlers, dispose, close } = adapter as Adapter;
  const added: Partial<Adapter> = {
    bindClientConnect(server, callback) {
      return bindClientConnect.call(adapter, server, (client: RawSocket, ...rest: unknown[]) => {
        openSocket(client, client.request ?? (rest[0] as IncomingMessage), gatekeeper, sessions);
        callback(client, ...rest);
      });
    },
    bindMessageHandlers(client: RawSocket, handlers: Handlers, transform) {
      const socket = socketOf(client);
      const ours = socket ? handlers.map((handler) => socket.wrap(handler)) : handlers;
      return bindMessageHandlers.call(adapter, client, ours, transform);
    },
  };
  // Nest's adapters have `dispose` since Nest 9. An adapter of the app may lack it, and is then closed server by
  // server.
  if (dispose) {
    added.dispose = async () => {
      await sessions.finish();
      return dispose.call(adapter);
    };
  } else {
    added.close = async (server) => {
      await close.call(adapter, server);
      await sessions.finish();
    };
  }
  return Object.assign(adapter, added);
}

/**
 * Reads the session of a socket outside of a message, for example in `handleConnection`. Resolves to `undefined` if the
 * socket has no session, if the session has ended, or if the store is unreachable, which is logged. Changes are not
 * saved automatically: call `await session.save()`. Rejects if `client` is not a socket of a gateway with sessions.
 */
export async function sessionOfSocket(client: object): Promise<Session | undefined> {
  const socket = socketOf(client);
  if (!socket) {
    throw new Error(
      'This is not a socket with sessions. Write app.useWebSocketAdapter(withSessions(new IoAdapter(app), app)) in main.ts, and pass the socket that a gateway received',
    );
  }
  return socket.session();
}

function socketSessionsOf(app: INestApplicationContext): SocketSessions {
  try {
    return app.get(SocketSessions, { strict: false });
  } catch (cause) {
    throw new TypeError(
      'withSessions(adapter, app) needs SessionModule in the app. Import SessionModule.forRoot({ secret }) in the root module',
      { cause },
    );
  }
}
