import { isGoneError, SessionGoneError } from '../contract/errors.js';
import type { SessionChange, SessionRecord, SessionUpdate } from '../contract/record.js';
import { isSealedText } from '../contract/sealed.js';
import type { Token } from '../token/token.js';
import { Calls } from './calls.js';
import type { Client } from './client.js';
import type { SessionConfig } from './config.js';
import { loadData } from './data.js';
import { dueRotation } from './due-rotation.js';
import { destroySession, endForSuccessor, NO_TOKENS, type PresentedTokens } from './ending.js';
import { LiveSession } from './live-session.js';
import { newState } from './new-state.js';
import { forgetToken, giveToken, NOTHING, withoutTokenOf, type ClientNotice, type Notice } from './notice.js';
import { withHandler, type Handlers } from './passive.js';
import { notRenewed, rotateDue } from './rotation.js';
import type { Save } from './save-plan.js';
import { saveOf, sendSave, stampOf, type Reason, type Saved } from './saving.js';
import type { SessionState } from './state.js';

/** The session of one request or message, the store calls for it, and what its client must be told. */
export class SessionUnit {
  readonly calls = new Calls();
  #tokens: PresentedTokens = NO_TOKENS;
  #notice: Notice = NOTHING;
  /** Why something that the handler set is lost. */
  #lost: { error: unknown } | undefined;
  /** The session whose last join with a limit failed, and why. */
  #failedJoin: { state: SessionState; error: unknown } | undefined;
  /** The current session, or the last one. */
  #state: SessionState | undefined;
  /** The error of the last login that was rejected because its session was ended elsewhere. */
  #rejection: unknown;
  #isReplaced = false;
  #handlers: Handlers = 'none';
  /** Whether a commit has made the rotation that was due. A failed one is not tried again for this request. */
  #hasTurned = false;

  constructor(
    readonly config: SessionConfig,
    readonly client: Client,
  ) {}

  /** The state of the current session, or of the last one. */
  get state(): SessionState | undefined {
    return this.#state;
  }

  /** Whether the client presented a token. */
  get hasToken(): boolean {
    return this.#tokens.all.length > 0;
  }

  /**
   * Whether the request uses its session without renewing it. Known when its handler runs, and final when its session is
   * committed.
   */
  get isPassive(): boolean {
    return this.client.isPassive || this.#handlers === 'passive';
  }

  /** Records that a handler runs with the session. */
  noteHandler(isPassive: boolean): void {
    this.#handlers = withHandler(this.#handlers, isPassive);
  }

  /**
   * Sets the verified tokens that the client presented.
   *
   * @param others those whose sessions end with the current one
   */
  present(all: readonly Token[], others: readonly Token[]): void {
    this.#tokens = { all, others };
  }

  /** Lets the response carry the token of `state`. */
  giveToken(state: SessionState): void {
    this.#notice = giveToken(state);
  }

  /** Records that something that the handler set is lost, and why. */
  lose(error: unknown): void {
    this.#lost = { error };
  }

  /**
   * Records why a join with a limit failed; `undefined` if it did not. The session may be in the group, and one too many
   * there. So its client must not get its token, even if the handler has caught the error.
   */
  joinFailed(failure: { state: SessionState; error: unknown } | undefined): void {
    this.#failedJoin = failure;
  }

  /** Throws if something that the handler set is lost, or if the session may be one too many in a group. */
  checkNothingIsLost(): void {
    if (this.#lost) throw this.#lost.error;
    if (this.#mayBeTooMany(this.#state)) throw this.#failedJoin!.error;
  }

  #mayBeTooMany(state: SessionState | undefined): boolean {
    return state !== undefined && state === this.#failedJoin?.state && !state.isOver;
  }

  /** Ends a session whose client never gets its token, so that its place is free. It would end by itself in a minute. */
  #abandon({ id }: SessionState): void {
    if (this.#tokens.all.some((token) => token.id === id)) return;
    // Nothing waits for it: a store that is down would delay the response once more.
    this.config.store.destroy(id).catch(() => {});
  }

  /** Whether `error` is the error of a login that was rejected. */
  isRejection(error: unknown): boolean {
    return error === this.#rejection;
  }

  /** The state of a session that is not stored yet. */
  newState(): SessionState {
    return newState(this.config, this.client, this.client.canGiveToken() !== 'never');
  }

  /** Makes a session the current one, with the data of `record`. */
  place(session: LiveSession, state: SessionState, record?: SessionRecord): void {
    if (record) {
      const unreadable = (name: string): void => this.unreadable(record.id, name, record.data[name]);
      state.load(record, loadData(session, record.data, this.config.reservedNames, unreadable));
      state.moveExpiry(record.expiresAt, this.config.store.now());
    }
    this.client.holder.session = session;
    this.#state = state;
    // The client of a session that was read again gets its token with what was read.
    if (this.#notice.is === 'token' && this.#notice.of.id === state.id) this.giveToken(state);
  }

  /** Makes the state of a session object the current one again. */
  restore(session: LiveSession, state: SessionState): void {
    LiveSession.setState(session, state);
    this.#state = state;
  }

  /** The current session, ended or not; `undefined` if the handler has removed or replaced it. */
  placed(): LiveSession | undefined {
    const { session } = this.client.holder;
    if (LiveSession.isLive(session)) return session;
    if (session !== undefined && session !== null && !this.#isReplaced) {
      this.#isReplaced = true;
      this.config.logger.warn(
        'req.session was replaced, so none of its data is saved. Set properties of req.session instead',
      );
    }
    return undefined;
  }

  /** Logs a serialized value that is not JSON. */
  unreadable(id: string, name: string, text: unknown): void {
    const { logger, nameOf } = this.config;
    // The text of a store that opens its texts never looks sealed.
    const problem =
      typeof text === 'string' && isSealedText(text)
        ? 'looks sealed, and the store does not open it. Set encrypt, with the key of the processes that seal it'
        : 'is not JSON';
    logger.error(
      `session ${nameOf(id)}: the serialized value of ${JSON.stringify(name)} ${problem}. It stays as it is`,
    );
  }

  /**
   * What a save of `session` sends; `undefined` if there is nothing to send. Throws if it must be saved, but cannot be.
   */
  saveOf(session: LiveSession, state: SessionState, reason: Reason): Save | undefined {
    const hasNotice = this.#notice.is !== 'nothing' && this.#notice.of === state;
    const { config, client, isPassive } = this;
    return saveOf(session, state, reason, { hasNotice, isPassive }, config, client);
  }

  /**
   * Sends a save to the store. Resolves to whether the session is live. A save that only renews it may fail: the next
   * request tries again.
   */
  async send(state: SessionState, save: Save): Promise<boolean> {
    if (state.isOver) return false;
    try {
      if (save.expiresAt > this.config.store.now()) {
        const { config, client, isPassive } = this;
        return this.#afterSave(state, await sendSave(state, save, isPassive, config, client));
      }
      // A `maxAge` of zero or less, or the absolute timeout is over: the session ends as if it were destroyed.
      await this.destroy(state);
      return false;
    } catch (error) {
      if (save.changed) throw error;
      notRenewed(error, this.config);
      state.renewal = 'failed';
      return true;
    }
  }

  /** Sends a change that acts at once. Rejects with a `SessionGoneError` if the session has ended. */
  async act(state: SessionState, change: SessionChange, operation: string): Promise<SessionUpdate> {
    const updated = await this.config.store.update(state.record!, change);
    if (!updated) {
      state.note({ type: 'gone' });
      throw new SessionGoneError(operation);
    }
    if (updated.secretHash !== state.token!.secretHash) {
      state.note({ type: 'superseded' });
      this.#notice = withoutTokenOf(state, this.#notice);
    }
    return updated;
  }

  /** Records the outcome of a save. Returns whether the session is live. */
  #afterSave(state: SessionState, outcome: Saved): boolean {
    switch (outcome) {
      case 'owes token':
        this.giveToken(state);
        return true;
      case 'superseded':
        this.#notice = withoutTokenOf(state, this.#notice);
        return true;
      case 'done':
        return true;
      case 'gone':
        return false;
      case 'refused':
        // The client's token is dead, but it may have a new one by now, which a removal would delete.
        this.#notice = NOTHING;
        throw (this.#rejection = new SessionGoneError('regenerate'));
    }
  }

  /**
   * The rotation that the commit makes by itself, as a function that makes it; `undefined` if none is due.
   *
   * @param isCached whether the session came from the cache
   */
  dueRotation(isCached: boolean): (() => Promise<void>) | undefined {
    const state = this.#state;
    if (this.#hasTurned || !state?.record || !state.token || !this.placed()) return undefined;
    const { config, client, isPassive } = this;
    const due = dueRotation({
      standing: state.standing.is,
      token: state.token,
      record: state.record,
      canGiveToken: client.canGiveToken(),
      isPassive,
      isSocket: client.isSocket,
      isCached,
      rotateAfter: config.rotateAfter,
      needsSecret: config.store.capabilities.secrets,
      now: config.store.now(),
    });
    if (!due) return undefined;
    this.#hasTurned = true;
    return async () => {
      if ((await rotateDue(state, due, config)) === 'rotated') this.giveToken(state);
    };
  }

  /** Destroys the session of `state` and those of the other tokens. */
  async destroy(state: SessionState): Promise<void> {
    await destroySession(state, this.#tokens, this.config, this.client);
    this.#forget(state);
  }

  /** Ends the session of `old`, and those of the other tokens, for a successor. */
  async endForSuccessor(old: SessionState, successor: SessionState): Promise<void> {
    try {
      await endForSuccessor(old, successor, this.#tokens, this.config, this.client);
    } catch (error) {
      if (isGoneError(error)) this.#rejection = error;
      throw error;
    }
    this.#forget(old);
  }

  #forget(state: SessionState): void {
    this.#notice = forgetToken(state, this.#notice, this.hasToken);
  }

  /** What the response must tell its client. Returned once. */
  takeNotice(): ClientNotice {
    const notice = this.#notice;
    this.#notice = NOTHING;
    if (notice.is === 'nothing') return notice;
    const { of: session } = notice;
    if (notice.is === 'forget') return { is: 'forget', session };
    if (session.standing.is === 'ended' || !session.token) return NOTHING;
    if (this.#mayBeTooMany(session)) {
      this.#abandon(session);
      return NOTHING;
    }
    const { token } = session;
    const stamp = stampOf(session, this.config, this.client);
    const { signer, touchAfter } = this.config;
    const sign = (): string => token.signed(signer, stamp, session.lifetime, touchAfter);
    return { is: 'token', session, sign };
  }
}
