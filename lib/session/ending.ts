import { SessionGoneError } from '../contract/errors.js';
import type { Token } from '../token/token.js';
import type { Client } from './client.js';
import type { SessionConfig } from './config.js';
import { find } from './lookup.js';
import { originsAfter, type SessionState } from './state.js';

/** The verified tokens that a request presents. */
export interface PresentedTokens {
  readonly all: readonly Token[];
  /** The tokens of other sessions, which `destroy` and `regenerate` end too. Those that were ended are removed. */
  others: readonly Token[];
}

export const NO_TOKENS: PresentedTokens = Object.freeze({ all: [], others: [] });

/** Destroys the session of `state`, and those of the other tokens. Records the outcome in `state`. */
export async function destroySession(
  state: SessionState,
  tokens: PresentedTokens,
  config: SessionConfig,
  client: Client,
): Promise<void> {
  const { store } = config;
  const acts = state.acts('destroy');
  await endOthers(tokens, config, client, ({ id }) => store.destroy(id));
  // A new session that is not stored yet cannot be destroyed, but those that it came from must get no successor.
  if (!state.record) await Promise.all(state.origins.map((id) => store.destroy(id)));
  if (!acts) return;
  const wasLive = !state.record || (await store.destroy(state.id));
  state.note({ type: wasLive ? 'destroyed' : 'gone' });
}

/**
 * Ends `old`, and the sessions of the other tokens, for a successor. Records the outcome in `old`. Rejects with a
 * `SessionGoneError` if it was ended elsewhere: it must not come back under a new id.
 */
export async function endForSuccessor(
  old: SessionState,
  successor: SessionState,
  tokens: PresentedTokens,
  config: SessionConfig,
  client: Client,
): Promise<void> {
  const { store } = config;
  old.acts('regenerate');
  await endOthers(tokens, config, client, ({ id, hint }) => store.regenerate(id, hint));
  successor.origins = old.origins;
  const { record, standing } = old;
  const wasDestroyed = standing.is === 'ended' && standing.by === 'us' && !standing.isRegenerated;
  if (wasDestroyed) return;
  if (!record) return old.note({ type: 'destroyed' });
  if (!(await store.regenerate(old.id, record.hint))) {
    const rejection = new SessionGoneError('regenerate');
    old.note({ type: 'gone', rejection });
    throw rejection;
  }
  old.note({ type: 'regenerated' });
  successor.origins = originsAfter(record, store.now());
}

/** Ends the live sessions of the other tokens that the request presents. */
async function endOthers(
  tokens: PresentedTokens,
  config: SessionConfig,
  client: Client,
  end: (record: { id: string; hint?: unknown }) => Promise<boolean>,
): Promise<void> {
  for (; tokens.others.length > 0; tokens.others = tokens.others.slice(1)) {
    const other = await find(tokens.others[0]!, tokens.all, config, client);
    if (other) await end(other.record);
  }
}
