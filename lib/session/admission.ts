import { previousEnds, type SessionRecord } from '../contract/record.js';
import type { Token } from '../token/token.js';
import { isTooOld } from './expiry.js';

/**
 * How a token relates to the record of its session.
 *
 * - `current`: its secret is the current one.
 * - `previous`: its secret was replaced by a rotation, and is still valid.
 * - `replaced`: its secret was replaced by a rotation, and is no longer valid. The token may have been stolen.
 * - `too old`: the session is past its absolute timeout.
 * - `unreadable`: the record is damaged.
 */
export type Admission = 'current' | 'previous' | 'replaced' | 'too old' | 'unreadable';

/** Decides how a token with a valid signature relates to the record that was read by its id. */
export function admissionOf(
  { id, secretHash }: Pick<Token, 'id' | 'secretHash'>,
  record: SessionRecord,
  absoluteTimeout: number,
  now: number,
): Admission {
  if (!isReadable(record, id)) return 'unreadable';
  if (isTooOld(record.createdAt, absoluteTimeout, now)) return 'too old';
  if (secretHash === record.secretHash) return 'current';
  return isValidHash(record, secretHash, now) ? 'previous' : 'replaced';
}

/**
 * Whether a secret with this hash gives access to the session at `now`: the current one, or the previous in its grace.
 */
export function isValidHash(record: SessionRecord, secretHash: string, now: number): boolean {
  const { previous } = record;
  if (secretHash === record.secretHash) return true;
  return secretHash === previous?.hash && now < previousEnds(previous);
}

/**
 * Whether the response to the last rotation was lost: a client presents the previous secret a grace after it, and none
 * has presented the new one.
 */
export function isRotationLost(previous: Previous, now: number): boolean {
  return previous.validUntil === undefined && now >= previous.replacedAt + previous.grace;
}

type Previous = NonNullable<SessionRecord['previous']>;

/** Whether a record that was read by `id` has the shape of one. Serialized values are checked later, one by one. */
export function isReadable(record: SessionRecord, id: string): boolean {
  const { secretHash, previous, data, groups, createdAt, expiresAt, from = [] } = record;
  return (
    record.id === id &&
    typeof secretHash === 'string' &&
    (!previous || isReadablePrevious(previous)) &&
    typeof data === 'object' &&
    data !== null &&
    !Array.isArray(data) &&
    areStrings(groups) &&
    areStrings(from) &&
    Number.isFinite(createdAt) &&
    Number.isFinite(expiresAt)
  );
}

function isReadablePrevious({ hash, replacedAt, grace, validUntil = 0, since = 0 }: Previous): boolean {
  return typeof hash === 'string' && [replacedAt, grace, validUntil, since].every(Number.isFinite);
}

function areStrings(values: unknown): boolean {
  return Array.isArray(values) && values.every((value) => typeof value === 'string');
}
