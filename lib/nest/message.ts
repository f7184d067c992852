import type { CallHandler } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Observable } from 'rxjs';
import type { SessionIncomingMessage } from '../session/work.js';

/** A message that a gateway handles with a session. Sockets run it; the decorator and the interceptor find it. */
export interface GatewayMessage {
  /** The socket that it came on. */
  readonly client: unknown;
  /** Holds the session, as a request does. Throws for a message that is rejected. */
  readonly req: SessionIncomingMessage;
  /** Runs the handler, and saves the session before its first response and at its end. */
  handled(handler: CallHandler): Observable<unknown>;
}

const running = new AsyncLocalStorage<GatewayMessage>();

/** Runs `work`, and everything that it starts, inside a message. */
export function runMessage<T>(message: GatewayMessage, work: () => T): T {
  return running.run(message, work);
}

/** The message of `client` that is being handled here; `undefined` if there is none, or sockets have no sessions. */
export function messageOf(client: unknown): GatewayMessage | undefined {
  const message = running.getStore();
  return message?.client === client ? message : undefined;
}
