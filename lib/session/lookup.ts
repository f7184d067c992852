import { reportSession } from '../contract/diagnostics.js';
import type { SessionRecord } from '../contract/record.js';
import type { Token } from '../token/token.js';
import { admissionOf, isValidHash, type Admission } from './admission.js';
import type { Client } from './client.js';
import { ClientToken } from './client-token.js';
import type { SessionConfig } from './config.js';
import { storedState } from './new-state.js';
import type { SessionState } from './state.js';

/** A live session that a client may use. */
export interface Found {
  state: SessionState;
  record: SessionRecord;
  /** Whether the record came from the cache. */
  isCached: boolean;
}

/**
 * Finds the live session of a token. Resolves to `undefined` if there is none, or the token's secret is not valid.
 *
 * @param presented all tokens that the request presents
 * @param mayBeCached whether a cached record may be used instead of a read, if the token's secret is the current one
 */
export async function find(
  token: Token,
  presented: readonly Token[],
  config: SessionConfig,
  client: Client,
  mayBeCached = false,
): Promise<Found | undefined> {
  const cached = mayBeCached ? admittingRecord(token, config) : undefined;
  if (cached) {
    const state = admit(token, cached, config, client);
    if (typeof state === 'object') return { state, record: cached, isCached: true };
  }
  const record = await config.store.read(token.id);
  const state = record && admit(token, record, config, client);
  if (state === 'replaced' && !presentsValid(presented, record!, config.store.now())) {
    await rejectReplaced(token, config);
  }
  return typeof state === 'object' ? { state, record: record!, isCached: false } : undefined;
}

/**
 * The cached record of a token's session, if the token's secret is the current one. Any other token may look replaced only
 * because the record is older than the token.
 */
export function admittingRecord(
  token: Token,
  { cached, store, absoluteTimeout }: SessionConfig,
): SessionRecord | undefined {
  const record = cached?.(token.id);
  const isCurrent = record && admissionOf(token, record, absoluteTimeout, store.now()) === 'current';
  return isCurrent ? record : undefined;
}

/**
 * The state of the session for a client that presents `token`; the reason why there is none if its secret is not valid,
 * or the record cannot be used.
 *
 * @param isOpen whether the client presented the token when it opened a connection, which stays open while a rotation
 *   replaces the secret
 */
export function admit(
  token: Token,
  record: SessionRecord,
  config: SessionConfig,
  client: Client,
  { isOpen = false } = {},
): SessionState | Exclude<Admission, 'current' | 'previous'> {
  const { store, logger, nameOf, absoluteTimeout } = config;
  const now = store.now();
  let admission = admissionOf(token, record, absoluteTimeout, now);
  if (admission === 'replaced' && isOpen) admission = 'previous';
  if (admission === 'unreadable') {
    logger.error(
      `session ${nameOf(token.id)} cannot be read, because its record is damaged. The client gets a new session`,
    );
  }
  if (admission !== 'current' && admission !== 'previous') return admission;

  const { previous } = record;
  const held = new ClientToken(token.id, token.secret, token);
  if (admission === 'current' && previous) held.graceEnds = previous.validUntil ?? now + previous.grace;
  return storedState(config, client, record, held, admission);
}

/**
 * Whether a request presents a valid token of a session. Then a replaced one is not stolen: a client may have cookies of
 * two paths or domains.
 */
function presentsValid(presented: readonly Token[], record: SessionRecord, now: number): boolean {
  return presented.some(({ id, secretHash }) => id === record.id && isValidHash(record, secretHash, now));
}

/** Handles a replaced token as `onReplacedToken` says. */
async function rejectReplaced({ id }: Token, config: SessionConfig): Promise<void> {
  const { store, onReplacedToken, conditions, nameOf } = config;
  if (onReplacedToken === 'destroy') await store.destroy(id);
  const outcome = onReplacedToken === 'destroy' ? 'destroyed' : 'rejected';
  reportSession(() => ({ type: 'replaced token', id, outcome }));
  const what = outcome === 'destroyed' ? 'its session was destroyed' : 'it was rejected';
  conditions.warnOf(
    id,
    `session ${nameOf(id)}: a replaced token was presented, and ${what}. The token may have been stolen`,
  );
}
