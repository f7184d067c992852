import { NO_SECRET_HASH, type SessionRecord } from '../contract/record.js';
import { isRotationLost } from './admission.js';
import type { NoToken } from './client.js';
import type { Standing } from './standing.js';

/** How long the old secret stays valid by default after a rotation, in milliseconds. */
export const GRACE = 30_000;

/** What is known at the commit of a request that may have to rotate the secret. Instants and durations are milliseconds. */
export interface RotationFacts {
  standing: Standing['is'];
  /** The hash of the client's secret, and when requests with an older one can no longer arrive. */
  token: { readonly secretHash: string; readonly graceEnds: number };
  /** The record as it was read. */
  record: Pick<SessionRecord, 'secretHash' | 'previous' | 'createdAt'>;
  /** Whether the response can carry a token. */
  canGiveToken: true | NoToken;
  isPassive: boolean;
  isSocket: boolean;
  /** Whether the record came from the cache. */
  isCached: boolean;
  rotateAfter: number;
  /** Whether every session has a secret. */
  needsSecret: boolean;
  now: number;
}

/** A rotation that is due: the hash of the secret that is replaced, and how long that one stays valid. */
export interface DueRotation {
  from: string;
  grace: number;
}

/**
 * The rotation that the commit of a request makes by itself; `undefined` if there is none.
 *
 * - A client that presents the previous secret a grace after the rotation never got the new one: it is rotated again.
 * - A client that presents the current secret gets a new one if `rotateAfter` has passed since the last rotation, or since
 *   the session was created. A record keeps the last rotation, unless that was without a grace.
 * - A client whose token is the id alone gets one with a secret, if sessions have secrets: this one came from a store
 *   without them.
 */
export function dueRotation(facts: RotationFacts): DueRotation | undefined {
  const { standing, token, record, canGiveToken, now } = facts;
  const { previous } = record;
  if (facts.isPassive || canGiveToken === 'never' || canGiveToken === 'sent') return undefined;
  if (standing === 'superseded') {
    const isLost = previous?.hash === token.secretHash && isRotationLost(previous, now);
    return isLost ? { from: previous.hash, grace: previous.grace } : undefined;
  }
  if (standing !== 'current' || facts.isCached || facts.isSocket) return undefined;
  // The request has rotated since the record was read.
  if (token.secretHash !== record.secretHash) return undefined;
  // A record keeps only one previous secret, and slower requests may still carry the one that it keeps now.
  if (now < token.graceEnds) return undefined;
  if (facts.needsSecret && record.secretHash === NO_SECRET_HASH)
    return { from: NO_SECRET_HASH, grace: GRACE };
  const rotatedAt = previous?.replacedAt ?? record.createdAt;
  return now - rotatedAt >= facts.rotateAfter ? { from: token.secretHash, grace: GRACE } : undefined;
}
