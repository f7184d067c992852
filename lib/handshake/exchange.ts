import type { IncomingMessage } from 'node:http';
import { isSecure } from '../http/secure.js';
import type { Client, NoToken } from '../session/client.js';
import type { SessionConfig } from '../session/config.js';
import { LiveSession } from '../session/live-session.js';
import { SessionWork } from '../session/work.js';
import type { ResolvedIdentity } from '../token/identity.js';
import { randomName } from '../token/token.js';

/** The handshake of a socket, as the object whose `session` property is the session of one message. */
export type MessageHolder = Pick<IncomingMessage, 'headers' | 'url' | 'method' | 'socket'> & {
  session?: unknown;
};

/** One message on a socket, tied to the work on its session. No response can carry a token. */
export class SocketExchange implements Client {
  readonly holder: MessageHolder;
  readonly isSecure: boolean;
  readonly isSocket = true;
  readonly work: SessionWork;
  readonly #config: SessionConfig;
  readonly #handshake: IncomingMessage;

  constructor(
    config: SessionConfig,
    readonly identity: ResolvedIdentity,
    handshake: IncomingMessage,
    readonly isPassive: boolean,
  ) {
    const { headers, url, method, socket } = handshake;
    this.#config = config;
    this.#handshake = handshake;
    this.holder = { headers, url, method, socket };
    this.isSecure = isSecure(this.holder, config.proxy);
    this.work = new SessionWork(config, this);
  }

  get session(): unknown {
    return this.holder.session;
  }

  /**
   * Whether `value` is a session object of this package, and not what a handler or another package put in its place.
   */
  isOwn(value: unknown): boolean {
    return LiveSession.isLive(value);
  }

  noteHandler(isPassive: boolean): void {
    this.work.noteHandler(isPassive);
  }

  /** Reads the session if it came from the cache. */
  refresh(): Promise<void> {
    return this.work.refresh();
  }

  describe(): string | undefined {
    return this.#config.clientOf?.(this.#handshake);
  }

  canGiveToken(): NoToken {
    return 'never';
  }

  newId(): string {
    return randomName();
  }

  /** Logs an error that no response can report any more. */
  failedLate(error: unknown, what = 'the session was not saved'): void {
    this.#config.logger.error(what, error);
  }
}
