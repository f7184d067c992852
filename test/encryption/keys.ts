import { randomBytes } from 'node:crypto';

/** A new key. */
export const aKey = (): Buffer => randomBytes(32);
