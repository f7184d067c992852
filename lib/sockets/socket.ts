import type { WebSocketAdapter } from '@nestjs/common';
import { BaseWsExceptionFilter, WsException } from '@nestjs/websockets';
import type { IncomingMessage } from 'node:http';
import {
  catchError,
  defer,
  EMPTY,
  from,
  isObservable,
  mergeMap,
  Observable,
  of,
  type Subscription,
} from 'rxjs';
import type { SocketExchange } from '../handshake/exchange.js';
import type { Gatekeeper } from '../handshake/gatekeeper.js';
import { RejectedMessage, type SocketSession } from '../handshake/session.js';
import { LET_FINISH, type SocketSessions } from '../handshake/socket-sessions.js';
import type { Session } from '../session/session.js';
import { SessionMessage } from './message.js';

export type Handlers = Parameters<WebSocketAdapter['bindMessageHandlers']>[1];
export type Handler = Handlers[number];

/** A socket of Socket.IO or of `ws`. */
export interface RawSocket {
  /** Socket.IO's handshake. */
  request?: IncomingMessage;
  /** Socket.IO's connection, which the sockets of all namespaces share. */
  conn?: { close(): void };
  close?(code: number, reason: string): void;
  once(event: string, listener: () => void): void;
}

/** The close code of RFC 6455 for a violation of the server's policy. */
const POLICY_VIOLATION = 1008;

const sockets = new WeakMap<object, GatewaySocket>();

/** The gateway's socket of a client; `undefined` if no gatekeeper admitted it. */
export function socketOf(client: object): GatewaySocket | undefined {
  return sockets.get(client);
}

/** Gives a client its session. Called by each gateway of a server for each client; only the first call counts. */
export function openSocket(
  client: RawSocket,
  handshake: IncomingMessage,
  gatekeeper: Gatekeeper,
  sessions: SocketSessions,
): void {
  if (sockets.has(client)) return;
  const session = gatekeeper.admit(handshake, () => close(client), unansweredOn(client));
  sockets.set(client, new GatewaySocket(client, session, sessions));
  if (!session.hasTokens) return;
  client.once(client.conn ? 'disconnect' : 'close', () => session.leave());
  session.open();
}

/** The messages without a response, by Socket.IO's connections, each of which has sockets in several namespaces. */
const unanswered = new WeakMap<object, Set<SocketExchange>>();

function unansweredOn({ conn }: RawSocket): Set<SocketExchange> | undefined {
  if (!conn) return undefined;
  const known = unanswered.get(conn) ?? new Set<SocketExchange>();
  unanswered.set(conn, known);
  return known;
}

/** Closes a connection. Socket.IO's clients then connect again by themselves, with their current cookie. */
function close(client: RawSocket): void {
  if (client.conn) client.conn.close();
  else client.close?.(POLICY_VIOLATION, new RejectedMessage('ended').message);
}

/** A socket of a gateway, whose handlers run with its session. */
export class GatewaySocket {
  readonly #client: RawSocket;
  readonly #session: SocketSession;
  readonly #sessions: SocketSessions;

  constructor(client: RawSocket, session: SocketSession, sessions: SocketSessions) {
    this.#client = client;
    this.#session = session;
    this.#sessions = sessions;
  }

  /** The session as it is stored now; `undefined` if there is none or it cannot be read. Does not reject. */
  session(): Promise<Session | undefined> {
    return this.#session.read();
  }

  /** The handler of an event, run with a session. */
  wrap(handler: Handler): Handler {
    return { ...handler, callback: (...args: unknown[]) => this.#responses(handler, args) };
  }

  /** Handles one message, and emits its responses. */
  #responses(handler: Handler, args: unknown[]): Observable<unknown> {
    return new Observable((client) => {
      if (this.#session.isClosed) return client.complete();
      let over = false;
      let responded = false;
      let message: SessionMessage | undefined;
      let handling: Subscription | undefined;
      const stop = (): void => {
        if (over) return;
        handling?.unsubscribe();
        message?.commitUnseen();
      };
      const finished = new Promise<void>((resolve) => {
        const exchange = this.#session.exchange();
        const finish = (): void => {
          over = true;
          this.#session.finish(exchange);
          resolve();
        };
        void this.#begin(exchange).then((begun) => {
          message = begun;
          // The client left before its message was begun.
          if (client.closed) return finish();
          handling = begun.run(() =>
            this.#handled(handler, begun, args).subscribe({
              next: (response) => {
                client.next(response);
                if (!responded) this.#session.answered(exchange);
                responded = true;
                if (client.closed) stop();
              },
              error: (error: unknown) => client.error(error),
              complete: () => client.complete(),
            }),
          );
          handling.add(finish);
        });
      });
      this.#sessions.during(finished);
      return () => {
        if (over || !handling) return;
        if (responded) return stop();
        // A promise cannot be stopped: its handler's further changes are saved, as after an aborted request.
        const timer = setTimeout(stop, LET_FINISH).unref();
        handling.add(() => clearTimeout(timer));
      };
    });
  }

  /** Starts a message's work. Does not reject: the message rejects its handler. */
  async #begin(exchange: SocketExchange): Promise<SessionMessage> {
    const waits = (work: Promise<unknown>): void => this.#session.wait(work);
    try {
      await this.#session.begin(exchange);
      return new SessionMessage(this.#client, exchange, waits);
    } catch (error) {
      const rejection = error instanceof RejectedMessage ? new WsException(error.message) : error;
      return new SessionMessage(this.#client, exchange, waits, { error: rejection });
    }
  }

  /** The responses of Nest's handler, each after the session was saved. */
  #handled(handler: Handler, message: SessionMessage, args: unknown[]): Observable<unknown> {
    const held = args.map((arg) =>
      typeof arg === 'function' ? message.acknowledgement(arg as (...values: unknown[]) => void) : arg,
    );
    const responses = defer(() => from(Promise.resolve(handler.callback(...held)))).pipe(
      mergeMap((response: unknown) => (isObservable(response) ? response : of(response))),
    );
    // Guards, and interceptors outside of ours, may have changed the session too. No filter is left for that commit.
    return message.saved(responses).pipe(
      catchError((error: unknown) => {
        if (!message.isFailure(error)) throw error;
        new BaseWsExceptionFilter().handleError(this.#client as never, error as Error, {
          pattern: handler.message,
          data: args[0],
        });
        return EMPTY;
      }),
    );
  }
}
