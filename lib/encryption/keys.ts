import { createHash, KeyObject, timingSafeEqual } from 'node:crypto';

/**
 * A key of 256 bits: 32 random bytes, the same in base64, base64url or hexadecimal digits, with or without white space
 * around them, or a secret `KeyObject` of them.
 */
export type EncryptionKey = string | Uint8Array | KeyObject;

/** A checked key, and what texts that are sealed with it begin with. */
export interface NamedKey {
  /** The first six bytes of its SHA-256, as eight characters of base64url. */
  readonly id: string;
  readonly bytes: Buffer;
}

const LENGTH = 32;

const ADVICE =
  'must be 32 random bytes, as a Buffer, a secret KeyObject, or a string in base64 or hexadecimal digits. To generate one: openssl rand -base64 32';

/** Checks a key. Throws a `TypeError` that says how to make one, without the key. */
export function namedKey(option: string, key: unknown): NamedKey {
  const bytes = bytesOf(key);
  if (bytes?.length !== LENGTH) {
    const missing =
      key === undefined ? '. If it is in .env, load that first: use forRootAsync with ConfigService' : '';
    throw new TypeError(`${option} ${ADVICE}${missing}`);
  }
  const id = createHash('sha256').update(bytes).digest().subarray(0, 6).toString('base64url');
  return { id, bytes };
}

/** Whether two keys have the same bytes. */
export function isSameKey(one: NamedKey, other: NamedKey): boolean {
  return timingSafeEqual(one.bytes, other.bytes);
}

function bytesOf(key: unknown): Buffer | undefined {
  if (typeof key === 'string') return decoded(key);
  // A copy, so that the caller may overwrite its own.
  if (key instanceof Uint8Array) return Buffer.from(key);
  if (key instanceof KeyObject && key.type === 'secret') return key.export();
  return undefined;
}

/** Only what is certainly encoded bytes: a password of 32 characters is no key. A file ends with a line break. */
function decoded(lines: string): Buffer | undefined {
  const text = lines.trim();
  if (/^[\da-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  if (/^[\w+/-]{43}=?$/.test(text)) return Buffer.from(text, 'base64');
  return undefined;
}
