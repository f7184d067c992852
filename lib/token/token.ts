import { hash, randomBytes } from 'node:crypto';

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

/** A new id or secret: 24 random bytes, base64url. */
export function randomName(): string {
  return randomBytes(24).toString('base64url');
}

/** Whether a string has the shape of a name from `randomName`. Every secret has. */
export function isRandomName(name: string): boolean {
  return /^[\w-]{32}$/.test(name);
}

/** The SHA-256 of a secret, base64url. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}
