import { hash, randomFillSync } from 'node:crypto';

/** A token with a valid signature: the session's id, and the secret that gives access to it. */
export interface Token {
  id: string;
  secret: string;
  /** SHA-256 of the secret, as the record holds it. */
  secretHash: string;
  /** When the cookie with the token expires, in epoch seconds. `undefined` if it has no age, or is no cookie. */
  stamp?: number | undefined;
  /** The signed token as it was presented, if the first signing secret signed it. It is not signed again. */
  signed?: string;
}

/** The random bytes of a name. */
const BYTES = 24;

/** Random bytes for 128 names: to get them costs 1.8 µs, and those for one name cost 1.5 µs. */
const pool = Buffer.allocUnsafeSlow(128 * BYTES);
let used = pool.length;

/** A new id or secret: 24 random bytes, base64url. */
export function randomName(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, (used += BYTES));
  const name = bytes.toString('base64url');
  // The pool has no name that is in use.
  bytes.fill(0);
  return name;
}

/** Whether a string has the shape of a name from `randomName`. Every secret has. */
export function isRandomName(name: string): boolean {
  return /^[\w-]{32}$/.test(name);
}

/** The SHA-256 of a secret, base64url. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}
