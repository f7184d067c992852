import type { INestApplicationContext, Type, WebSocketAdapter } from '@nestjs/common';
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
import { checkNoOthers } from '../contract/options.js';
import type { Session } from '../session/session.js';
import { SessionStoreError } from '../contract/errors.js';
import { SessionMessage } from './message.js';
import { identify } from '../http/middleware.js';
import type { ResolvedIdentity, SessionConfig } from '../options/options.js';
import { AllowedOrigins } from './origins.js';
import { SessionRecheck } from '../session/recheck.js';
import { NO_TOKEN_ON_SOCKET, SessionRequest, type SessionIncomingMessage } from '../session/work.js';
import { SESSION_CONFIG } from '../nest/session.service.js';
import type { SessionRecord } from '../contract/store.js';
import type { Token } from '../token/signer.js';

/** What `withSessions` takes. */
export interface SocketSessionOptions {
  /**
   * The origins, beside the server's own host, whose pages may open sockets that have a session: `['https://app.example.com']`.
   * Default: none. A browser on any other gets a socket without a session.
   */
  origins?: string[];
}

type Handlers = Parameters<WebSocketAdapter['bindMessageHandlers']>[1];
type Handler = Handlers[number];

/** What an adapter may have beside what Nest demands. */
type Adapter = WebSocketAdapter & { dispose?: () => Promise<void> };

/** What a handshake came with. */
interface Presented {
  by: ResolvedIdentity;
  tokens: readonly Token[];
}

/** A socket of Socket.IO or of `ws`. */
interface Client {
  /** Socket.IO's handshake. */
  request?: IncomingMessage;
  /** Socket.IO's connection, which the sockets of all namespaces share. */
  conn?: { close(): void };
  close?(code: number, reason: string): void;
  once(event: string, listener: () => void): void;
}

/** How many messages of one socket may wait for the store at a time; those beyond are refused. */
const MOST_WAITING = 1000;

/** How long a handler may take whose client has gone, or whose app is closing, in milliseconds: what it changed is saved. */
const LET_FINISH = 5_000;

/** The close code of RFC 6455 for what a server's rules do not allow. */
const POLICY_VIOLATION = 1008;

/** Of how many origins that are not allowed the log tells. */
const MOST_WARNINGS = 100;

const ENDED = 'the session has ended, or its secret was replaced: connect again';
const TOO_MANY = 'too many messages at once: wait for answers';

const sockets = new WeakMap<object, SessionSocket>();
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
      const socket = sockets.get(client);
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
  const socket = sockets.get(client);
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

/** Decides at the handshake which session a socket has, and knows the sockets that have one. */
class Gatekeeper {
  readonly #config: SessionConfig;
  readonly #origins: AllowedOrigins;
  readonly #recheck: SessionRecheck;
  readonly #warnedOf = new Set<string>();
  readonly #busy = new Set<Promise<unknown>>();

  constructor(config: SessionConfig, recheck: SessionRecheck, origins: AllowedOrigins) {
    this.#config = config;
    this.#recheck = recheck;
    this.#origins = origins;
  }

  /** Each gateway of a server meets each of its clients: the first to come admits it. */
  admit(client: Client, handshake: IncomingMessage): void {
    if (sockets.has(client)) return;
    const socket = new SessionSocket(this, this.#config, client, handshake, this.#identify(handshake));
    sockets.set(client, socket);
    socket.open();
  }

  /** What a handshake presents, and the identity that decides about it. */
  #identify(handshake: IncomingMessage): Presented {
    const { identities, identitiesFor, signer, logger } = this.#config;
    let found: ReturnType<typeof identify>;
    try {
      found = identify(identitiesFor?.(handshake) ?? identities, handshake);
    } catch (error) {
      // Nobody else would catch what an app's own `cookie` or identity throws here, and the process would end.
      logger.error('a socket got no session, because its handshake could not be looked at', error);
    }
    const { by, texts } = found ?? { by: identities[0]!, texts: [] };
    const tokens = signer.verified(texts);
    // Browsers send cookies, and only those, to whatever a page connects to.
    if (tokens.length === 0 || !by.isCookie) return { by, tokens };
    return { by, tokens: this.#isAllowed(handshake) ? tokens : [] };
  }

  #isAllowed({ headers, socket }: IncomingMessage): boolean {
    const encrypted = (socket as { encrypted?: boolean }).encrypted === true;
    if (this.#origins.allow(headers, encrypted)) return true;
    const origin = String(headers.origin).slice(0, 200);
    if (this.#warnedOf.size < MOST_WARNINGS && !this.#warnedOf.has(origin)) {
      this.#warnedOf.add(origin);
      this.#config.logger.warn(
        `a socket from the origin ${JSON.stringify(origin)} got no session: if that is yours, list it: withSessions(adapter, app, { origins: ['https://app.example.com'] })`,
      );
    }
    return false;
  }

  watch(token: Token, end: () => void): () => void {
    return this.#recheck.watch(() => token, end);
  }

  /** Counts work that the store is needed for. */
  during(work: Promise<unknown>): void {
    this.#busy.add(work);
    const done = (): void => void this.#busy.delete(work);
    work.then(done, done);
  }

  /** Waits for handlers in flight, as a server does for requests, before the store is closed. */
  async finish(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LET_FINISH);
    });
    await Promise.race([Promise.allSettled(this.#busy), late]);
    clearTimeout(timer);
  }
}

/** A socket, with the token that it came with. */
class SessionSocket {
  readonly #gatekeeper: Gatekeeper;
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
    gatekeeper: Gatekeeper,
    config: SessionConfig,
    client: Client,
    handshake: IncomingMessage,
    presented: Presented,
  ) {
    this.#gatekeeper = gatekeeper;
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
    if (!this.#closed) this.#unwatch = this.#gatekeeper.watch(tokens[at]!, () => this.#close());
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
      if (this.#config.onStoreError === 'fail' || !(error instanceof SessionStoreError)) throw error;
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
      this.#gatekeeper.during(finished);
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
