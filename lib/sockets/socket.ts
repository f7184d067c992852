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
import { isStoreError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionConfig } from '../session/config.js';
import type { Session } from '../session/session.js';
import { NO_TOKEN_ON_SOCKET, SessionRequest, type SessionIncomingMessage } from '../session/work.js';
import type { ResolvedIdentity } from '../token/identity.js';
import type { Token } from '../token/token.js';
import { SessionMessage } from './message.js';

export type Handlers = Parameters<WebSocketAdapter['bindMessageHandlers']>[1];
export type Handler = Handlers[number];

/** What a handshake came with. */
export interface Presented {
  by: ResolvedIdentity;
  tokens: readonly Token[];
}

/** A socket of Socket.IO or of `ws`. */
export interface Client {
  /** Socket.IO's handshake. */
  request?: IncomingMessage;
  /** Socket.IO's connection, which the sockets of all namespaces share. */
  conn?: { close(): void };
  close?(code: number, reason: string): void;
  once(event: string, listener: () => void): void;
}

/** What a socket needs of the server that it belongs to. */
export interface SocketHost {
  /** Calls `end`, once, when the session of a token has ended. Returns what stops that. */
  watch(token: Token, end: () => void): () => void;
  /** Counts work that the store is needed for. */
  during(work: Promise<unknown>): void;
}

/** How many messages of one socket may wait for the store at a time; those beyond are refused. */
const MOST_WAITING = 1000;

/** How long a handler may take whose client has gone, or whose app is closing, in milliseconds: what it changed is saved. */
export const LET_FINISH = 5_000;

/** The close code of RFC 6455 for what a server's rules do not allow. */
const POLICY_VIOLATION = 1008;

const ENDED = 'the session has ended, or its secret was replaced: connect again';
const TOO_MANY = 'too many messages at once: wait for answers';

/** A socket, with the token that it came with. */
export class SessionSocket {
  readonly #host: SocketHost;
  readonly #config: SessionConfig;
  readonly #client: Client;
  readonly #handshake: IncomingMessage;
  readonly #presented: Presented;
  #admitting: Promise<readonly Token[]> | undefined;
  #unwatch: (() => void) | undefined;
  #closed = false;
  /** Its session has ended: no message is handled any more. */
  #gone = false;
  /** How many messages wait for the store. */
  #waiting = 0;
  #lastRead: Promise<unknown> = Promise.resolve();
  #nextRead: Promise<SessionRecord | undefined> | undefined;

  constructor(
    host: SocketHost,
    config: SessionConfig,
    client: Client,
    handshake: IncomingMessage,
    presented: Presented,
  ) {
    this.#host = host;
    this.#config = config;
    this.#client = client;
    this.#handshake = handshake;
    this.#presented = presented;
  }

  /** Looks up which session it holds, and has it closed when that ends. */
  open(): void {
    if (this.#presented.tokens.length === 0) return;
    const forget = (): void => {
      this.#closed = true;
      this.#unwatch?.();
    };
    this.#client.once(this.#client.conn ? 'disconnect' : 'close', forget);
    // A store that is away is asked again by the first message.
    this.#tokens().catch(() => {});
  }

  /** Which tokens were good at the handshake, the first of them its session's; none when it has no session. */
  #tokens(): Promise<readonly Token[]> {
    return (this.#admitting ??= this.#admit().catch((error: unknown) => {
      this.#admitting = undefined;
      throw error;
    }));
  }

  async #admit(): Promise<readonly Token[]> {
    const { tokens } = this.#presented;
    if (tokens.length === 0) return tokens;
    const request = this.#request();
    await request.load(tokens);
    const { held } = request;
    const at = tokens.findIndex(({ id, secretHash }) => id === held?.id && secretHash === held.secretHash);
    if (at < 0) return [];
    if (!this.#closed) this.#unwatch = this.#host.watch(tokens[at]!, () => this.#close());
    return tokens.slice(at);
  }

  /**
   * The session as it is stored now. Does not reject: who awaits it in `handleConnection` has nobody to catch that, and an
   * outage of the store would end the process.
   */
  async session(): Promise<Session | undefined> {
    const request = this.#request();
    try {
      if (await this.#take(request)) return request.req.session as Session;
    } catch (error) {
      this.#config.logger.error('the session of a socket could not be read', error);
    }
    return undefined;
  }

  /** A message's work, with the session as it is stored now. */
  async begin(): Promise<SessionMessage> {
    const request = this.#request();
    const waits = (work: Promise<unknown>): void => this.#wait(work);
    try {
      if (this.#waiting >= MOST_WAITING) throw new WsException(TOO_MANY);
      const loading = this.#load(request);
      waits(loading);
      await loading;
      return new SessionMessage(this.#client, request, waits);
    } catch (error) {
      return new SessionMessage(this.#client, request, waits, { error });
    }
  }

  async #load(request: SessionRequest): Promise<void> {
    try {
      if (await this.#take(request)) return;
    } catch (error) {
      if (this.#config.onStoreError === 'fail' || !isStoreError(error)) throw error;
      return request.startAnonymous(error);
    }
    if (this.#gone) throw new WsException(ENDED);
    request.start();
  }

  /** Gives a request the socket's session; resolves to whether there is one. */
  async #take(request: SessionRequest): Promise<boolean> {
    const [token, ...others] = await this.#tokens();
    if (!token) return false;
    if (request.take(token, await this.#read(token.id), others)) return true;
    this.#gone = true;
    return false;
  }

  #wait(work: Promise<unknown>): void {
    this.#waiting++;
    const done = (): void => void this.#waiting--;
    work.then(done, done);
  }

  /** A request for one message alone: several of a socket are handled side by side, each with a session of its own. */
  #request(): SessionRequest {
    const { headers, url, method, socket } = this.#handshake;
    const request = new SessionRequest(
      this.#config,
      this.#presented.by,
      { headers, url, method, socket } as SessionIncomingMessage,
      undefined,
      undefined,
    );
    request.noToken = NO_TOKEN_ON_SOCKET;
    return request;
  }

  /**
   * Reads the session, not sooner than now. One read runs at a time, and all messages that came while it ran share the
   * next: a flood of messages is no flood of reads.
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
    return { ...handler, callback: (...args: unknown[]) => this.#answers(handler, args) };
  }

  #answers(handler: Handler, args: unknown[]): Observable<unknown> {
    return new Observable((client) => {
      if (this.#closed) return client.complete();
      let over = false;
      let answered = false;
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
          // The client has gone before its message was begun.
          if (client.closed) return resolve();
          handling = begun.run(() =>
            this.#handled(handler, begun, args).subscribe({
              next: (answer) => {
                answered = true;
                client.next(answer);
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
        if (answered) return stop();
        // A promise cannot be stopped: what its handler still changes is saved, as after a request that was given up.
        const timer = setTimeout(stop, LET_FINISH).unref();
        handling.add(() => clearTimeout(timer));
      };
    });
  }

  /** What Nest's handler answers, after the session was saved. */
  #handled(handler: Handler, message: SessionMessage, args: unknown[]): Observable<unknown> {
    const held = args.map((arg) =>
      typeof arg === 'function' ? message.acknowledgement(arg as (...values: unknown[]) => void) : arg,
    );
    const answers = defer(() => from(Promise.resolve(handler.callback(...held)))).pipe(
      mergeMap((answer: unknown) => (isObservable(answer) ? answer : of(answer))),
    );
    // Guards, and interceptors outside of ours, may have changed the session too. Their failure has no filter left.
    return message.saved(answers).pipe(
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

  /** Closes the connection. Socket.IO's clients then connect again by themselves, with the cookie they have now. */
  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch?.();
    const { conn } = this.#client;
    if (conn) conn.close();
    else this.#client.close?.(POLICY_VIOLATION, ENDED);
  }
}
