import type { CallHandler } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Observable } from 'rxjs';
import type { SessionIncomingMessage } from '../session/work.js';

/** A message that a gateway handles with a session. The decorator and the interceptor find it by its socket. */
export interface GatewayMessage {
  /** The socket of the message. */
  readonly client: unknown;
  /** Has the session at `session`, as a request does. Throws for a message that is rejected. */
  readonly req: SessionIncomingMessage;
  /** Runs the handler, and saves the session before its first response and at its end. */
  handled(handler: CallHandler): Observable<unknown>;
}

const running = new AsyncLocalStorage<GatewayMessage>();

/** Runs `work`, and everything that it starts, in the context of a message. */
export function runMessage<T>(message: GatewayMessage, work: () => T): T {
  return running.run(message, work);
}

/** The message of `client` in whose context this runs; `undefined` if there is none, or sockets have no sessions. */
export function messageOf(client: unknown): GatewayMessage | undefined {
  const message = running.getStore();
  return message?.client === client ? message : undefined;
}
