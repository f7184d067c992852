import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkId } from '../contract/checks.js';
import type { Client, NoToken } from '../session/client.js';
import type { SessionConfig } from '../session/config.js';
import { LiveSession } from '../session/live-session.js';
import { SessionWork } from '../session/work.js';
import type { ResolvedIdentity } from '../token/identity.js';
import { randomName } from '../token/token.js';
import { NOTHING } from '../session/notice.js';
import type { CrossSiteRequest } from './cross-site.js';
import { reasonOf } from './failure.js';
import { sessionHeaders } from './reply.js';
import { sealResponse, type Seal, type SealedSession } from './seal.js';
import { isSecure } from './secure.js';

/** Node's request, with the properties that Express and this package add. */
export interface SessionIncomingMessage extends IncomingMessage {
  session?: unknown;
  sessionID?: string;
  sessionStore?: unknown;
  originalUrl?: string;
  secure?: boolean;
  /** Set by Fastify for middleware, with its `trustProxy` applied. */
  protocol?: string;
}

const UNSEALED =
  "a response was sent before its session was saved, so it carries no new token. Something calls methods of Node's response that it kept from before the session middleware was created. Create the middleware earlier";

const CHANGED_LATE =
  'a session was changed after its response was sent, so the change is not saved. Change it before the response, or call session.save()';

/** What a middleware knows about a request. */
export interface ExchangeOptions {
  /** The identity of the request's token, or of the token of a new session. */
  identity: ResolvedIdentity;
  /** Whether the response can carry a token. One that opens a socket cannot. */
  carriesToken: boolean;
  /** Whether the option `passive` says that the request does not renew its session. */
  isPassive: boolean;
  /** Whether a socket's protocol makes the request. */
  isSocket: boolean;
  /** What is known of it if a page of another site may have sent it, to change something. */
  crossSite: CrossSiteRequest | undefined;
  /** Plain Express's `next`, which gets the error of a failed commit; `undefined` if we must respond. */
  next: ((error: unknown) => void) | undefined;
}

/** One request and its response, tied to the work on their session. */
export class SessionExchange implements Client, SealedSession {
  readonly identity: ResolvedIdentity;
  readonly isSecure: boolean;
  readonly isPassive: boolean;
  readonly isSocket: boolean;
  readonly work: SessionWork;
  readonly req: SessionIncomingMessage;
  /** Node's response, whatever object a platform passes to its handlers. */
  readonly res: ServerResponse;
  readonly #config: SessionConfig;
  readonly #crossSite: CrossSiteRequest | undefined;
  readonly #carriesToken: boolean;
  readonly #next: ((error: unknown) => void) | undefined;
  #seal: Seal | undefined;
  /** The error of the response to a cross-site request for which no handler was found. */
  #rejection: { readonly error: unknown } | undefined;
  /** Whether the headers were sent: nothing can be added any more. */
  #headersSent = false;
  /** Rejects the handler that waits for its commit. `undefined` while none does. */
  #failHandler: ((error: unknown) => void) | undefined;

  constructor(
    config: SessionConfig,
    req: SessionIncomingMessage,
    res: ServerResponse,
    { identity, carriesToken, isPassive, isSocket, crossSite, next }: ExchangeOptions,
  ) {
    this.#config = config;
    this.req = req;
    this.res = res;
    this.identity = identity;
    this.isSecure = isSecure(req, config.proxy);
    this.isPassive = isPassive;
    this.isSocket = isSocket;
    this.#crossSite = crossSite;
    this.#carriesToken = carriesToken;
    this.#next = next;
    this.work = new SessionWork(crossSite?.config ?? config, this);
  }

  get holder(): SessionIncomingMessage {
    return this.req;
  }

  get session(): unknown {
    return this.req.session;
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

  /**
   * Rejects with a `CrossSiteError` if a handler must not run, because a page of another site sent the request.
   *
   * @param accepts whether the handler accepts such requests
   */
  async checkSite(accepts: boolean): Promise<void> {
    await this.#crossSite?.handler(accepts);
  }

  /** Whether the session ends with the request, so that the response has no token. */
  get isIsolated(): boolean {
    return this.#crossSite?.isIsolated === true;
  }

  /** Reads the session if it came from the cache. */
  refresh(): Promise<void> {
    return this.work.refresh();
  }

  get sessionStore(): unknown {
    return this.#config.sessionStore ?? this.#config.store;
  }

  newId(): string {
    const { genid } = this.#config;
    if (!genid) return randomName();
    const id = genid(this.req);
    checkId(id);
    if (id === '') throw new TypeError('genid must return a non-empty id: write genid: () => randomUUID()');
    return id;
  }

  describe(): string | undefined {
    return this.#config.clientOf?.(this.req);
  }

  canGiveToken(): true | NoToken {
    if (!this.#carriesToken) return 'never';
    if (this.#headersSent) return 'sent';
    return this.#seal?.holds ? 'held' : true;
  }

  /** Holds the response from now on until the session is committed. */
  seal(): void {
    this.#seal = sealResponse(this.res, this);
  }

  /**
   * Drops the headers that were set since the session was loaded: an error response must not carry the handler's headers.
   */
  dropHeaders(): void {
    this.#seal?.dropHeaders();
  }

  /**
   * Runs a handler, and commits the session after it. Rejects if the handler does, or as soon as a commit fails. Then
   * only the caller responds to a failed commit.
   */
  async handled<T>(handler: () => Promise<T>): Promise<T> {
    // A handler that streams into a response whose commit failed would wait for its end, which waits for a filter.
    const handling = new Promise<T>((resolve, reject) => {
      this.#failHandler = reject;
      handler().then(resolve, reject);
    });
    try {
      const value = await handling;
      const commit = this.work.commit();
      if (commit) await commit;
      return value;
    } catch (error) {
      // The changes of a handler that throws are saved too. The error of a failed commit is in `failure`.
      await this.work.commit()?.catch(() => {});
      throw error;
    } finally {
      this.abandonHandler();
    }
  }

  /** Stops reporting a failed commit to the caller of `handled`, for example because an interceptor gave up on it. */
  abandonHandler(): void {
    this.#failHandler = undefined;
  }

  commit(): Promise<void> | undefined {
    const crossSite = this.#crossSite;
    if (!crossSite?.isUnsettled) return crossSite?.isRejected ? undefined : this.work.commit();
    // What responds is no handler of Nest, which `checkSite` would have rejected.
    const error = crossSite.rejection();
    this.#rejection = { error };
    return Promise.reject(error);
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#rejection ?? this.work.failure;
  }

  get isGuarded(): boolean {
    return this.#failHandler !== undefined;
  }

  takeHeaders(): ((res: ServerResponse) => void) | undefined {
    this.#headersSent = true;
    let notice = this.work.takeNotice();
    if (this.isIsolated) {
      if (notice.is === 'token') this.#crossSite!.sessionWithheld();
      notice = NOTHING;
    }
    return sessionHeaders(notice, this.work.storeHasFailed, this, this.#config);
  }

  failed(error: unknown): boolean {
    const responds = this.#failHandler ?? this.#next;
    responds?.(reasonOf(error));
    return responds !== undefined;
  }

  failedLate(error: unknown, what = 'the session was not saved'): void {
    // A rejected request was logged as such.
    if (error !== this.#rejection?.error) this.#config.logger.error(what, error);
  }

  sentUnsealed(): void {
    try {
      if (this.work.hasUncommitted) this.#config.logger.error(UNSEALED);
    } catch (error) {
      this.failedLate(error);
    }
    this.#headersSent = true;
    this.commit()?.catch((error: unknown) => this.failedLate(error));
  }

  sent(): void {
    const { isDevelopment, conditions } = this.#config;
    if (!isDevelopment || conditions.holds('changed too late')) return;
    const check = (): void => {
      if (!this.failure && !this.#crossSite?.isRejected && this.work.isUnsaved)
        conditions.begin('changed too late', CHANGED_LATE);
    };
    setImmediate(check);
    // Most changes that come too late follow an `await`.
    setTimeout(check, 1000).unref();
  }
}
