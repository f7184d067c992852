import type { INestApplicationContext, Type, WebSocketAdapter } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { checkNoOthers } from '../contract/options.js';
import { SESSION_CONFIG } from '../nest/session.module-definition.js';
import type { SessionConfig } from '../session/config.js';
import { SessionRecheck } from '../session/recheck.js';
import type { Session } from '../session/session.js';
import { Gatekeeper, socketOf } from './gatekeeper.js';
import { AllowedOrigins } from './origins.js';
import type { Client, Handlers } from './socket.js';

/** What `withSessions` takes. */
export interface SocketSessionOptions {
  /**
   * The origins, beside the server's own host, whose pages may open sockets that have a session: `['https://app.example.com']`.
   * Default: none. A browser on any other gets a socket without a session.
   */
  origins?: string[];
}

/** What an adapter may have beside what Nest demands. */
type Adapter = WebSocketAdapter & { dispose?: () => Promise<void> };

const wrapped = new WeakSet<object>();

/**
 * Gives the gateways of `adapter` sessions: `app.useWebSocketAdapter(withSessions(new IoAdapter(app), app))`. Returns the
 * adapter. Throws a `TypeError` for wrong options, and where `SessionModule` is not imported.
 */
export function withSessions<A extends WebSocketAdapter>(
  adapter: A,
  app: INestApplicationContext,
  options: SocketSessionOptions = {},
): A {
  if (wrapped.has(adapter))
    throw new TypeError('withSessions was called twice for one adapter: call it once');
  const { origins, ...others } = options;
  checkNoOthers('withSessions', others, 'origins');
  const gatekeeper = new Gatekeeper(
    ofModule<SessionConfig>(app, SESSION_CONFIG),
    ofModule(app, SessionRecheck),
    new AllowedOrigins(origins),
  );
  wrapped.add(adapter);
  const { bindClientConnect, bindMessageHandlers, dispose, close } = adapter as Adapter;
  const added: Partial<Adapter> = {
    bindClientConnect(server, callback) {
      return bindClientConnect.call(adapter, server, (client: Client, ...rest: unknown[]) => {
        gatekeeper.admit(client, client.request ?? (rest[0] as IncomingMessage));
        callback(client, ...rest);
      });
    },
    bindMessageHandlers(client: Client, handlers: Handlers, transform) {
      const socket = socketOf(client);
      const ours = socket ? handlers.map((handler) => socket.wrap(handler)) : handlers;
      return bindMessageHandlers.call(adapter, client, ours, transform);
    },
  };
  // An adapter has the one since Nest 9; one of the app's own may lack it, and is closed server by server.
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
 * The session of a socket, read afresh, where no message is handled: in `handleConnection`, or when something happens
 * elsewhere. `undefined` when it came without one, when that has ended, and when the store is away, which is logged.
 * Nothing is saved by itself: `await session.save()`. Throws for what is no socket of a gateway with sessions.
 */
export async function sessionOfSocket(client: object): Promise<Session | undefined> {
  const socket = socketOf(client);
  if (!socket) {
    throw new Error(
      'no session here: write app.useWebSocketAdapter(withSessions(new IoAdapter(app), app)) in main.ts, and hand in the socket that a gateway was given',
    );
  }
  return socket.session();
}

/** What `SessionModule` provides. */
function ofModule<T>(app: INestApplicationContext, token: Type<T> | symbol): T {
  try {
    return app.get<T>(token, { strict: false });
  } catch (cause) {
    throw new TypeError(
      'withSessions(adapter, app) needs sessions in the app: import SessionModule.forRoot({ secret }) in the root module',
      { cause },
    );
  }
}
