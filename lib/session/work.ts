import type { IncomingMessage, ServerResponse } from 'node:http';
import { Cookie } from 'express-session';
import { withNoStore } from './cache-control.js';
import { reasonIn } from './conditions.js';
import { checkBounds } from './bounds.js';
import { diffData, loadData, type DataChange } from './data.js';
import { lostIn } from './lost.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { isGoneError, isStoreError, SessionGoneError, type SessionStoreError } from '../contract/errors.js';
import type { ResolvedIdentity } from '../token/identity.js';
import { keepsWholeCookie, type SessionConfig } from './config.js';
import type { HeldSession } from './recheck.js';
import { checkId } from '../contract/checks.js';
import type { SessionRecord } from '../contract/record.js';
import { ClientToken } from './client-token.js';
import { admissionOf, isReadable, isRotationLost, isValidHash, type Admission } from './admission.js';
import { isOurs, isStampDue, isTooOld, stampFor } from './expiry.js';
import { planSave, type Save } from './save-plan.js';
import { originsAfter, SessionState } from './state.js';
import { MOST_READ } from '../token/signer.js';
import { hashSecret, randomName, type Token } from '../token/token.js';
import { hostOf, isLocalhost } from '../token/scope.js';
import { LiveSession, type SessionWork } from './live-session.js';

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

/** The `Retry-After` of a response to a failure of the store, in seconds. */
export const RETRY_AFTER = '1';

/** Why a socket cannot start a session, and what to do instead. */
export const NO_TOKEN_ON_SOCKET =
  'a socket cannot give its client a token. Do it in an HTTP request, and connect the socket after that';

const UNSEALED =
  "a response was sent before its session was saved, so it carries no new token. Something calls methods of Node's response that it kept from before the session middleware was created. Create the middleware earlier";

const CHANGED_LATE =
  'a session was changed after its response was sent, so the change is not saved. Change it before the response, or call session.save()';

const JOINED_BEFORE =
  'joinGroup() was called before regenerate() for a group that the old session was in already, so the new session is not in it. Call joinGroup() after regenerate()';

/** One request's work on its session: loads it, runs the handler's calls, and commits the changes. */
export class SessionRequest implements SessionWork {
  /**
   * Set while a Nest interceptor waits for the handler. Receives the error of a failed commit, for exception filters.
   */
  guard: ((error: unknown) => void) | undefined;
  /** Whether the headers were sent: no cookie can be added any more. */
  headersGone = false;
  /** Why this client cannot get a token, and what to do instead. `undefined` if a response can carry one. */
  noToken: string | undefined;
  /** The seal of the response: while it holds, nothing can be added to the response. `undefined` until there is one. */
  seal: { readonly holds: boolean } | undefined;
  /** The headers of Fastify's reply before the handler ran. `undefined` on other platforms. */
  replyHeaders: Record<string, unknown> | undefined;
  /** The error of a failed commit. Nothing is tried again after it. */
  failure: { error: unknown } | undefined;
  readonly req: SessionIncomingMessage;
  readonly #res: ServerResponse | undefined;
  readonly #next: ((error: unknown) => void) | undefined;
  readonly #config: SessionConfig;
  readonly #identity: ResolvedIdentity;
  readonly #secure: boolean;
  /** The handler's calls that have not settled, awaited by the handler or not. */
  #inFlight: Set<Promise<unknown>> | undefined;
  #last: Promise<unknown> | undefined;
  #committing: Promise<void> | undefined;
  /** The verified tokens that the request presented. */
  #presented: readonly Token[] = [];
  /** Those of them whose sessions `destroy` and `regenerate` destroy too. */
  #others: readonly Token[] = [];
  /** The request's session, or the last one it had. */
  #state: SessionState | undefined;
  #replaced = false;
  /** Why something that the handler has set is lost. */
  #lost: { error: unknown } | undefined;
  /** The error of the last login that was rejected because others have ended its session. */
  #rejection: SessionGoneError | undefined;
  /** Whether a call of the handler failed because the store did. */
  #storeFailed = false;
  /** The cookie that the response must carry: a valid token, or the removal of the client's. */
  #owed: { state: SessionState; clear: boolean } | undefined;

  /**
   * @param identity the identity of the request's token, or of a new session's
   * @param res the response to seal; `undefined` for a message on a socket, which has none
   * @param next plain Express's `next`, which gets the error of a failed commit; `undefined` if we must respond
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

  /** Whether `value` is a session object of ours, and not what a handler or another package put in its place. */
  isOwn(value: unknown): boolean {
    return LiveSession.isLive(value);
  }

  get guarded(): boolean {
    return this.guard !== undefined;
  }

  /** Node's response, whatever object a platform passes to its handlers. Read only if the response has a seal. */
  get res(): ServerResponse {
    return this.#res!;
  }

  /** The id of the request's session, or of the last one it had. */
  get id(): string {
    return this.#state?.id ?? '';
  }

  /** The id of that session and the hash of the client's secret. `undefined` while the session is not stored. */
  get held(): HeldSession | undefined {
    const state = this.#state;
    return state?.record && { id: state.id, secretHash: state.token!.secretHash };
  }

  get sessionStore(): unknown {
    return this.#config.sessionStore ?? this.#config.store;
  }

  get identity(): string {
    return this.#identity.identity.name;
  }

  get reservedNames(): ReadonlySet<string> {
    return this.#config.reservedNames;
  }

  /** Loads the session of the first valid token, or starts a new one. */
  async load(tokens: readonly Token[]): Promise<void> {
    this.#presented = tokens;
    if (tokens.length > MOST_READ) {
      this.#config.conditions.begin(
        'many tokens',
        `a request presented ${tokens.length} tokens with a valid signature, of which ${MOST_READ} are read at most. Does another app, or another \`path\` or \`domain\`, use cookies of the same name?`,
      );
    }
    for (const [index, token] of tokens.slice(0, MOST_READ).entries()) {
      const admitted = await this.#find(token);
      if (!admitted) continue;
      const { state, record } = admitted;
      if (state.isSuperseded && !(await this.#heal(state, record))) continue;
      this.#others = tokens.slice(index + 1).filter(({ id }) => id !== token.id);
      return this.#place(new LiveSession(this, state), state, record);
    }
    this.start();
    // Any of them may be the one that the user knows, and wants to log out of.
    this.#others = tokens.slice(MOST_READ);
  }

  /** The live session of a token. `undefined` if there is none, or the token's secret is not valid. */
  async #find(token: Token): Promise<{ state: SessionState; record: SessionRecord } | undefined> {
    const record = await this.#config.store.read(token.id);
    const state = record && this.#admit(token, record);
    if (state === 'replaced' && !this.#presentsCurrent(record!)) await this.#reject(token);
    return typeof state === 'object' ? { state, record: record! } : undefined;
  }

  /**
   * Whether the request presents a valid token of a session. Then a replaced one is not stolen: a client may have cookies
   * of two paths or domains.
   */
  #presentsCurrent(record: SessionRecord): boolean {
    const now = this.#config.store.now();
    return this.#presented.some(
      ({ id, secretHash }) => id === record.id && isValidHash(record, secretHash, now),
    );
  }

  /** Does with a replaced token what `onReplacedToken` says. */
  async #reject({ id }: Token): Promise<void> {
    const { store, onReplacedToken, conditions } = this.#config;
    if (onReplacedToken === 'destroy') await store.destroy(id);
    const outcome = onReplacedToken === 'destroy' ? 'its session was destroyed' : 'it was rejected';
    conditions.warnOf(
      id,
      `session ${id}: a replaced token was presented, and ${outcome}. The token may be stolen`,
    );
  }

  /** Puts an empty session on the request, because the store cannot be read. It cannot be changed. */
  startAnonymous(error: SessionStoreError): void {
    this.#presented = [];
    const state = this.#newState(false);
    state.unavailable = error;
    this.#place(new LiveSession(this, state), state);
  }

  /**
   * Puts the session of `record` on the request, for a client that cannot get a new token. `token` was valid at the
   * handshake and is checked again. `others` are the other tokens that the client presented. Returns whether the client
   * may use the session.
   */
  take(token: Token, record: SessionRecord | undefined, others: readonly Token[]): boolean {
    const state = record && this.#admit(token, record);
    if (typeof state !== 'object') return false;
    this.#presented = [token, ...others];
    this.#others = others.filter(({ id }) => id !== token.id);
    this.#place(new LiveSession(this, state), state, record);
    return true;
  }

  /** Whether the session of the client's token has ended, as far as this request knows. */
  get ended(): boolean {
    if (this.#presented.length === 0) return false;
    const ended = this.#state?.ended;
    return ended === 'here' || ended === 'elsewhere';
  }

  /** Puts a new session, which is not stored yet, on the request. */
  start(): void {
    const state = this.#newState();
    this.#place(new LiveSession(this, state), state);
  }

  /**
   * The state of the session for a client that presented `token`; why there is none if its secret is not valid, or the
   * record cannot be used.
   */
  #admit(token: Token, record: SessionRecord): SessionState | Exclude<Admission, 'current' | 'previous'> {
    const { store, logger, absoluteTimeout } = this.#config;
    const now = store.now();
    const admission = admissionOf(token, record, absoluteTimeout, now);
    if (admission === 'unreadable') {
      logger.error(
        `session ${this.#nameOf(token.id)} cannot be read, because its record is damaged. The client gets a new session`,
      );
    }
    if (admission !== 'current' && admission !== 'previous') return admission;

    const held = new ClientToken(token.id, token.secret, token);
    held.isCurrent = admission === 'current';
    const state = this.#stateFor(held, record);
    const { previous } = record;
    if (!held.isCurrent || !previous) return state;
    held.graceEnds = previous.validUntil ?? now + previous.grace;
    if (previous.validUntil === undefined) {
      this.#retirePrevious(record, held.graceEnds);
      // A request with the old secret may have changed the cookie's attributes. It could not send them.
      state.cookieAsked = record.data['cookie'] !== undefined;
    }
    return state;
  }

  #stateFor(token: ClientToken, record: SessionRecord): SessionState {
    const { idleTimeout, resave, rolling } = this.#config;
    const state = new SessionState(record.id, this.#cookie(record.data['cookie']), idleTimeout);
    state.token = token;
    state.touchAsked = resave || rolling === true;
    return state;
  }

  #nameOf(id: string): string {
    return this.#config.signer.nameOf(id);
  }

  /** Whether a record that was read again can still be used. */
  #isUsable(record: SessionRecord, id: string): boolean {
    const { store, absoluteTimeout } = this.#config;
    return isReadable(record, id) && !isTooOld(record.createdAt, absoluteTimeout, store.now());
  }

  /**
   * Rotates again for a client that still presents the old secret a grace after the rotation: the response with the new
   * one was lost. Resolves to whether the session is still live.
   */
  async #heal(state: SessionState, record: SessionRecord): Promise<boolean> {
    const { signer, store } = this.#config;
    const { previous } = record;
    if (!previous || !isRotationLost(previous, store.now()) || this.noToken !== undefined) return true;
    const secret = signer.newSecret();
    try {
      const current = await store.rotate(record, previous.hash, hashSecret(secret), previous.grace);
      if (current !== undefined) this.#rotated(state, secret, current);
      return current !== undefined;
    } catch (error) {
      // The old secret is still valid, and the next request tries again.
      this.#notRenewed(error);
      return true;
    }
  }

  /** Records that the client holds the current secret, so that the previous one stops being valid at `until`. */
  #retirePrevious(record: SessionRecord, until: number): void {
    const retirePrevious = { secretHash: record.secretHash, validUntil: until };
    // If it fails, the next request tries again.
    this.#track(
      this.#config.store
        .update(record, { retirePrevious })
        .catch((error: unknown) => this.#notRenewed(error)),
    );
  }

  /** @param storable whether the session can ever be stored. If not, `genid` is not called for its id */
  #newState(storable = this.noToken === undefined): SessionState {
    const { idleTimeout } = this.#config;
    const genid = storable ? this.#config.genid : undefined;
    const id = genid ? genid(this.req) : randomName();
    if (genid) {
      checkId(id);
      if (id === '') throw new TypeError('genid must return a non-empty id');
    }
    return new SessionState(id, this.#cookie(), idleTimeout);
  }

  #cookie(ownText?: string): LiveCookie {
    const { cookie } = this.#identity;
    const defaults = this.#secure ? cookie.secure : cookie.plain;
    const isWhole = ownText !== undefined && keepsWholeCookie(this.#config) && LiveCookie.isWhole(ownText);
    if (!isWhole) return new LiveCookie(defaults, ownText);
    // express-session leaves these two out if they are not set. Then ours apply, which are safer.
    const { secure, sameSite } = defaults;
    return new LiveCookie({ path: '/', httpOnly: true, secure, sameSite }, ownText);
  }

  /** Puts a session on the request, with the data of `record`. */
  #place(session: LiveSession, state: SessionState, record?: SessionRecord): void {
    if (record) {
      const unreadable = (name: string): void => this.unreadable(record.id, name);
      state.load(record, loadData(session, record.data, this.reservedNames, unreadable));
      state.moveExpiry(record.expiresAt, this.#config.store.now());
    }
    this.req.session = session;
    this.#state = state;
  }

  /** Logs a serialized value that is not JSON. */
  unreadable(id: string, name: string): void {
    this.#config.logger.error(
      `session ${this.#nameOf(id)}: the serialized value of ${JSON.stringify(name)} is not JSON. It stays as it is`,
    );
  }

  /** Saves the changes. Stores a new session even if it is empty. */
  save(session: LiveSession): Promise<void> {
    const state = LiveSession.stateOf(session);
    return this.#run(async () => {
      if (state.ended) throw new SessionGoneError('save');
      // `regenerate` or `reload` has put another session into the same object, with its own data.
      if (LiveSession.stateOf(session) !== state) return;
      const save = this.#saveOf(session, state, true);
      if (save && !(await this.#storeOrServe(state, save))) throw new SessionGoneError('save');
    });
  }

  /** Reads the session again, into the same object or a new one at `req.session`. */
  reload(session: LiveSession, inPlace: boolean): Promise<void> {
    const state = LiveSession.stateOf(session);
    return this.#run(async () => {
      state.checkAvailable();
      const record = state.ended || !state.record ? undefined : await this.#config.store.read(state.id);
      if (!record || !this.#isUsable(record, state.id)) throw new SessionGoneError('reload');

      if (LiveSession.stateOf(session) !== state) return;
      const fresh = new SessionState(state.id, this.#cookie(record.data['cookie']), this.#config.idleTimeout);
      fresh.token = state.token;
      fresh.touchAsked = state.touchAsked;
      fresh.cookieAsked = state.cookieAsked;
      if (inPlace) {
        takeData(session);
        LiveSession.setState(session, fresh);
      }
      this.#place(inPlace ? session : new LiveSession(this, fresh), fresh, record);
    });
  }

  /** Destroys the session. `req.session` is gone from now on, and put back if the store fails. */
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

  /** Destroys the session and puts an empty one in its place, in the same object or a new one at `req.session`. */
  regenerate(session: LiveSession, inPlace: boolean): Promise<void> {
    const old = LiveSession.stateOf(session);
    const impossible = this.#noTokenFor('regenerate');
    if (impossible) {
      // Later assignments were meant for the new session, and must not reach the old one.
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
        try {
          await this.#endForSuccessor(old, state);
        } catch (error) {
          if (isStoreError(error)) old.unavailable = error;
          throw error;
        }
        state.takeOverJoins(old);
        this.#place(new LiveSession(this, state), state);
      });
    }
    // At once, so that later assignments belong to the new session even if the handler does not await this call.
    const restore = takeData(session);
    LiveSession.setState(session, state);
    state.takeOverJoins(old);
    this.#place(session, state);
    const joined = state.groupNames().length;
    return this.#run(async () => {
      try {
        await this.#endForSuccessor(old, state);
      } catch (error) {
        // Whatever was meant for the new session must not reach the old one, nor get lost unnoticed.
        if (isStoreError(error)) state.unavailable = old.unavailable = error;
        const isCurrent = LiveSession.stateOf(session) === state;
        if (!isCurrent || Object.keys(session).length > 1 || state.groupNames().length !== joined)
          this.#lost = { error };
        if (isCurrent) {
          restore();
          LiveSession.setState(session, old);
          this.#state = old;
        }
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
      const { record, token } = state;
      if (!record || !token?.isCurrent) return;
      // A record keeps only one previous secret, and slower requests may still carry the one that it keeps now.
      if (grace > 0 && this.#config.store.now() < token.graceEnds) return;

      const secret = this.#config.signer.newSecret();
      const current = await this.#config.store.rotate(record, token.secretHash, hashSecret(secret), grace);
      if (current === undefined) {
        state.ended = 'elsewhere';
        throw new SessionGoneError('rotate');
      }
      this.#rotated(state, secret, current);
      if (!state.isSuperseded) await this.#refreshCookie(state);
    });
  }

  /** Why `operation` cannot give the client a new token; `undefined` while it can. */
  #noTokenFor(operation: string): Error | undefined {
    if (this.noToken !== undefined) return new Error(`${operation}: ${this.noToken}`);
    // The handler may have begun its response, which is still held.
    return this.headersGone || this.seal?.holds ? tooLate(operation) : undefined;
  }

  /** Records the outcome of a rotation to `secret`, after which `current` is the record's secret hash. */
  #rotated(state: SessionState, secret: string, current: string): void {
    const token = state.token!.rotated(secret);
    state.token!.isCurrent = false;
    if (token.secretHash !== current) return;
    state.token = token;
    this.#owe(state);
  }

  /**
   * Reads the lifetime that another request may have set meanwhile, because the cookie of a rotation is always sent.
   */
  async #refreshCookie(state: SessionState): Promise<void> {
    const { store, idleTimeout, logger } = this.#config;
    try {
      const record = await store.read(state.id);
      if (!record || !isReadable(record, state.id)) return;
      if (LiveCookie.refresh(state.cookie, record.data['cookie']))
        state.lifetime = LiveCookie.lifetime(state.cookie, idleTimeout);
      state.moveExpiry(record.expiresAt, store.now());
    } catch (error) {
      // The secret is valid and must reach the client, with the lifetime that this request knows.
      logger.warn(
        `session ${this.#nameOf(state.id)}: the lifetime of its new cookie could not be read: ${reasonIn(error)}`,
      );
    }
  }

  /** Destroys the session of `state` and those of the other tokens, and has the client's token removed. */
  async #end(state: SessionState): Promise<void> {
    const { store } = this.#config;
    state.checkAvailable();
    await this.#endOthers(({ id }) => store.destroy(id));
    // A new session that is not stored yet has nothing to destroy but the right of the old one to have a successor.
    if (!state.record) await Promise.all(state.from.map((id) => store.destroy(id)));
    if (!state.ended || state.ended === 'left') {
      const live = state.record !== undefined && (await store.destroy(state.id));
      state.ended = live || !state.record ? 'here' : 'elsewhere';
    }
    this.#oweRemoval(state);
  }

  /**
   * Destroys `old`, and the sessions of the other tokens, for a successor. Throws if others have ended it: it must not
   * come back under a new id.
   */
  async #endForSuccessor(old: SessionState, successor: SessionState): Promise<void> {
    const { store } = this.#config;
    old.checkAvailable();
    await this.#endOthers(({ id, hint }) => store.regenerate(id, hint));
    successor.from = old.from;
    if (old.record && (old.ended !== 'here' || old.isRegenerated)) {
      if (!(await store.regenerate(old.id, old.record.hint))) {
        old.ended = 'elsewhere';
        old.rejected = this.#gone();
        throw old.rejected;
      }
      old.isRegenerated = true;
      successor.from = originsAfter(old.record, store.now());
    }
    old.ended = 'here';
    this.#oweRemoval(old);
  }

  /** The error of a session that can have no successor, because others have ended it. */
  #gone(): SessionGoneError {
    return (this.#rejection = new SessionGoneError('regenerate'));
  }

  /** Ends the live sessions of the other tokens that the request presented. */
  async #endOthers(end: (record: SessionRecord) => Promise<boolean>): Promise<void> {
    for (; this.#others.length > 0; this.#others = this.#others.slice(1)) {
      const other = await this.#find(this.#others[0]!);
      if (other) await end(other.record);
    }
  }

  /** Has the client's token removed, unless a session that has taken the place of `state` has one to send. */
  #oweRemoval(state: SessionState): void {
    const replaced = this.#owed && !this.#owed.clear && this.#owed.state !== state;
    if (!replaced && (this.#presented.length > 0 || this.#owed)) this.#owed = { state, clear: true };
  }

  /**
   * Saves the request's changes, after the calls in flight. `undefined` if there is nothing to wait for. A call during
   * a commit returns that commit. After a failed commit nothing is tried again.
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
    // Later calls run after it, unless the commit itself must wait for calls.
    if (save) this.#last = committing;
    return committing;
  }

  async #commit(save: Save | undefined): Promise<void> {
    try {
      if (save) {
        await this.#storeOrServe(this.#current()!, save);
        return;
      }
      while (this.#inFlight?.size) await this.#settle(this.#inFlight);
      const due = this.#pendingSave();
      const unset = this.#unset();
      if (due) await this.#run(() => this.#storeOrServe(this.#current()!, due));
      else if (unset) await this.#run(() => this.#end(unset));
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }

  /** As `#store`, but a save that only renews the session may fail. The next request tries again. */
  async #storeOrServe(state: SessionState, save: Save): Promise<boolean> {
    try {
      return await this.#store(state, save);
    } catch (error) {
      if (save.changed) throw error;
      this.#notRenewed(error);
      state.renewalFailed = true;
      return true;
    }
  }

  /** Logs, once for an outage, that the store could not renew a session. The request is served. Throws other errors. */
  #notRenewed(error: unknown): void {
    if (!isStoreError(error)) throw error;
    this.#config.conditions.begin(
      'not renewed',
      `requests are served, but their sessions are not renewed: ${reasonIn(error)}`,
    );
  }

  /** The session to destroy because `req.session` was removed. */
  #unset(): SessionState | undefined {
    const state = this.#state;
    if (this.#config.unset === 'keep' || (this.req.session ?? undefined) !== undefined) return undefined;
    return (state?.record || state?.unavailable) && !state.ended ? state : undefined;
  }

  /**
   * Waits for the calls in flight. A `SessionGoneError` of a call does not fail the response, unless it is that of a login
   * for which the handler did not wait.
   */
  async #settle(inFlight: Set<Promise<unknown>>): Promise<void> {
    for (const outcome of await Promise.allSettled(inFlight)) {
      if (outcome.status === 'fulfilled') continue;
      if (outcome.reason === this.#rejection || !isGoneError(outcome.reason)) throw outcome.reason;
    }
  }

  /**
   * The save that a commit needs now; `undefined` if there is nothing to save. Throws if the handler has set something
   * that cannot be saved any more, because `regenerate` has failed.
   */
  #pendingSave(): Save | undefined {
    if (this.#lost) throw this.#lost.error;
    const rejected = this.#placed()?.rejected;
    if (rejected && this.#isChanged()) throw rejected;
    const state = this.#current();
    return state && this.#saveOf(this.req.session as LiveSession, state, false);
  }

  /** The state of the session at `req.session`, ended or not. */
  #placed(): SessionState | undefined {
    const { session } = this.req;
    return LiveSession.isLive(session) ? LiveSession.stateOf(session) : undefined;
  }

  /** The state of the request's current session; `undefined` if it has ended, or was removed or replaced. */
  #current(): SessionState | undefined {
    const { session } = this.req;
    if (!LiveSession.isLive(session)) {
      if (session !== undefined && session !== null && !this.#replaced) {
        this.#replaced = true;
        this.#config.logger.warn(
          'req.session was replaced, so none of its data is saved. Set properties of req.session instead',
        );
      }
      return undefined;
    }
    const state = LiveSession.stateOf(session);
    return state.ended ? undefined : state;
  }

  /** What a save of `session` would send; `undefined` if there is nothing to send. */
  #saveOf(session: LiveSession, state: SessionState, evenIfEmpty: boolean): Save | undefined {
    if (session.cookie !== state.cookie) {
      // Passport copies all properties of a session, `cookie` included, when it keeps session data over a login.
      if (!(session.cookie instanceof Cookie)) {
        throw new TypeError(
          'session.cookie was replaced. Set its attributes instead: session.cookie.maxAge = …',
        );
      }
      LiveCookie.adopt(state.cookie, session.cookie);
      session.cookie = state.cookie;
    }
    const config = this.#config;
    const data = diffData(session, state.snapshot, config.reservedNames);
    const groups = state.groupChange();
    const cookie = LiveCookie.own(state.cookie);
    if (state.unavailable) {
      if (data || groups || cookie || evenIfEmpty) throw state.unavailable;
      return undefined;
    }
    if (config.isDevelopment) this.#warnOfLost(session, data);
    if (config.isDevelopment && state.missesGroup) config.conditions.begin('misses a group', JOINED_BEFORE);
    if (data || groups) {
      const before = { data: state.snapshot.texts, groups: state.groups };
      checkBounds(before, { ...data, ...groups }, config.maxSize);
    }

    const lifetime = LiveCookie.lifetime(state.cookie, config.idleTimeout);
    const save = planSave({
      createdAt: state.record?.createdAt,
      data,
      groups,
      cookie,
      wholeCookie: cookie && keepsWholeCookie(config) ? LiveCookie.whole(state.cookie) : undefined,
      expiresAt: state.expiresAt,
      storedLifetime: state.lifetime,
      lifetime,
      absoluteTimeout: config.absoluteTimeout,
      now: config.store.now(),
      isWanted: evenIfEmpty || (config.saveUninitialized && this.noToken === undefined),
      isTouched: state.touchAsked,
      isCookieDue: this.#isCookieDue(state, lifetime),
      hasFailed: state.renewalFailed,
    });
    return save && (state.record || this.#canCreate(state, evenIfEmpty)) ? save : undefined;
  }

  /** Whether a new session can be created, because its client can get its token. Throws if it must be. */
  #canCreate(state: SessionState, isAsked: boolean): boolean {
    if (this.noToken !== undefined) throw new Error(`save: ${this.noToken}`);
    if (!this.headersGone) return true;
    if (isAsked) throw tooLate('save');
    this.#config.logger.warn(
      `session ${this.#nameOf(state.id)} was not created: the response had begun, so its cookie could not be sent. Change it before the response`,
    );
    return false;
  }

  /**
   * Whether the client needs its cookie again although the session does not: it holds one that expires earlier than the
   * session by more than a tenth of the lifetime, because the response with a later one never reached it.
   */
  #isCookieDue(state: SessionState, lifetime: number): boolean {
    if (!state.record) return false;
    if (state.cookieAsked) return true;
    if (this.#config.rolling === false || !this.#stampsCookies || state.isSuperseded) return false;
    // The response cannot carry a cookie, or carries one already.
    if (this.noToken !== undefined || this.headersGone || this.#owed?.state === state) return false;
    return isStampDue(state.token?.stamp, this.#stampOf(state), lifetime);
  }

  /** Whether tokens say when their cookie expires. A token that is a bare session id has no place for it. */
  get #stampsCookies(): boolean {
    return this.#identity.isCookie && this.#config.store.capabilities.secrets;
  }

  /** When a cookie that is sent now expires, in epoch seconds. `undefined` if it has no age, or is no cookie. */
  #stampOf({ cookie, expiresAt }: SessionState): number | undefined {
    if (!this.#stampsCookies || typeof cookie.originalMaxAge !== 'number') return undefined;
    return stampFor(expiresAt, this.#config.store.now());
  }

  /** Sends a save to the store. Resolves to whether the session was live. */
  async #store(state: SessionState, save: Save): Promise<boolean> {
    const { changed, cookieDue, data, groups, cookieText, lifetime, expiresAt } = save;
    if (state.ended) return false;
    if (expiresAt <= this.#config.store.now()) {
      // A `maxAge` of zero or less, or the absolute timeout is over: the session ends as if it were destroyed.
      await this.#end(state);
      return false;
    }
    const updated = state.record
      ? await this.#config.store.update(state.record, save.change)
      : await this.#create(state, save);
    if (!updated) {
      state.ended = 'elsewhere';
      return false;
    }
    if (data) state.dataSaved(data);
    if (groups) state.groupsSaved(groups);
    if (cookieText) LiveCookie.saved(state.cookie, cookieText.text);
    state.moveExpiry(updated.expiresAt, this.#config.store.now());
    state.lifetime = lifetime;
    state.touchAsked = false;
    this.#config.conditions.end('not renewed');

    const token = state.token!;
    if (updated.secretHash !== token.secretHash) {
      token.isCurrent = false;
      // This request rotated so long ago that another one took the response for lost, and rotated again.
      if (this.#owed?.state === state) this.#owed = undefined;
    }
    const lifetimeIsOurs = isOurs(updated.expiresAt, expiresAt, lifetime);
    const owes = cookieDue || this.#owesCookie(state, changed, cookieText?.isForClient === true);
    if (token.isCurrent && lifetimeIsOurs && owes) this.#owe(state);
    state.cookieAsked = false;
    return true;
  }

  async #create(state: SessionState, { data, groups, cookieText, expiresAt }: Save) {
    const { store, signer } = this.#config;
    // A create that failed may have acted, and is repeated with the same secret.
    const { secretHash } = (state.token ??= new ClientToken(state.id, signer.newSecret()));
    const texts = { __proto__: null, ...data?.set } as unknown as Record<string, string>;
    if (keepsWholeCookie(this.#config)) texts['cookie'] = LiveCookie.whole(state.cookie);
    else if (cookieText?.text !== undefined) texts['cookie'] = cookieText.text;
    const record: SessionRecord = {
      id: state.id,
      secretHash,
      data: texts,
      groups: groups?.join ?? [],
      createdAt: this.#config.store.now(),
      expiresAt,
    };
    if (state.from.length > 0) record.from = [...state.from];
    if (!(await store.create(record))) {
      state.ended = 'elsewhere';
      // The client's token is dead, but by now it may have another one, which a removal would take.
      this.#owed = undefined;
      throw this.#gone();
    }
    state.record = record;
    this.#owe(state);
    return { expiresAt, secretHash };
  }

  /** Whether the save of a stored session sends its cookie again. */
  #owesCookie(state: SessionState, changed: boolean, cookieChanged: boolean): boolean {
    const { rolling } = this.#config;
    if (rolling === true || cookieChanged) return true;
    // A cookie that ends with the browser has no expiry to renew.
    if (typeof state.cookie.originalMaxAge !== 'number') return false;
    return rolling === undefined || changed;
  }

  #owe(state: SessionState): void {
    this.#owed = { state, clear: false };
  }

  /**
   * A function that sets the session's headers on the response; `undefined` if there are none. Called once, with the
   * headers.
   */
  takeHeaders(): ((res: ServerResponse) => void) | undefined {
    const { vary } = this.#config;
    this.headersGone = true;
    const storeFailed = this.#storeFailed || this.#state?.unavailable !== undefined;
    if (!this.#owed && vary.length === 0 && !storeFailed) return undefined;
    const put = this.#owedToken();
    return (res) => {
      if (storeFailed && res.statusCode === 503) res.setHeader('Retry-After', RETRY_AFTER);
      for (const header of vary) addVary(res, header);
      if (!put) return;
      if (this.#config.noStore) res.setHeader('Cache-Control', withNoStore(res.getHeader('Cache-Control')));
      put(res);
    };
  }

  /** A function that sets or removes the client's token; `undefined` if the response owes neither. */
  #owedToken(): ((res: ServerResponse) => void) | undefined {
    const { identity, isCookie } = this.#identity;
    const owed = this.#owed;
    this.#owed = undefined;
    if (!owed) return undefined;
    const { state, clear } = owed;
    if (clear) return (res) => identity.remove(res, state);
    if (state.ended || !state.token) return undefined;
    if (isCookie && !this.#takesCookie(identity.name, state.cookie)) return undefined;
    const token = state.token.signed(this.#config.signer, this.#stampOf(state), state.lifetime);
    return (res) => identity.set(res, token, state);
  }

  /** Whether a client keeps a cookie with these attributes; what it would drop is logged, once. */
  #takesCookie(name: string, { secure, sameSite, partitioned }: LiveCookie): boolean {
    if (secure === true && !this.#secure && !this.#isOnLocalhost()) {
      this.#config.conditions.begin(
        'cookie needs HTTPS',
        `cookie ${name} was not sent, because cookie.secure is true and the request did not use HTTPS. Behind a proxy set Express's 'trust proxy', or write secure: 'auto'`,
      );
      return false;
    }
    if (secure !== true && this.#isUntrustedHttps()) {
      this.#config.conditions.begin(
        'proxy is not trusted',
        `cookie ${name} was sent without Secure. X-Forwarded-Proto is https, but the app does not trust its proxy. Set Express's 'trust proxy', or write new FastifyAdapter({ trustProxy: true })`,
      );
    }
    if (secure !== true && (sameSite === 'none' || partitioned === true)) {
      const attribute = sameSite === 'none' ? "sameSite: 'none'" : 'partitioned: true';
      this.#config.conditions.begin(
        'cookie is dropped',
        `cookie ${name} was sent with ${attribute} but without Secure, so browsers drop it. Use HTTPS; behind a proxy set Express's 'trust proxy'`,
      );
    }
    return true;
  }

  /** Whether a proxy says that the client used HTTPS, but is not trusted, so that `secure: 'auto'` means `false`. */
  #isUntrustedHttps(): boolean {
    const { plain, secure } = this.#identity.cookie;
    const isAuto = plain.secure !== secure.secure;
    return isAuto && !this.#secure && this.#config.proxy !== false && forwardedProtocol(this.req) === 'https';
  }

  #isOnLocalhost(): boolean {
    return this.#config.secureOnLocalhost && isLocalhost(hostOf(this.req));
  }

  /** Whether the request's session has data or groups that are not stored. */
  #isChanged(): boolean {
    const state = this.#placed();
    if (!state || (state.ended && !state.rejected) || state.unavailable) return false;
    try {
      const session = this.req.session as LiveSession;
      return (diffData(session, state.snapshot, this.reservedNames) ?? state.groupChange()) !== undefined;
    } catch {
      // A value that JSON cannot hold.
      return true;
    }
  }

  /** In development, logs a changed value that JSON does not hold. */
  #warnOfLost(session: LiveSession, change: DataChange | undefined): void {
    for (const name of Object.keys(session)) {
      if (this.#config.conditions.holds('value is lost')) return;
      const value: unknown = Object.getOwnPropertyDescriptor(session, name)?.value;
      const isLeftOut = typeof value === 'function' || typeof value === 'symbol';
      if (this.reservedNames.has(name) || !(isLeftOut || change?.set?.[name] !== undefined)) continue;
      const lost = lostIn(value);
      if (lost === undefined) continue;
      this.#config.conditions.begin(
        'value is lost',
        `session[${JSON.stringify(name)}] holds ${lost}, which JSON leaves out, so the next request does not see it. Store plain values`,
      );
    }
  }

  /** Passes on the error of a commit that failed before the first byte. Returns whether anything will respond to it. */
  failed(error: unknown): boolean {
    const responds = this.guard ?? this.#next;
    responds?.(reasonOf(error));
    return responds !== undefined;
  }

  /** The response was sent past its methods: its changes are saved, but a new token can no longer be sent. */
  sentUnsealed(): void {
    try {
      if (this.#inFlight?.size || this.#pendingSave()?.changed) this.#config.logger.error(UNSEALED);
    } catch (error) {
      this.failedLate(error);
    }
    this.headersGone = true;
    this.commit()?.catch((error: unknown) => this.failedLate(error));
  }

  /** The response was sent. In development, logs a change that came after it. */
  sent(): void {
    if (!this.#config.isDevelopment || this.#config.conditions.holds('changed too late')) return;
    const check = (): void => {
      if (this.failure || this.#inFlight?.size || !this.#isChanged()) return;
      this.#config.conditions.begin('changed too late', CHANGED_LATE);
    };
    setImmediate(check);
    // Most changes that come too late follow an `await`.
    setTimeout(check, 1000).unref();
  }

  /** Logs an error that no response can report any more. */
  failedLate(error: unknown, what = 'the session was not saved'): void {
    this.#config.logger.error(what, error);
  }

  /** Runs `work` after the calls in flight, so that a handler's calls run in their order. */
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

/** Whether a request came over HTTPS, to this server or to a proxy that `proxy` or Express's `trust proxy` trusts. */
function isSecure(req: SessionIncomingMessage, proxy: boolean | undefined): boolean {
  if ((req.socket as { encrypted?: boolean } | undefined)?.encrypted === true) return true;
  // Express sets `secure` and Fastify `protocol`, each by its own setting for trusted proxies.
  if (proxy === undefined) return req.secure ?? req.protocol === 'https';
  if (!proxy) return false;
  return forwardedProtocol(req) === 'https';
}

/** The protocol that the first proxy saw, if it says so. */
function forwardedProtocol(req: SessionIncomingMessage): string {
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '');
  return forwarded.split(',', 1)[0]!.trim().toLowerCase();
}

/** Adds a request header to the response's `Vary`, unless it is there already. */
function addVary(res: ServerResponse, header: string): void {
  const before = [res.getHeader('Vary') ?? []].flat().join(', ');
  const named = before.toLowerCase().split(/\s*,\s*/);
  if (named.includes('*') || named.includes(header.toLowerCase())) return;
  res.setHeader('Vary', before === '' ? header : `${before}, ${header}`);
}

/** Removes all data from a session object. Returns a function that puts it back. */
function takeData(session: LiveSession): () => void {
  const data = Object.getOwnPropertyDescriptors(session);
  const names = Object.keys(session) as (keyof LiveSession)[];
  for (const name of names) delete session[name];
  return () => {
    for (const name of Object.keys(session) as (keyof LiveSession)[]) delete session[name];
    Object.defineProperties(session, data);
  };
}

/**
 * The error that a call rejected with, or a new one if a store rejected with a falsy value, which `next` would ignore.
 */
export function reasonOf(error: unknown): unknown {
  return error || new Error('the session store failed without an error');
}

function tooLate(operation: string): Error {
  return new Error(
    `${operation}: the response has begun, so it cannot carry a new token. Call ${operation} earlier`,
  );
}
