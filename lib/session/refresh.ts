import { isStoreError, type SessionStoreError } from '../contract/errors.js';
import type { Token } from '../token/token.js';
import { reload, reloadUnchanged, save } from './actions.js';
import { hasChanges } from './changes.js';
import { reasonIn } from './conditions.js';
import { LiveSession } from './live-session.js';
import type { SessionState } from './state.js';
import type { SessionUnit } from './unit.js';

/** How often a session is read that handlers keep changing meanwhile. */
const MOST_TRIES = 10;

/** A session that came from the cache, and the tokens that it was found by; `undefined` on a socket. */
export interface CachedSession {
  readonly state: SessionState;
  readonly tokens: readonly Token[] | undefined;
}

/** The part of the session work that a refresh uses. */
export interface RefreshActions {
  /** Whether a handler has changed the session, or has called one of its methods. */
  isChanged(session: LiveSession): boolean;
  /** Finds the session of the tokens, without the cache, and puts it into an object unless that has changes by then. */
  loadInto(session: LiveSession, tokens: readonly Token[]): Promise<void>;
  /** Puts an empty session that cannot be changed into the object. */
  startAnonymous(error: SessionStoreError, session: LiveSession): void;
}

/**
 * Reads a session that came from the cache, into the same object. Unsaved changes are saved before that. Rejects with a
 * `SessionGoneError` if they cannot be, because the session is gone.
 */
export async function refresh(
  unit: SessionUnit,
  { state, tokens }: CachedSession,
  actions: RefreshActions,
): Promise<void> {
  const session = unit.placed();
  // Any other session in its place is not from the cache.
  const isSame = (): boolean =>
    session !== undefined && LiveSession.stateOf(session) === state && !state.isOver;
  if (tokens && isSame() && !actions.isChanged(session!)) await readAgain(unit, session!, tokens, actions);
  // A read would drop the changes, also those that are made while it runs.
  for (let tries = 1; isSame(); tries++) {
    if (hasChanges(session!, state, unit.config)) await save(unit, session!);
    if (tries === MOST_TRIES) return reload(unit, session!, true);
    if (await reloadUnchanged(unit, session!)) return;
  }
}

async function readAgain(
  { config: { conditions, onStoreError } }: SessionUnit,
  session: LiveSession,
  tokens: readonly Token[],
  actions: RefreshActions,
): Promise<void> {
  const { renewal } = LiveSession.stateOf(session);
  try {
    await actions.loadInto(session, tokens);
  } catch (error) {
    if (onStoreError === 'fail' || !isStoreError(error)) throw error;
    conditions.begin('unreachable', `requests are served without a session: ${reasonIn(error)}`);
    return actions.startAnonymous(error, session);
  }
  if (renewal === 'asked') LiveSession.stateOf(session).touch();
}
