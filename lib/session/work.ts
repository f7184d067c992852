import { isGoneError, type SessionStoreError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import type { Token } from '../token/token.js';
import { destroy, regenerate, reload, rotate, save } from './actions.js';
import { isUnsaved } from './changes.js';
import type { Client } from './client.js';
import { Commits } from './commit.js';
import type { SessionConfig } from './config.js';
import type { LimitOptions } from './limit-options.js';
import { joinLimited } from './limits.js';
import { dueOf, pendingSave } from './due.js';
import { LiveSession, type SessionActions } from './live-session.js';
import type { RotateOptions } from './session.js';
import { Loading } from './loading.js';
import type { ClientNotice } from './notice.js';
import type { HeldSession } from './connections.js';
import { absoluteExpiryOf, idleExpiryOf } from './remaining.js';
import { SessionUnit } from './unit.js';
import { add, take } from './values.js';
import type { SessionView } from './view.js';

/**
 * The work on the session of one request or message: finds it, runs the handler's calls, and commits the changes. Knows
 * the client only as a {@link Client}.
 */
export class SessionWork implements SessionActions {
  readonly #config: SessionConfig;
  readonly #client: Client;
  readonly #unit: SessionUnit;
  readonly #commits = new Commits();
  readonly #loading: Loading;
  /** Whether the handler has saved or rotated the session, or called `add` or `take`. Its other calls put another session in its place. */
  #hasCalled = false;

  constructor(config: SessionConfig, client: Client) {
    this.#config = config;
    this.#client = client;
    this.#unit = new SessionUnit(config, client);
    this.#loading = new Loading(this.#unit, this);
  }

  get hasCalled(): boolean {
    return this.#hasCalled;
  }

  /** When its session was read, by the store's clock; `undefined` before that. */
  get readAt(): number | undefined {
    return this.#loading.readAt;
  }

  /**
   * Loads the session of the first valid token, or starts a new one.
   *
   * @param mayBeCached whether it may come from the cache
   */
  load(tokens: readonly Token[], { mayBeCached = false } = {}): Promise<void> {
    return this.#loading.load(tokens, mayBeCached);
  }

  /**
   * Uses the session of `record`, which was read for a token that was valid before and is checked again. `others` are the
   * other tokens that the client presented. Returns whether the client may use the session.
   */
  take(token: Token, record: SessionRecord, others: readonly Token[], { isCached = false } = {}): boolean {
    return this.#loading.take(token, record, others, isCached);
  }

  /** Whether the session came from the cache, and was not read since. */
  get isCached(): boolean {
    return this.#loading.isCached;
  }

  /**
   * Reads the session if it came from the cache, into the same object; does nothing otherwise. Unsaved changes are saved
   * before that. Rejects with a `SessionGoneError` if they cannot be, because the session is gone. Without changes, a
   * session that is gone is as it would be in a request that did not use the cache.
   */
  refresh(): Promise<void> {
    return this.#loading.refresh();
  }

  /** Records that a handler runs with the session. One that is passive does not renew it. */
  noteHandler(isPassive: boolean): void {
    this.#unit.noteHandler(isPassive);
  }

  /** Starts a new session, which is not stored yet. */
  start(): void {
    this.#loading.start();
  }

  /** Starts an empty session that cannot be changed, because the store cannot be read. */
  startAnonymous(error: SessionStoreError): void {
    this.#loading.startAnonymous(error);
  }

  /** The object whose `session` property is the session. */
  get holder(): { session?: unknown } {
    return this.#client.holder;
  }

  get identity(): string {
    return this.#client.identity.identity.name;
  }

  get reservedNames(): ReadonlySet<string> {
    return this.#config.reservedNames;
  }

  get isPassive(): boolean {
    return this.#unit.isPassive;
  }

  idleExpiryOf(session: LiveSession): number {
    return idleExpiryOf(LiveSession.stateOf(session), this.isPassive, this.#config);
  }

  absoluteExpiryOf(session: LiveSession): number {
    return absoluteExpiryOf(LiveSession.stateOf(session), this.#config);
  }

  save(session: LiveSession): Promise<void> {
    this.#hasCalled = true;
    return save(this.#unit, session);
  }

  reload(session: LiveSession, inPlace: boolean): Promise<void> {
    return reload(this.#unit, session, inPlace);
  }

  destroy(session: LiveSession): Promise<void> {
    return destroy(this.#unit, session);
  }

  regenerate(session: LiveSession, inPlace: boolean): Promise<void> {
    return regenerate(this.#unit, session, inPlace);
  }

  rotate(session: LiveSession, options?: RotateOptions): Promise<void> {
    this.#hasCalled = true;
    return rotate(this.#unit, session, options);
  }

  joinLimited(session: LiveSession, group: string, limit: LimitOptions): Promise<SessionView[]> {
    this.#hasCalled = true;
    return joinLimited(this.#unit, session, group, limit);
  }

  addValue(session: LiveSession, name: string, by: number): Promise<number> {
    this.#hasCalled = true;
    return add(this.#unit, session, name, by);
  }

  takeValue(session: LiveSession, name: string): Promise<unknown> {
    this.#hasCalled = true;
    return take(this.#unit, session, name);
  }

  unreadable(id: string, name: string, text: string): void {
    this.#unit.unreadable(id, name, text);
  }

  /** The id of the current session, or of the last one. */
  get id(): string {
    return this.#unit.state?.id ?? '';
  }

  /** The id of that session and the hash of the client's secret. `undefined` while the session is not stored. */
  get held(): HeldSession | undefined {
    const { state } = this.#unit;
    return state?.record && { id: state.id, secretHash: state.token!.secretHash };
  }

  /** Settles with the handler's calls in flight; `undefined` if there are none. */
  get settled(): Promise<void> | undefined {
    const { calls } = this.#unit;
    return calls.areInFlight ? calls.settle(() => false) : undefined;
  }

  /** Whether the session of the client's token has ended, as far as this work knows. */
  get hasEnded(): boolean {
    const { hasToken, state } = this.#unit;
    return hasToken && state?.standing.is === 'ended';
  }

  /** Whether the store could not be read, or a call of the handler failed because the store failed. */
  get storeHasFailed(): boolean {
    const { calls, state } = this.#unit;
    return calls.storeHasFailed || state?.standing.is === 'offline';
  }

  /** Whether the session has unsaved changes, and no call is in flight. */
  get isUnsaved(): boolean {
    const session = this.#unit.placed();
    if (!session || this.#unit.calls.areInFlight) return false;
    return isUnsaved(session, LiveSession.stateOf(session), this.#config);
  }

  /**
   * Whether a commit has something to store, or calls to wait for. Throws the error that the commit would fail with.
   */
  get hasUncommitted(): boolean {
    return this.#unit.calls.areInFlight || pendingSave(this.#unit)?.save.changed === true;
  }

  /**
   * Saves the changes, after the calls in flight. `undefined` if there is nothing to wait for. A call during a commit
   * returns that commit. After a failed commit nothing is tried again.
   */
  commit(): Promise<void> | undefined {
    return this.#commits.run(
      this.#unit.calls,
      () => dueOf(this.#unit, this.isCached),
      // A session that has ended does not fail the response, unless a login that the handler did not await was
      // rejected.
      (error) => this.#unit.isRejection(error) || !isGoneError(error),
    );
  }

  /** The error of a failed commit. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#commits.failure;
  }

  /** What the response must tell its client. Returned once, when the headers are sent. */
  takeNotice(): ClientNotice {
    return this.#unit.takeNotice();
  }
}
