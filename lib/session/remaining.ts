import { LiveCookie } from '../cookie/live-cookie.js';
import type { SessionConfig } from './config.js';
import { expiryAfter, isDue } from './expiry.js';
import type { SessionState } from './state.js';

/** When a session expires unless a later request renews it, in epoch milliseconds of the store's clock. */
export function idleExpiryOf(
  state: Pick<SessionState, 'cookie' | 'record' | 'lifetime' | 'expiresAt' | 'renewal'>,
  isPassive: boolean,
  { store, idleTimeout, absoluteTimeout, touchAfter }: SessionConfig,
): number {
  const { record, expiresAt, renewal } = state;
  const now = store.now();
  const lifetime = LiveCookie.lifetime(state.cookie, idleTimeout);
  const renewed = expiryAfter(now, lifetime, record?.createdAt ?? now, absoluteTimeout);
  if (!record || lifetime !== state.lifetime) return renewed;
  const isAsked =
    renewal === 'asked' || (renewal === 'if due' && isDue(expiresAt, renewed, lifetime, touchAfter));
  // A session that was created for a short time is renewed by any request.
  const isRenewed = renewal === 'owed' || (isAsked && !isPassive);
  return isRenewed ? renewed : Math.min(expiresAt, absoluteExpiryOf(state, { store, absoluteTimeout }));
}

/** When a session expires however often it is used, in epoch milliseconds of the store's clock. */
export function absoluteExpiryOf(
  { record }: Pick<SessionState, 'record'>,
  { store, absoluteTimeout }: Pick<SessionConfig, 'store' | 'absoluteTimeout'>,
): number {
  return expiryAfter(0, Infinity, record?.createdAt ?? store.now(), absoluteTimeout);
}
