import type { CallHandler } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Observable } from 'rxjs';
import type { HandlerWork, Transport } from './transport.js';

/** A message that a gateway handles with a session. Handlers find it by its socket. */
export interface GatewayMessage extends HandlerWork {
  /** The socket of the message. */
  readonly client: unknown;
  /** Runs the handler, and saves the session before its first response and at its end. */
  handled(handler: CallHandler): Observable<unknown>;
}

const running = new AsyncLocalStorage<GatewayMessage>();

/** Runs `work`, and everything that it starts, in the context of a message. */
export function runMessage<T>(message: GatewayMessage, work: () => T): T {
  return running.run(message, work);
}

/** Handlers of a gateway's messages, on sockets that `withSessions` has given sessions. */
export const sockets: Transport<GatewayMessage> = {
  workOf(context) {
    const message = running.getStore();
    return message?.client === context.switchToWs().getClient() ? message : undefined;
  },
  whyNone: () =>
    'This socket has no session. Write app.useWebSocketAdapter(withSessions(new IoAdapter(app), app)) in main.ts, with withSessions from nestjs-session-stores/sockets',
  settle: (message, handler) => (message ? message.handled(handler) : handler.handle()),
};
