import type { IncomingMessage, ServerResponse } from 'node:http';
import expressSession from 'express-session';
import { checkSize, diffData, loadData, type DataChange } from './data.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { isGoneError, isStoreError, SessionGoneError, type SessionStoreError } from '../contract/errors.js';
import type { ResolvedIdentity } from '../token/identity.js';
import type { SessionConfig } from './config.js';
import type { HeldSession } from './recheck.js';
import { checkId } from '../contract/checks.js';
import type { SessionChange, SessionRecord } from '../contract/record.js';
import { expiryAfter, isReadable, SessionState, type GroupChange } from './state.js';
import { isGoodHash, hashSecret, randomName, type Token } from '../token/token.js';
import { LiveSession, type SessionWork } from './live-session.js';

/** A request as Node gives it, with what Express and we put on it. */
export interface SessionIncomingMessage extends IncomingMessage {
  session?: unknown;
  sessionID?: string;
  sessionStore?: unknown;
  originalUrl?: string;
  secure?: boolean;
  /** Put here for middleware by Fastify, which trusts proxies as it is told to. */
  protocol?: string;
}

/** How far an answered expiry may be from our own before it is another request's lifetime; clocks differ by less. */
const CLOCK_SLACK = 1000;

/** Seconds after which a client may try again when the store is away. */
const RETRY_AFTER = '1';

/** Why a socket cannot begin a session, and what to do instead. */
export const NO_TOKEN_ON_SOCKET =
  'a socket cannot give its client a token: do it in an HTTP request, and connect after that';

/** Where it was said that a cookie needs HTTPS, which is so for every request. */
const TOLD_OF_SECURE = new WeakSet<SessionConfig>();

/** What one save sends, and what to take as stored once it was answered. */
interface Save {
  /** Whether anything but the expiry is to be written. */
  changed: boolean;
  data: DataChange | undefined;
  groups: GroupChange | undefined;
  cookieText: { text: string | undefined } | undefined;
  lifetime: number;
  expiresAt: number;
  change: SessionChange;
}

/** One request's work on its session: loads it, runs what the handler asks for, commits what changed. */
export class SessionRequest implements SessionWork {
  /** Set while a Nest interceptor waits for the handler: told of a commit that failed, it hands it to the filters. */
  guard: ((error: unknown) => void) | undefined;
  /** Set once the first byte is on its way: no cookie can be sent any more. */
  headersGone = false;
  /** Why this client can be given no token at all, with what to do instead; `undefined` where an answer can carry one. */
  noToken: string | undefined;
  /** Whether the response is sealed and held: nothing can be added to it any more. Set by what seals it. */
  isHeld: (() => boolean) | undefined;
  /** The headers that Fastify's reply had before the handler; only an app on Fastify has them. */
  replyHeaders: Record<string, unknown> | undefined;
  /** Why the commit failed; nothing is tried again after that. */
  failure: { error: unknown } | undefined;
  readonly req: SessionIncomingMessage;
  readonly #res: ServerResponse | undefined;
  readonly #next: ((error: unknown) => void) | undefined;
  readonly #config: SessionConfig;
  readonly #identity: ResolvedIdentity;
  readonly #secure: boolean;
  /** The calls of the handler that have not ended; a save that the handler did not await is among them. */
  #inFlight: Set<Promise<unknown>> | undefined;
  #last: Promise<unknown> | undefined;
  #committing: Promise<void> | undefined;
  #presentedAny = false;
  /** Good tokens that were presented beside the one that is used, until they are ended with it. */
  #others: readonly Token[] = [];
  /** The request's session, or the last one it had. */
  #state: SessionState | undefined;
  #replaced = false;
  /** Something that the handler asked for failed, because the store did. */
  #storeFailed = false;
  /** The cookie that the answer owes: a token that is valid, or its removal. */
  #owed: { state: SessionState; clear: boolean } | undefined;

  /**
   * @param identity what decided which token is the request's, or gives a new session its own
   * @param res what is sealed; `undefined` for a message on a socket, which has none
   * @param next plain Express's, which answers a failed commit; `undefined` where the answer must be our own
   */
  constructor(
    config: SessionConfig,
    identity: ResolvedIdentity,
    req: SessionIncomingMessage,
    res: ServerResponse | undefined,
    next: ((error: unknown) => void) | undefined,
  ) {
    this.#config = config;
    this.#identity = identity;
    this.req = req;
    this.#res = res;
    this.#next = next;
    this.#secure = isSecure(req, config.proxy);
  }

  get guarded(): boolean {
    return this.guard !== undefined;
  }

  /** Node's response, whatever a platform's handlers are given; only what is sealed asks for it. */
  get res(): ServerResponse {
    return this.#res!;
  }

  /** The id of the request's session, or of the last one it had. */
  get id(): string {
    return this.#state?.id ?? '';
  }

  /** That session once it is stored, and the secret hash of the secret that the client holds. */
  get held(): HeldSession | undefined {
    const state = this.#state;
    return state?.record && { id: state.id, secretHash: state.secretHash! };
  }

  get sessionStore(): unknown {
    return this.#config.sessionStore ?? this.#config.store;
  }

  get identity(): string {
    return this.#identity.identity.name;
  }

  // ---- identify and read

  /** Loads the session of the first token that is good, or starts a new one. */
  async load(tokens: readonly Token[]): Promise<void> {
    this.#presentedAny = tokens.length > 0;
    for (const [index, token] of tokens.entries()) {
      const admitted = await this.#find(token);
      if (!admitted) continue;
      const { state, record } = admitted;
      if (state.outdated && !(await this.#heal(state, record))) continue;
      this.#others = tokens.slice(index + 1).filter(({ id }) => id !== token.id);
      return this.#place(new LiveSession(this, state), state, record);
    }
    this.start();
  }

  /** The live session of a token that is good. */
  async #find(token: Token): Promise<{ state: SessionState; record: SessionRecord } | undefined> {
    const { store, onReplacedToken, logger } = this.#config;
    const record = await store.read(token.id);
    const state = record && this.#admit(token, record);
    if (state === 'stale') {
      if (onReplacedToken === 'destroy') await store.destroy(token.id);
      const answer = onReplacedToken === 'destroy' ? 'ended the session' : 'was refused';
      logger.warn(
        `session ${token.id}: a well-signed token with a secret that is no longer good ${answer}; it may be stolen`,
      );
    }
    return typeof state === 'object' ? { state, record: record! } : undefined;
  }

  /** Puts a session on the request that stands in for those that the store cannot be asked about. */
  startAnonymous(error: SessionStoreError): void {
    this.#presentedAny = false;
    const state = this.#newState(false);
    state.unavailable = error;
    this.#place(new LiveSession(this, state), state);
  }

  /**
   * Takes what was read for `token`, which was good when the client came with it and must be still, for a client that
   * can be given no other; `others` are good tokens that it presented beside it. Returns whether it may use the session.
   */
  take(token: Token, record: SessionRecord | undefined, others: readonly Token[]): boolean {
    const state = record && this.#admit(token, record);
    if (typeof state !== 'object') return false;
    this.#presentedAny = true;
    this.#others = others.filter(({ id }) => id !== token.id);
    this.#place(new LiveSession(this, state), state, record);
    return true;
  }

  /** Whether the session that the client came with has ended, as far as this request knows. */
  get ended(): boolean {
    if (!this.#presentedAny) return false;
    const ended = this.#state?.ended;
    return ended === 'here' || ended === 'elsewhere';
  }

  /** Puts a new session, which is not stored yet, on the request. */
  start(): void {
    const state = this.#newState();
    this.#place(new LiveSession(this, state), state);
  }

  /**
   * Whether the client that presented `token` may use the session, and with which secret; `'stale'` for a secret that
   * was good once.
   */
  #admit(token: Token, record: SessionRecord): SessionState | 'stale' | undefined {
    const { logger, idleTimeout, resave, rolling } = this.#config;
    if (!isReadable(record, token.id)) {
      logger.error(
        `session ${this.#nameOf(token.id)} cannot be read: its record is damaged; the client gets a new session`,
      );
      return undefined;
    }
    if (this.#isTooOld(record)) return undefined;

    const now = this.#config.store.now();
    const { previous } = record;
    const state = new SessionState(record.id, this.#cookie(record.data['cookie']), idleTimeout);
    state.secret = token.secret;
    state.secretHash = token.secretHash;
    state.signed = token.signed;
    state.touchAsked = resave || rolling === true;
    if (token.secretHash === record.secretHash) {
      if (previous) {
        state.graceEnds = previous.validUntil ?? now + previous.grace;
        if (previous.validUntil === undefined) {
          this.#retirePrevious(record, state.graceEnds);
          // Who gave the cookie an age during the rotation held the old secret, and could not send it.
          state.cookieAsked = record.data['cookie'] !== undefined;
        }
      }
      return state;
    }
    if (isGoodHash(record, token.secretHash, now)) {
      state.outdated = true;
      return state;
    }
    return 'stale';
  }

  #nameOf(id: string): string {
    return this.#config.signer.nameOf(id);
  }

  #isTooOld({ createdAt }: SessionRecord): boolean {
    return this.#config.store.now() >= createdAt + this.#config.absoluteTimeout;
  }

  /**
   * Rotates again for a client that still comes with the old secret a grace after its rotation: the answer with the new
   * one was lost. Resolves to whether the session is still there.
   */
  async #heal(state: SessionState, record: SessionRecord): Promise<boolean> {
    const { previous } = record;
    if (
      !previous ||
      previous.validUntil !== undefined ||
      this.#config.store.now() < previous.replacedAt + previous.grace
    )
      return true;
    if (this.noToken !== undefined) return true;
    const secret = this.#config.signer.newSecret();
    const current = await this.#config.store.rotate(
      record,
      previous.hash,
      hashSecret(secret),
      previous.grace,
    );
    if (current !== undefined) this.#rotated(state, secret, current);
    return current !== undefined;
  }

  /** Records that the client holds the current secret, so that the one before it ends after its grace. */
  #retirePrevious(record: SessionRecord, until: number): void {
    const { store, logger } = this.#config;
    this.#track(
      store
        .update(record, { retirePrevious: { secretHash: record.secretHash, validUntil: until } })
        .then(undefined, (error: unknown) => {
          // The next request does it.
          logger.warn(`session ${record.id}: the old secret could not be retired: ${messageOf(error)}`);
        }),
    );
  }

  /** @param storable whether it may ever be stored: one that may not needs no id of the app's */
  #newState(storable = this.noToken === undefined): SessionState {
    const { idleTimeout } = this.#config;
    const genid = storable ? this.#config.genid : undefined;
    const id = genid ? genid(this.req) : randomName();
    if (genid) {
      checkId(id);
      if (id === '') throw new TypeError('genid must return an id that is not empty');
    }
    return new SessionState(id, this.#cookie(), idleTimeout);
  }

  #cookie(ownText?: string): LiveCookie {
    const { cookie } = this.#identity;
    const defaults = this.#secure ? cookie.secure : cookie.plain;
    const isWhole = ownText !== undefined && this.#keepsWholeCookie && LiveCookie.isWhole(ownText);
    if (!isWhole) return new LiveCookie(defaults, ownText);
    // One that express-session stored without a word on these takes ours, which are the safer.
    const { secure, sameSite } = defaults;
    return new LiveCookie({ path: '/', httpOnly: true, secure, sameSite }, ownText);
  }

  /** Puts a session on the request, with the data of `record`. */
  #place(session: LiveSession, state: SessionState, record?: SessionRecord): void {
    if (record) {
      const unreadable = (name: string): void => this.unreadable(record.id, name);
      state.load(record, loadData(session, record.data, unreadable));
    }
    this.req.session = session;
    this.#state = state;
  }

  /** Logs a text that is not JSON. */
  unreadable(id: string, name: string): void {
    this.#config.logger.error(
      `session ${this.#nameOf(id)}: the text of ${JSON.stringify(name)} is not JSON; it is left as it is`,
    );
  }

  // ---- what a handler asks for

  /** Saves what changed, and a new session although nothing did. */
  save(session: LiveSession): Promise<void> {
    const state = LiveSession.stateOf(session);
    return this.#run(async () => {
      if (state.ended) throw new SessionGoneError('save');
      // Another session has taken its place in the object, and its data with it.
      if (LiveSession.stateOf(session) !== state) return;
      const save = this.#saveOf(session, state, true);
      if (save && !(await this.#store(state, save))) throw new SessionGoneError('save');
    });
  }

  /** Reads the session again: into the same object, or into a new one at `req.session`. */
  reload(session: LiveSession, inPlace: boolean): Promise<void> {
    const state = LiveSession.stateOf(session);
    return this.#run(async () => {
      state.checkAvailable();
      const record = state.ended || !state.record ? undefined : await this.#config.store.read(state.id);
      if (!record || !isReadable(record, state.id) || this.#isTooOld(record))
        throw new SessionGoneError('reload');

      if (LiveSession.stateOf(session) !== state) return;
      const fresh = new SessionState(state.id, this.#cookie(record.data['cookie']), this.#config.idleTimeout);
      fresh.secret = state.secret;
      fresh.secretHash = state.secretHash;
      fresh.signed = state.signed;
      fresh.outdated = state.outdated;
      fresh.graceEnds = state.graceEnds;
      fresh.touchAsked = state.touchAsked;
      fresh.cookieAsked = state.cookieAsked;
      if (inPlace) {
        takeData(session);
        LiveSession.setState(session, fresh);
      }
      this.#place(inPlace ? session : new LiveSession(this, fresh), fresh, record);
    });
  }

  /** Ends the session; the request has none from here on, unless the store fails. */
  destroy(session: LiveSession): Promise<void> {
    const { req } = this;
    const state = LiveSession.stateOf(session);
    const current = req.session === session;
    if (current) delete req.session;
    return this.#run(async () => {
      try {
        await this.#end(state);
      } catch (error) {
        if (current && req.session === undefined) req.session = session;
        throw error;
      }
    });
  }

  /** Ends the session and puts an empty one in its place: in the same object, or in a new one at `req.session`. */
  regenerate(session: LiveSession, inPlace: boolean): Promise<void> {
    const old = LiveSession.stateOf(session);
    const impossible = this.#noTokenFor('regenerate');
    if (impossible) {
      // What is assigned from here on was meant for the new session, and must not reach the old one.
      old.ended ||= 'left';
      return Promise.reject(impossible);
    }
    let state: SessionState;
    try {
      state = this.#newState();
    } catch (error) {
      return Promise.reject(error);
    }

    if (!inPlace) {
      return this.#run(async () => {
        await this.#endBeforeSuccessor(old);
        this.#place(new LiveSession(this, state), state);
      });
    }
    // At once, so that what is assigned from here on belongs to the new session, awaited or not.
    const restore = takeData(session);
    LiveSession.setState(session, state);
    this.#place(session, state);
    return this.#run(async () => {
      try {
        await this.#endBeforeSuccessor(old);
      } catch (error) {
        restore();
        LiveSession.setState(session, old);
        this.#state = old;
        throw error;
      }
    });
  }

  /** Gives the client a new secret for the same session. */
  rotate(session: LiveSession, grace: number): Promise<void> {
    const impossible = this.#noTokenFor('rotate');
    if (impossible) return Promise.reject(impossible);
    return this.#run(async () => {
      const state = LiveSession.stateOf(session);
      state.checkAvailable();
      if (state.ended) throw new SessionGoneError('rotate');
      if (!state.record || state.outdated) return;
      // One old secret is kept, and this one's turn has not come: the client's slower requests carry the one before.
      if (grace > 0 && this.#config.store.now() < state.graceEnds) return;

      const secret = this.#config.signer.newSecret();
      const current = await this.#config.store.rotate(
        state.record,
        state.secretHash!,
        hashSecret(secret),
        grace,
      );
      if (current === undefined) {
        state.ended = 'elsewhere';
        throw new SessionGoneError('rotate');
      }
      this.#rotated(state, secret, current);
      if (!state.outdated) await this.#refreshCookie(state);
    });
  }

  /** Why `operation` cannot give the client a new token; `undefined` while it can. */
  #noTokenFor(operation: string): Error | undefined {
    if (this.noToken !== undefined) return new Error(`${operation}: ${this.noToken}`);
    // The handler may have begun its answer, although that is still held.
    return this.headersGone || this.isHeld?.() ? tooLate(operation) : undefined;
  }

  /** Takes the outcome of a rotation to `secret`, after which `current` is the secret hash. */
  #rotated(state: SessionState, secret: string, current: string): void {
    state.outdated = current !== hashSecret(secret);
    if (state.outdated) return;
    state.secret = secret;
    state.secretHash = current;
    state.signed = undefined;
    this.#owe(state);
  }

  /** Takes the lifetime that another request may have set meanwhile: this cookie goes out in any case. */
  async #refreshCookie(state: SessionState): Promise<void> {
    const { store, idleTimeout, logger } = this.#config;
    try {
      const record = await store.read(state.id);
      if (!record || !isReadable(record, state.id)) return;
      state.expiresAt = record.expiresAt;
      if (LiveCookie.refresh(state.cookie, record.data['cookie']))
        state.lifetime = LiveCookie.lifetime(state.cookie, idleTimeout);
    } catch (error) {
      // The secret is valid and has to reach the client, with what this request knows.
      logger.warn(
        `session ${this.#nameOf(state.id)}: the lifetime of its new cookie was not looked up: ${messageOf(error)}`,
      );
    }
  }

  /** Ends `state`'s session, and what else the client presented, and lets the client forget its tokens. */
  async #end(state: SessionState): Promise<void> {
    state.checkAvailable();
    for (; this.#others.length > 0; this.#others = this.#others.slice(1)) {
      const other = await this.#find(this.#others[0]!);
      if (other) await this.#config.store.destroy(other.state.id);
    }
    if (!state.ended || state.ended === 'left') {
      const live = state.record !== undefined && (await this.#config.store.destroy(state.id));
      state.ended = live || !state.record ? 'here' : 'elsewhere';
    }
    // A session that has taken its place since may have got its token already.
    const replaced = this.#owed && !this.#owed.clear && this.#owed.state !== state;
    if (!replaced && (this.#presentedAny || this.#owed)) this.#owed = { state, clear: true };
  }

  /** What others ended, group and all, must not come back under a new id. */
  async #endBeforeSuccessor(old: SessionState): Promise<void> {
    await this.#end(old);
    if (old.ended === 'elsewhere' && old.inGroups) throw new SessionGoneError('regenerate');
  }

  // ---- commit

  /**
   * Saves what the request changed, after the calls that are still in flight. Nothing to wait for: `undefined`.
   * Who asks meanwhile shares the commit; after a failed one nothing is tried again.
   */
  commit(): Promise<void> | undefined {
    if (this.#committing) return this.#committing;
    if (this.failure) return undefined;
    let save: Save | undefined;
    try {
      if (!this.#inFlight?.size) {
        save = this.#pendingSave();
        if (!save && !this.#unset()) return undefined;
      }
    } catch (error) {
      this.failure = { error };
      return Promise.reject(error);
    }
    const committing = this.#commit(save);
    const done = (): void => {
      this.#committing = undefined;
      if (this.#last === committing) this.#last = undefined;
    };
    committing.then(done, done);
    this.#committing = committing;
    // What is asked for from here on comes after it, unless it must itself wait for that.
    if (save) this.#last = committing;
    return committing;
  }

  async #commit(save: Save | undefined): Promise<void> {
    try {
      if (save) {
        await this.#storeAtLast(save);
        return;
      }
      while (this.#inFlight?.size) await this.#settle(this.#inFlight);
      const due = this.#pendingSave();
      const unset = this.#unset();
      if (due) await this.#run(() => this.#storeAtLast(due));
      else if (unset) await this.#run(() => this.#end(unset));
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }

  /** Stores what a commit has found; a renewal of the expiry that fails is no reason to fail what can do without a session. */
  async #storeAtLast(save: Save): Promise<void> {
    const { onStoreError, logger } = this.#config;
    const state = this.#current()!;
    try {
      await this.#store(state, save);
    } catch (error) {
      if (onStoreError === 'fail' || save.changed || !isStoreError(error)) throw error;
      logger.warn(`session ${this.#nameOf(state.id)}: its expiry was not renewed: ${error.message}`);
    }
  }

  /** The session that ends because it was taken off the request. */
  #unset(): SessionState | undefined {
    const state = this.#state;
    if (this.#config.unset === 'keep' || (this.req.session ?? undefined) !== undefined) return undefined;
    return (state?.record || state?.unavailable) && !state.ended ? state : undefined;
  }

  /** Waits for the calls in flight. One that found the session ended is no failure of the answer. */
  async #settle(inFlight: Set<Promise<unknown>>): Promise<void> {
    for (const outcome of await Promise.allSettled(inFlight)) {
      if (outcome.status === 'rejected' && !isGoneError(outcome.reason)) throw outcome.reason;
    }
  }

  #pendingSave(): Save | undefined {
    const state = this.#current();
    return state && this.#saveOf(this.req.session as LiveSession, state, false);
  }

  /** The state of the session that the request has now; `undefined` when it was ended, removed or replaced. */
  #current(): SessionState | undefined {
    const { session } = this.req;
    if (!LiveSession.isLive(session)) {
      if (session !== undefined && session !== null && !this.#replaced) {
        this.#replaced = true;
        this.#config.logger.warn(
          'req.session was replaced, so nothing of it is saved: set its properties instead',
        );
      }
      return undefined;
    }
    const state = LiveSession.stateOf(session);
    return state.ended ? undefined : state;
  }

  /** What a save of `session` would send; `undefined` when there is nothing. */
  #saveOf(session: LiveSession, state: SessionState, evenIfEmpty: boolean): Save | undefined {
    if (session.cookie !== state.cookie) {
      // As passport does, who carries a session over its login with all it has.
      if (!(session.cookie instanceof expressSession.Cookie)) {
        throw new TypeError(
          'session.cookie was replaced: set its attributes instead, session.cookie.maxAge = …',
        );
      }
      LiveCookie.adopt(state.cookie, session.cookie);
      session.cookie = state.cookie;
    }
    const config = this.#config;
    const now = this.#config.store.now();
    const lifetime = LiveCookie.lifetime(state.cookie, config.idleTimeout);
    const data = diffData(session, state.snapshot);
    const groups = state.groupChange();
    const cookieText = LiveCookie.own(state.cookie);
    const { record } = state;
    const wholeCookie = this.#keepsWholeCookie && cookieText && LiveCookie.whole(state.cookie);
    if (state.unavailable) {
      if (data || groups || cookieText || evenIfEmpty) throw state.unavailable;
      return undefined;
    }
    if (data) checkSize(state.snapshot.texts, data, config.maxSize);

    if (!record) {
      const wanted = config.saveUninitialized && this.noToken === undefined;
      if (!data && !groups?.join && !wanted && !evenIfEmpty) return undefined;
      if (this.noToken !== undefined) throw new Error(`save: ${this.noToken}`);
      if (this.headersGone && evenIfEmpty) throw tooLate('save');
      if (this.headersGone) {
        config.logger.warn(
          `session ${this.#nameOf(state.id)} was not created: the answer had begun, so its cookie could not be sent`,
        );
        return undefined;
      }
      const expiresAt = this.#expiry(now, lifetime, now);
      return { changed: true, data, groups, cookieText, lifetime, expiresAt, change: {} };
    }

    const expiresAt = this.#expiry(now, lifetime, record.createdAt);
    const changed = data !== undefined || groups !== undefined || cookieText !== undefined;
    if (!changed && !state.touchAsked && !state.cookieAsked && !this.#isDue(state, expiresAt, lifetime)) {
      return undefined;
    }

    const change: SessionChange = { ...data, ...groups };
    const text = wholeCookie || cookieText?.text;
    if (text !== undefined) change.set = { __proto__: null, ...change.set, cookie: text } as never;
    else if (cookieText) change.remove = [...(change.remove ?? []), 'cookie'];
    if (lifetime !== state.lifetime) change.expiresAt = expiresAt;
    else if (expiresAt !== state.expiresAt) change.touch = { from: state.expiresAt, to: expiresAt };
    return { changed, data, groups, cookieText, lifetime, expiresAt, change };
  }

  /**
   * Whether a session keeps all of its cookie, not only what differs from the defaults: where these depend on the request,
   * so that it stays as it was made, and where others take the cookie from the store.
   */
  get #keepsWholeCookie(): boolean {
    return this.#config.cookieByRequest || !this.#config.store.capabilities.secrets;
  }

  /** Whether more than a tenth of the lifetime has passed since the expiry was last moved. */
  #isDue(state: SessionState, expiresAt: number, lifetime: number): boolean {
    return Math.abs(expiresAt - state.expiresAt) > lifetime / 10;
  }

  #expiry(now: number, lifetime: number, createdAt: number): number {
    return expiryAfter(now, lifetime, createdAt, this.#config.absoluteTimeout);
  }

  /** Sends a save; resolves to whether the session was there to take it. */
  async #store(state: SessionState, save: Save): Promise<boolean> {
    const { changed, data, groups, cookieText, lifetime, expiresAt } = save;
    if (state.ended) return false;
    if (expiresAt <= this.#config.store.now()) {
      // `maxAge` of zero or less, or an absolute timeout that has come: the session ends as if destroyed.
      await this.#end(state);
      return false;
    }
    const answer = state.record
      ? await this.#config.store.update(state.record, save.change)
      : await this.#create(state, save);
    if (!answer) {
      state.ended = 'elsewhere';
      return false;
    }
    if (data) state.dataSaved(data);
    if (groups) state.groupsSaved(groups);
    if (cookieText) LiveCookie.saved(state.cookie, cookieText.text);
    state.expiresAt = answer.expiresAt;
    state.lifetime = lifetime;
    state.touchAsked = false;

    if (answer.secretHash !== state.secretHash) {
      state.outdated = true;
      // Rotated here, and so long ago that another request took the answer for lost.
      if (this.#owed?.state === state) this.#owed = undefined;
    }
    const lifetimeIsOurs = Math.abs(answer.expiresAt - expiresAt) <= lifetime / 10 + CLOCK_SLACK;
    if (!state.outdated && lifetimeIsOurs && this.#owesCookie(state, changed, cookieText !== undefined))
      this.#owe(state);
    state.cookieAsked = false;
    return true;
  }

  async #create(state: SessionState, { data, groups, cookieText, expiresAt }: Save) {
    const { store, signer } = this.#config;
    state.secret ??= signer.newSecret();
    state.secretHash ??= hashSecret(state.secret);
    const texts = { __proto__: null, ...data?.set } as unknown as Record<string, string>;
    if (this.#keepsWholeCookie) texts['cookie'] = LiveCookie.whole(state.cookie);
    else if (cookieText?.text !== undefined) texts['cookie'] = cookieText.text;
    const record: SessionRecord = {
      id: state.id,
      secretHash: state.secretHash,
      data: texts,
      groups: groups?.join ?? [],
      createdAt: this.#config.store.now(),
      expiresAt,
    };
    await store.create(record);
    state.record = record;
    this.#owe(state);
    return { expiresAt, secretHash: state.secretHash };
  }

  /** Whether a save of a stored session sends its cookie again. */
  #owesCookie(state: SessionState, changed: boolean, cookieChanged: boolean): boolean {
    const { rolling } = this.#config;
    if (rolling === true || cookieChanged || state.cookieAsked) return true;
    // A cookie that ends with the browser has no expiry that could be renewed.
    if (typeof state.cookie.originalMaxAge !== 'number') return false;
    return rolling === undefined || changed;
  }

  #owe(state: SessionState): void {
    this.#owed = { state, clear: false };
  }

  /** What the answer owes the client, as what puts it there; `undefined` for nothing. Asked once, when the headers go out. */
  takeHeaders(): ((res: ServerResponse) => void) | undefined {
    const { vary } = this.#config;
    this.headersGone = true;
    if (!this.#owed && vary.length === 0 && !this.#storeFailed) return undefined;
    const put = this.#owedToken();
    return (res) => {
      if (this.#storeFailed && res.statusCode === 503) res.setHeader('Retry-After', RETRY_AFTER);
      for (const header of vary) addVary(res, header);
      if (!put) return;
      if (this.#config.noStore) res.setHeader('Cache-Control', 'no-store');
      put(res);
    };
  }

  /** What gives or removes the token that the answer owes; `undefined` for none. */
  #owedToken(): ((res: ServerResponse) => void) | undefined {
    const { identity, isCookie } = this.#identity;
    const owed = this.#owed;
    this.#owed = undefined;
    if (!owed) return undefined;
    const { state, clear } = owed;
    if (clear) return (res) => identity.remove(res, state);
    if (state.ended || state.secret === undefined) return undefined;
    const { signer, logger } = this.#config;
    if (isCookie && state.cookie.secure === true && !this.#secure) {
      if (!TOLD_OF_SECURE.has(this.#config))
        logger.warn(
          `cookie ${identity.name} was not sent: cookie.secure is true and this request did not come over HTTPS; behind a proxy set Express's 'trust proxy', or write secure: 'auto'`,
        );
      TOLD_OF_SECURE.add(this.#config);
      return undefined;
    }
    const token = (state.signed ??= signer.sign(state.id, state.secret));
    return (res) => identity.set(res, token, state);
  }

  // ---- a failed commit

  /** Answers a commit that failed before the first byte, unless an interceptor will hand it to exception filters. */
  failed(error: unknown): void {
    sayWhenToRetry(this.res, error);
    if (this.guard) return this.guard(error);
    if (this.#next) return this.#next(reasonOf(error));
    this.failedLate(error);
    this.answerFailure(error);
  }

  /** Answers a failed commit where nobody else will. */
  answerFailure(error: unknown): void {
    const { res } = this;
    const status = isStoreError(error) ? error.statusCode : 500;
    const message = status === 503 ? 'Service Unavailable' : 'Internal Server Error';
    const body = JSON.stringify({ statusCode: status, message });
    res.statusCode = status;
    res.setHeader('Content-Type', 'application/json; charset=utf-8');
    res.setHeader('Content-Length', Buffer.byteLength(body));
    res.end(body);
  }

  failedLate(error: unknown, what = 'the session was not saved'): void {
    this.#config.logger.error(what, error);
  }

  // ---- one after the other

  /** Runs `work` after what is in flight, so that what a handler asked for happens in the order it asked. */
  #run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last ? this.#last.then(work, work) : work();
    this.#last = result;
    this.#track(result);
    return result;
  }

  #track(work: Promise<unknown>): void {
    const inFlight = (this.#inFlight ??= new Set());
    inFlight.add(work);
    const done = (): void => {
      inFlight.delete(work);
      if (this.#last === work) this.#last = undefined;
    };
    work.then(done, (error: unknown) => {
      if (isStoreError(error)) this.#storeFailed = true;
      done();
    });
  }
}

/** Whether a request came over HTTPS, to us or to the proxy that `proxy`, or Express's `trust proxy`, trusts. */
function isSecure(req: SessionIncomingMessage, proxy: boolean | undefined): boolean {
  if ((req.socket as { encrypted?: boolean } | undefined)?.encrypted === true) return true;
  // Express has `secure`, Fastify `protocol`, each as its own trust in proxies has it.
  if (proxy === undefined) return req.secure ?? req.protocol === 'https';
  if (!proxy) return false;
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '');
  return forwarded.split(',', 1)[0]!.trim().toLowerCase() === 'https';
}

/** Says that the answer depends on a request header, once, whatever else it depends on. */
function addVary(res: ServerResponse, header: string): void {
  const before = [res.getHeader('Vary') ?? []].flat().join(', ');
  const named = before.toLowerCase().split(/\s*,\s*/);
  if (named.includes('*') || named.includes(header.toLowerCase())) return;
  res.setHeader('Vary', before === '' ? header : `${before}, ${header}`);
}

/** Tells the client when to try again, if it is the store that failed. */
export function sayWhenToRetry(res: ServerResponse, error: unknown): void {
  if (isStoreError(error) && !res.headersSent) res.setHeader('Retry-After', RETRY_AFTER);
}

/** Takes all data off a session, so that it is empty; returns what puts it back. */
function takeData(session: LiveSession): () => void {
  const data = Object.getOwnPropertyDescriptors(session);
  const names = Object.keys(session) as (keyof LiveSession)[];
  for (const name of names) delete session[name];
  return () => {
    for (const name of Object.keys(session) as (keyof LiveSession)[]) delete session[name];
    Object.defineProperties(session, data);
  };
}

/** What was rejected with, and something that is true where a store rejected with nothing. */
export function reasonOf(error: unknown): unknown {
  return error || new Error('the session store failed and did not say why');
}

function tooLate(operation: string): Error {
  return new Error(
    `${operation}: the answer has begun, so the client could not be given a new token; call it earlier`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
