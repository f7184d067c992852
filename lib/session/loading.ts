import type { SessionStoreError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import { MOST_READ } from '../token/signer.js';
import type { Token } from '../token/token.js';
import { hasChanges } from './changes.js';
import { LiveSession, type SessionActions } from './live-session.js';
import { admit, find, type Found } from './lookup.js';
import { newState } from './new-state.js';
import { refresh, type CachedSession, type RefreshActions } from './refresh.js';
import { retirePrevious } from './rotation.js';
import type { SessionState } from './state.js';
import type { SessionUnit } from './unit.js';

/** The part of the session work that loading uses. */
interface LoadingWork extends SessionActions {
  /** Whether the handler has called a method that changes the session in its place. */
  readonly hasCalled: boolean;
}

/** Gives a unit its session: that of a token, a new one, or an empty one; and reads it again if it came from the cache. */
export class Loading implements RefreshActions {
  readonly #unit: SessionUnit;
  readonly #work: LoadingWork;
  /** The session that came from the cache, until it is read. */
  #cached: CachedSession | undefined;
  #refreshing: Promise<void> | undefined;

  /** When the session was last looked up by its tokens, by the store's clock; `undefined` before that. */
  readAt: number | undefined;

  constructor(unit: SessionUnit, work: LoadingWork) {
    this.#unit = unit;
    this.#work = work;
  }

  /** Whether the session came from the cache, and was not read since. */
  get isCached(): boolean {
    return this.#cached !== undefined;
  }

  /**
   * Loads the session of the first valid token, or starts a new one.
   *
   * @param into the session object for it, which keeps its own session if it has changes by then
   */
  async load(tokens: readonly Token[], mayBeCached: boolean, into?: LiveSession): Promise<void> {
    const { config, client } = this.#unit;
    this.readAt = config.store.now();
    if (tokens.length > MOST_READ) {
      config.conditions.begin(
        'many tokens',
        `a request presented ${tokens.length} tokens with a valid signature, of which at most ${MOST_READ} are read. Does another app, or another \`path\` or \`domain\`, use cookies of the same name?`,
      );
    }
    for (const [index, token] of tokens.slice(0, MOST_READ).entries()) {
      const found = await find(token, tokens, config, client, mayBeCached);
      if (!found) continue;
      this.#retirePrevious(found);
      if (into && this.isChanged(into)) return;
      this.#use(found, tokens, tokens.slice(index + 1), into);
      if (found.isCached) this.#cached = { state: found.state, tokens };
      return;
    }
    if (into && this.isChanged(into)) return;
    this.start(into);
    // Any token that was not read may belong to the session that the user wants to log out of.
    this.#unit.present(tokens, tokens.slice(MOST_READ));
  }

  /** Uses the session of a record that was read for a token. Returns whether the client may use it. */
  take(token: Token, record: SessionRecord, others: readonly Token[], isCached: boolean): boolean {
    const { config, client } = this.#unit;
    const state = admit(token, record, config, client, { isOpen: true });
    if (typeof state !== 'object') return false;
    const found = { state, record, isCached };
    this.#retirePrevious(found);
    this.#use(found, [token, ...others], others);
    if (isCached) this.#cached = { state, tokens: undefined };
    return true;
  }

  /** Starts a new session, which is not stored yet. */
  start(into?: LiveSession): void {
    const state = this.#unit.newState();
    this.#unit.place(this.#object(state, into), state);
  }

  /** Starts an empty session that cannot be changed, because the store cannot be read. */
  startAnonymous(error: SessionStoreError, into?: LiveSession): void {
    const { config, client } = this.#unit;
    const state = newState(config, client, false);
    state.note({ type: 'unreachable', error });
    this.#unit.place(this.#object(state, into), state);
  }

  /** Reads the session if it came from the cache, as {@link refresh} does. Does nothing otherwise. */
  refresh(): Promise<void> {
    if (!this.#cached) return Promise.resolve();
    this.#refreshing ??= refresh(this.#unit, this.#cached, this)
      .then(() => {
        this.#cached = undefined;
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }

  isChanged(session: LiveSession): boolean {
    return this.#work.hasCalled || hasChanges(session, LiveSession.stateOf(session), this.#unit.config);
  }

  loadInto(session: LiveSession, tokens: readonly Token[]): Promise<void> {
    return this.load(tokens, false, session);
  }

  #retirePrevious(found: Found): void {
    const retiring = retirePrevious(found, this.#unit.config);
    if (retiring) this.#unit.calls.track(retiring);
  }

  #use({ state, record }: Found, all: readonly Token[], others: readonly Token[], into?: LiveSession): void {
    this.#unit.present(
      all,
      others.filter(({ id }) => id !== record.id),
    );
    this.#unit.place(this.#object(state, into), state, record);
  }

  /** The session object for a state: a new one, or `into` without its data. */
  #object(state: SessionState, into: LiveSession | undefined): LiveSession {
    if (!into) return new LiveSession(this.#work, state);
    LiveSession.takeData(into);
    LiveSession.setState(into, state);
    return into;
  }
}
