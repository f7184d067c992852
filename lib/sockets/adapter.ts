import type { INestApplicationContext, Type, WebSocketAdapter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { IncomingMessage } from 'node:http';
import { checkNoOthers } from '../contract/option-checks.js';
import { AllowedOrigins } from '../http/origins.js';
import { addresseeOf } from '../nest/handshake.js';
import { SESSION_CONFIG } from '../nest/session.module-definition.js';
import type { SessionConfig } from '../session/config.js';
import { OpenConnections } from '../session/connections.js';
import type { Session } from '../session/session.js';
import { Gatekeeper, socketOf } from './gatekeeper.js';
import type { RawSocket, Handlers } from './socket.js';

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
  const gatekeeper = new Gatekeeper(
    ofModule<SessionConfig>(app, SESSION_CONFIG),
    ofModule(app, OpenConnections),
    new AllowedOrigins(origins),
    (handshake) => addresseeOf(app.get(HttpAdapterHost, { strict: false }).httpAdapter, handshake),
  );
  wrapped.add(adapter);
  const { bindClientConnect, bindMessageHandlers, dispose, close } = adapter as Adapter;
  const added: Partial<Adapter> = {
    bindClientConnect(server, callback) {
      return bindClientConnect.call(adapter, server, (client: RawSocket, ...rest: unknown[]) => {
        gatekeeper.admit(client, client.request ?? (rest[0] as IncomingMessage));
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
      await gatekeeper.finish();
      return dispose.call(adapter);
    };
  } else {
    added.close = async (server) => {
      await close.call(adapter, server);
      await gatekeeper.finish();
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

/** A provider of `SessionModule`. */
function ofModule<T>(app: INestApplicationContext, token: Type<T> | symbol): T {
  try {
    return app.get<T>(token, { strict: false });
  } catch (cause) {
    throw new TypeError(
      'withSessions(adapter, app) needs SessionModule in the app. Import SessionModule.forRoot({ secret }) in the root module',
      { cause },
    );
  }
}
