import type { IncomingMessage } from 'node:http';
import { isStoreError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import { reasonIn } from '../session/conditions.js';
import type { EndReason, OpenConnection } from '../session/connections.js';
import { admittingRecord } from '../session/lookup.js';
import type { Session } from '../session/session.js';
import type { SessionWork } from '../session/work.js';
import type { ResolvedIdentity } from '../token/identity.js';
import type { Token } from '../token/token.js';
import { SocketExchange } from './exchange.js';
import { LET_FINISH, type SocketSessions } from './socket-sessions.js';

/** What a handshake says about the session of its socket. */
export interface Presented {
  /** The identity that read the tokens. */
  by: ResolvedIdentity;
  tokens: readonly Token[];
  /** Whether the option `passive` says that the messages do not renew the session. */
  isPassive: boolean;
}

/**
 * How long a message may take to its first response once the session of its socket has ended, in milliseconds. It may be
 * the message that cleared the user's sessions.
 */
const LET_RESPOND = 150;

/** How long after a failed attempt the session of an open socket is looked up again, in milliseconds. */
const TRY_AGAIN = 5_000;

/** How many messages of one socket may wait for the store. Further ones are rejected. */
const MOST_WAITING = 1000;

const REJECTIONS = {
  ended: 'the session has ended, or its secret was replaced. Connect again',
  'too many': 'too many messages at once. Wait for responses',
};

/** A message is not handled: the session of its socket has ended, or too many others wait. */
export class RejectedMessage extends Error {
  constructor(readonly reason: keyof typeof REJECTIONS) {
    super(REJECTIONS[reason]);
  }
}

/** The session that a socket has by the tokens of its handshake. It is read from the store for each message. */
export class SocketSession {
  readonly #sessions: SocketSessions;
  readonly #handshake: IncomingMessage;
  readonly #presented: Presented;
  readonly #close: (reason: EndReason) => void;
  #admitting: Promise<readonly Token[]> | undefined;
  #open: OpenConnection | undefined;
  /** The token of the session. */
  #token: Token | undefined;
  /** Why the session has ended: no message is handled any more. */
  #ended: EndReason | undefined;
  /** Whether the socket is closed, by us or by its client. */
  #isClosed = false;
  /** The messages without a first response, on all sockets that share the connection. */
  readonly #unanswered: Set<SocketExchange>;
  /** How many messages wait for the store. */
  #waiting = 0;
  #lastRead: Promise<unknown> = Promise.resolve();
  #nextRead: Promise<SessionRecord | undefined> | undefined;

  constructor(
    sessions: SocketSessions,
    handshake: IncomingMessage,
    presented: Presented,
    close: (reason: EndReason) => void,
    unanswered = new Set<SocketExchange>(),
  ) {
    this.#sessions = sessions;
    this.#handshake = handshake;
    this.#presented = presented;
    this.#close = close;
    this.#unanswered = unanswered;
  }

  /** Whether the handshake has tokens with a valid signature. */
  get hasTokens(): boolean {
    return this.#presented.tokens.length > 0;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the session has ended, and the socket is closed after the responses in progress. */
  get isEnding(): boolean {
    return this.#ended !== undefined;
  }

  /** Looks up the session, so that its end closes the socket before the first message too. */
  open(): void {
    // If the store is unreachable, the first message tries again, or a later attempt does.
    this.#tokens().catch(() => {
      if (!this.#isClosed) setTimeout(() => this.open(), TRY_AGAIN).unref();
    });
  }

  /** The socket is closed. */
  leave(): void {
    this.#isClosed = true;
    this.#open?.release();
  }

  /**
   * The session as it is stored now; `undefined` if there is none or it cannot be read. Does not reject: nothing
   * catches a rejection of `handleConnection`, so an outage of the store would end the process.
   */
  async read(): Promise<Session | undefined> {
    const { work, holder } = this.exchange();
    try {
      if (await this.#take(work)) return holder.session as Session;
    } catch (error) {
      this.#sessions.config.logger.error('the session of a socket could not be read', error);
    }
    return undefined;
  }

  /** An exchange for one message. A socket's messages are handled in parallel, each with a session object of its own. */
  exchange(): SocketExchange {
    const { by, isPassive } = this.#presented;
    return new SocketExchange(this.#sessions.config, by, this.#handshake, isPassive);
  }

  /**
   * Starts the work of a message, with the session as it is stored now. Rejects with a {@link RejectedMessage}, or with
   * the error of the store. Call `finish` after either.
   */
  async begin(exchange: SocketExchange): Promise<void> {
    this.#unanswered.add(exchange);
    if (this.#ended) throw new RejectedMessage('ended');
    if (this.#waiting >= MOST_WAITING) throw new RejectedMessage('too many');
    const loading = this.#load(exchange.work);
    this.wait(loading);
    return loading;
  }

  /** Counts work that a message waits for, to limit how many do. */
  wait(work: Promise<unknown>): void {
    this.#waiting++;
    const done = (): void => void this.#waiting--;
    work.then(done, done);
  }

  /** The first response to a message was sent. More may follow, unless the session has ended by another message. */
  answered(exchange: SocketExchange): void {
    this.#unanswered.delete(exchange);
    if (this.#ended && !exchange.work.hasEnded) this.#end(this.#ended);
  }

  /** All responses to a message were sent. Closes the socket if the session has ended, by this message or otherwise. */
  finish(exchange: SocketExchange): void {
    this.#unanswered.delete(exchange);
    const reason = exchange.work.hasEnded ? 'ended' : this.#ended;
    if (reason) this.#end(reason);
  }

  async #load(work: SessionWork): Promise<void> {
    const { onStoreError, conditions } = this.#sessions.config;
    try {
      const isTaken = await this.#take(work);
      conditions.end('unreachable');
      if (isTaken) return;
    } catch (error) {
      if (onStoreError === 'fail' || !isStoreError(error)) throw error;
      conditions.begin('unreachable', `messages are handled without a session: ${reasonIn(error)}`);
      return work.startAnonymous(error);
    }
    if (this.#ended) throw new RejectedMessage('ended');
    work.start();
  }

  /** Begins a work with the session. Resolves to whether there is one. */
  async #take(work: SessionWork): Promise<boolean> {
    const [token, ...others] = await this.#tokens();
    if (!token) return false;
    const { config } = this.#sessions;
    const cached = config.cachesSockets ? admittingRecord(token, config) : undefined;
    if (cached && this.#open!.admits(cached) && work.take(token, cached, others, { isCached: true }))
      return true;
    const record = await this.#read(token.id);
    // A socket cannot present a new secret, and keeps its session through a rotation.
    const isAdmitted = record !== undefined && this.#open!.admits(record);
    if (isAdmitted && work.take(token, record, others)) return true;
    this.#ended ??= record && !isAdmitted ? 'replaced' : 'ended';
    return false;
  }

  /** The token of the session, then the remaining tokens of the handshake. Empty if the socket has no session. */
  #tokens(): Promise<readonly Token[]> {
    return (this.#admitting ??= this.#admit().catch((error: unknown) => {
      this.#admitting = undefined;
      throw error;
    }));
  }

  async #admit(): Promise<readonly Token[]> {
    const { tokens } = this.#presented;
    if (tokens.length === 0) return tokens;
    if (this.#isClosed) return [];
    // Before the session is read, so that no end in between is missed.
    this.#open ??= this.#sessions.connections.register(
      { held: () => this.#token, end: (reason) => this.#end(reason) },
      tokens.map(({ id }) => id),
    );
    const { work } = this.exchange();
    await work.load(tokens);
    const { held } = work;
    const at = tokens.findIndex(({ id, secretHash }) => id === held?.id && secretHash === held.secretHash);
    if (at < 0) {
      // If the session ended during the handshake, the feed says so, perhaps only now. Otherwise the socket has none.
      this.#open.miss();
      return [];
    }
    this.#token = tokens[at];
    this.#open.begin();
    return tokens.slice(at);
  }

  /**
   * Reads the session, starting now or later. One read runs at a time. All messages that arrive during it share the
   * next one, so a flood of messages is not a flood of reads.
   */
  #read(id: string): Promise<SessionRecord | undefined> {
    if (this.#nextRead) return this.#nextRead;
    const read = this.#lastRead.then(() => {
      this.#nextRead = undefined;
      return this.#sessions.config.store.read(id);
    });
    this.#lastRead = read.catch(() => {});
    this.#nextRead = read;
    return read;
  }

  /**
   * Closes the socket: at once, or after the first responses to the messages in progress, for which it waits a moment. It
   * waits longer for a message that has itself ended the session.
   */
  #end(reason: EndReason): void {
    this.#ended ??= reason;
    if (this.#unanswered.size === 0) return this.#closeNow();
    setTimeout(() => {
      // Only now: a message may learn later than the feed that it has ended the session.
      const endedIt = [...this.#unanswered].some(({ work }) => work.hasEnded);
      if (!endedIt) return this.#closeNow();
      setTimeout(() => this.#closeNow(), LET_FINISH).unref();
    }, LET_RESPOND).unref();
  }

  #closeNow(): void {
    if (this.#isClosed) return;
    this.leave();
    this.#close(this.#ended!);
  }
}
