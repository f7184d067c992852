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
import { reasonIn } from '../session/conditions.js';
import { isStoreError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionConfig } from '../session/config.js';
import type { Connection, OpenConnection } from '../session/connections.js';
import type { Session } from '../session/session.js';
import type { SessionWork } from '../session/work.js';
import type { ResolvedIdentity } from '../token/identity.js';
import type { Token } from '../token/token.js';
import { SocketExchange } from './exchange.js';
import { SessionMessage } from './message.js';

export type Handlers = Parameters<WebSocketAdapter['bindMessageHandlers']>[1];
export type Handler = Handlers[number];

/** The tokens of a handshake, and the identity that read them. */
export interface Presented {
  by: ResolvedIdentity;
  tokens: readonly Token[];
}

/** A socket of Socket.IO or of `ws`. */
export interface RawSocket {
  /** Socket.IO's handshake. */
  request?: IncomingMessage;
  /** Socket.IO's connection, which the sockets of all namespaces share. */
  conn?: { close(): void };
  close?(code: number, reason: string): void;
  once(event: string, listener: () => void): void;
}

/** The part of its server that a socket uses. */
export interface SocketHost {
  /** Closes a connection when its session has ended: one of these, which are read after this. */
  register(connection: Connection, ids: readonly string[]): OpenConnection;
  /** Registers work that needs the store, so that the server waits for it before it closes. */
  during(work: Promise<unknown>): void;
}

/** How many messages of one socket may wait for the store. Further ones are rejected. */
const MOST_WAITING = 1000;

/**
 * How long a handler may run after its client has left or its app is closing, in milliseconds. Its changes are saved.
 */
export const LET_FINISH = 5_000;

/** The close code of RFC 6455 for a violation of the server's policy. */
const POLICY_VIOLATION = 1008;

const ENDED = 'the session has ended, or its secret was replaced. Connect again';
const TOO_MANY = 'too many messages at once. Wait for responses';

/** A socket, and the tokens that it presented at its handshake. */
export class SessionSocket {
  readonly #host: SocketHost;
  readonly #config: SessionConfig;
  readonly #client: RawSocket;
  readonly #handshake: IncomingMessage;
  readonly #presented: Presented;
  #admitting: Promise<readonly Token[]> | undefined;
  #open: OpenConnection | undefined;
  /** The token of its session. */
  #token: Token | undefined;
  #closed = false;
  /** Whether its session has ended: no message is handled any more. */
  #gone = false;
  /** How many messages wait for the store. */
  #waiting = 0;
  #lastRead: Promise<unknown> = Promise.resolve();
  #nextRead: Promise<SessionRecord | undefined> | undefined;

  constructor(
    host: SocketHost,
    config: SessionConfig,
    client: RawSocket,
    handshake: IncomingMessage,
    presented: Presented,
  ) {
    this.#host = host;
    this.#config = config;
    this.#client = client;
    this.#handshake = handshake;
    this.#presented = presented;
  }

  /** Looks up the socket's session, and closes the socket when the session has ended. */
  open(): void {
    if (this.#presented.tokens.length === 0) return;
    const forget = (): void => {
      this.#closed = true;
      this.#open?.release();
    };
    this.#client.once(this.#client.conn ? 'disconnect' : 'close', forget);
    // If the store is unreachable, the first message tries again.
    this.#tokens().catch(() => {});
  }

  /** The token of the socket's session, then the remaining tokens of the handshake. Empty if it has no session. */
  #tokens(): Promise<readonly Token[]> {
    return (this.#admitting ??= this.#admit().catch((error: unknown) => {
      this.#admitting = undefined;
      throw error;
    }));
  }

  async #admit(): Promise<readonly Token[]> {
    const { tokens } = this.#presented;
    if (tokens.length === 0) return tokens;
    if (this.#closed) return [];
    this.#open ??= this.#host.register(
      { held: () => this.#token, end: () => this.#close() },
      tokens.map(({ id }) => id),
    );
    const { work } = this.#exchange();
    await work.load(tokens);
    const { held } = work;
    const at = tokens.findIndex(({ id, secretHash }) => id === held?.id && secretHash === held.secretHash);
    if (at < 0) {
      this.#open.release();
      return [];
    }
    this.#token = tokens[at];
    this.#open.begin();
    return tokens.slice(at);
  }

  /**
   * The session as it is stored now; `undefined` if there is none or it cannot be read. Does not reject: nothing
   * catches a rejection of `handleConnection`, so an outage of the store would end the process.
   */
  async session(): Promise<Session | undefined> {
    const { work, holder } = this.#exchange();
    try {
      if (await this.#take(work)) return holder.session as Session;
    } catch (error) {
      this.#config.logger.error('the session of a socket could not be read', error);
    }
    return undefined;
  }

  /**
   * Starts a message's work, with the session as it is stored now. Does not reject: the message rejects its handler.
   */
  async begin(): Promise<SessionMessage> {
    const exchange = this.#exchange();
    const waits = (work: Promise<unknown>): void => this.#wait(work);
    try {
      if (this.#waiting >= MOST_WAITING) throw new WsException(TOO_MANY);
      const loading = this.#load(exchange.work);
      waits(loading);
      await loading;
      return new SessionMessage(this.#client, exchange, waits);
    } catch (error) {
      return new SessionMessage(this.#client, exchange, waits, { error });
    }
  }

  async #load(work: SessionWork): Promise<void> {
    try {
      const isTaken = await this.#take(work);
      this.#config.conditions.end('unreachable');
      if (isTaken) return;
    } catch (error) {
      if (this.#config.onStoreError === 'fail' || !isStoreError(error)) throw error;
      this.#config.conditions.begin(
        'unreachable',
        `messages are handled without a session: ${reasonIn(error)}`,
      );
      return work.startAnonymous(error);
    }
    if (this.#gone) throw new WsException(ENDED);
    work.start();
  }

  /** Begins a work with the socket's session. Resolves to whether there is one. */
  async #take(work: SessionWork): Promise<boolean> {
    const [token, ...others] = await this.#tokens();
    if (!token) return false;
    const record = await this.#read(token.id);
    // A socket cannot present a new secret, and keeps its session through a rotation.
    if (record && this.#open?.admits(record) && work.take(token, record, others)) return true;
    this.#gone = true;
    return false;
  }

  #wait(work: Promise<unknown>): void {
    this.#waiting++;
    const done = (): void => void this.#waiting--;
    work.then(done, done);
  }

  /** An exchange for one message. A socket's messages are handled in parallel, each with a session object of its own. */
  #exchange(): SocketExchange {
    return new SocketExchange(this.#config, this.#presented.by, this.#handshake);
  }

  /**
   * Reads the session, starting now or later. One read runs at a time. All messages that arrive during it share the
   * next one, so a flood of messages is not a flood of reads.
   */
  #read(id: string): Promise<SessionRecord | undefined> {
    if (this.#nextRead) return this.#nextRead;
    const read = this.#lastRead.then(() => {
      this.#nextRead = undefined;
      return this.#config.store.read(id);
    });
    this.#lastRead = read.catch(() => {});
    this.#nextRead = read;
    return read;
  }

  /** The handler of an event, run with a session. */
  wrap(handler: Handler): Handler {
    return { ...handler, callback: (...args: unknown[]) => this.#responses(handler, args) };
  }

  /** Handles one message, and emits its responses. */
  #responses(handler: Handler, args: unknown[]): Observable<unknown> {
    return new Observable((client) => {
      if (this.#closed) return client.complete();
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
        void this.begin().then((begun) => {
          message = begun;
          // The client left before its message was begun.
          if (client.closed) return resolve();
          handling = begun.run(() =>
            this.#handled(handler, begun, args).subscribe({
              next: (response) => {
                responded = true;
                client.next(response);
                if (client.closed) stop();
              },
              error: (error: unknown) => client.error(error),
              complete: () => {
                client.complete();
                if (this.#gone || begun.sessionEnded) this.#close();
              },
            }),
          );
          handling.add(() => {
            over = true;
            resolve();
          });
        });
      });
      this.#host.during(finished);
      return () => {
        if (over || !handling) return;
        if (responded) return stop();
        // A promise cannot be stopped: its handler's further changes are saved, as after an aborted request.
        const timer = setTimeout(stop, LET_FINISH).unref();
        handling.add(() => clearTimeout(timer));
      };
    });
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

  /** Closes the connection. Socket.IO's clients then connect again by themselves, with their current cookie. */
  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#open?.release();
    const { conn } = this.#client;
    if (conn) conn.close();
    else this.#client.close?.(POLICY_VIOLATION, ENDED);
  }
}
