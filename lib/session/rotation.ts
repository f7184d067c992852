import { isStoreError } from '../contract/errors.js';
import type { SessionRecord } from '../contract/record.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import { hashSecret, randomName } from '../token/token.js';
import { isReadable } from './admission.js';
import { reasonIn } from './conditions.js';
import type { SessionConfig } from './config.js';
import { cookieTextIn } from './data.js';
import type { DueRotation } from './due-rotation.js';
import type { Found } from './lookup.js';
import type { SessionState } from './state.js';

/** The outcome of a rotation: the client gets the new secret, another rotation won, or the session has ended. */
export type Rotated = 'rotated' | 'superseded' | 'gone';

/**
 * Rotates the secret of a session, and records the outcome in `state`.
 *
 * @param from the hash of the secret that is replaced
 * @param grace how long that one stays valid, in milliseconds
 */
export async function rotate(
  state: SessionState,
  record: SessionRecord,
  from: string,
  grace: number,
  { store }: SessionConfig,
): Promise<Rotated> {
  // Also where new sessions have none, because a session that moved to a new store may have one already.
  const secret = randomName();
  const current = await store.rotate(record, from, hashSecret(secret), grace);
  if (current === undefined) return 'gone';
  const token = state.token!.rotated(secret);
  if (token.secretHash !== current) {
    state.note({ type: 'superseded' });
    return 'superseded';
  }
  state.token = token;
  state.note({ type: 'confirmed' });
  return 'rotated';
}

/** Makes a rotation that is due. If it fails, the request is served all the same, and a later one tries again. */
export async function rotateDue(
  state: SessionState,
  { from, grace }: DueRotation,
  config: SessionConfig,
): Promise<Rotated | 'failed'> {
  try {
    const outcome = await rotate(state, state.record!, from, grace, config);
    if (outcome === 'gone') state.note({ type: 'gone' });
    if (outcome === 'rotated') await refreshCookie(state, config);
    return outcome;
  } catch (error) {
    // The old secret is still valid.
    notRenewed(error, config);
    return 'failed';
  }
}

/**
 * Records that the client holds the current secret, so that the previous one stops being valid when its grace ends.
 * Returns `undefined` if that is already recorded. If it fails, the next request tries again.
 */
export function retirePrevious({ state, record }: Found, config: SessionConfig): Promise<void> | undefined {
  const { previous } = record;
  if (state.standing.is !== 'current' || !previous || previous.validUntil !== undefined) return undefined;
  // A request with the old secret may have changed the cookie's attributes, but could not send them.
  state.cookieAsked = cookieTextIn(record.data) !== undefined;
  const retire = { secretHash: record.secretHash, validUntil: state.token!.graceEnds };
  return config.store.update(record, { retirePrevious: retire }).then(
    () => {},
    (error: unknown) => notRenewed(error, config),
  );
}

/** Reads the lifetime that another request may have set meanwhile, because the cookie of a rotation is always sent. */
export async function refreshCookie(
  state: SessionState,
  { store, idleTimeout, logger, nameOf }: SessionConfig,
): Promise<void> {
  try {
    const record = await store.read(state.id);
    if (!record || !isReadable(record, state.id)) return;
    if (LiveCookie.refresh(state.cookie, cookieTextIn(record.data)))
      state.lifetime = LiveCookie.lifetime(state.cookie, idleTimeout);
    state.moveExpiry(record.expiresAt, store.now());
  } catch (error) {
    // The secret is valid and must reach the client, with the lifetime that this request knows.
    logger.warn(
      `session ${nameOf(state.id)}: the lifetime of its new cookie could not be read: ${reasonIn(error)}`,
    );
  }
}

/** Logs, once per outage, that the store could not renew a session. The request is served. Throws other errors. */
export function notRenewed(error: unknown, { conditions }: SessionConfig): void {
  if (!isStoreError(error)) throw error;
  conditions.begin(
    'not renewed',
    `requests are served, but their sessions are not renewed: ${reasonIn(error)}`,
  );
}
