import { hash, randomBytes } from 'node:crypto';
import type { SessionRecord } from '../contract/record.js';

/** What a client presents: which session it means, and the proof that it may use it. */
export interface Token {
  id: string;
  secret: string;
  /** SHA-256 of the secret, as the record holds it. */
  secretHash: string;
  /** The token as it was presented, if it is signed with the secret that signs: it need not be signed again. */
  signed?: string;
}

/** A new id or secret: 24 random bytes, base64url. */
export function randomName(): string {
  return randomBytes(24).toString('base64url');
}

/** Whether a string has the shape of what `randomName` returns, as every secret has. */
export function isRandomName(name: string): boolean {
  return /^[\w-]{32}$/.test(name);
}

/** The SHA-256 of a secret, base64url. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/**
 * Whether a secret with this hash gives access to the session at `now`: the current one, or the previous in its grace.
 */
export function isValidHash(record: SessionRecord, secretHash: string, now: number): boolean {
  const { previous } = record;
  return (
    secretHash === record.secretHash ||
    (secretHash === previous?.hash && (previous.validUntil === undefined || now < previous.validUntil))
  );
}
