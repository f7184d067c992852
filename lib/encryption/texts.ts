import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { isSealedText, SEAL } from '../contract/sealed.js';
import type { NamedKey } from './keys.js';

/**
 * The part of a session that a text belongs to. A text is sealed for one, and opened as no other; but a last client is also
 * opened as the first one, because a store that has no first one keeps it as both.
 */
export type TextPlace =
  | { is: 'property'; name: string }
  | { is: 'label' }
  | { is: 'first client' }
  | { is: 'last client' };

/** Why a text cannot be opened. */
export type TextProblem = 'not sealed' | 'unknown key' | 'damaged';

/** The outcome of opening a text. */
export type OpenedText = { text: string } | { problem: TextProblem; keyId: string | undefined };

const CIPHER = 'aes-256-gcm';
const NONCE = 12;
const TAG = 16;
/** The seal and the id of the key, in characters. */
const HEAD = SEAL.length + 8;

/** Deriving a key takes twice as long as opening a short text with it. 64 bytes each, and the id. */
const MOST_SESSION_KEYS = 10_000;

const PURPOSE = 'nestjs-session-stores/session';

/**
 * Seals texts with AES-256-GCM under a key of their session, and opens them. The form is `~`, the id of the key, and as
 * base64url the nonce, the ciphertext and the tag.
 */
export class SealedTexts {
  readonly #current: NamedKey;
  readonly #byId: ReadonlyMap<string, NamedKey>;
  readonly #sessionKeys = new LRUCache<string, Buffer>({ max: MOST_SESSION_KEYS });

  /** @param keys the first seals, and all open */
  constructor(keys: readonly [NamedKey, ...NamedKey[]]) {
    this.#current = keys[0];
    this.#byId = new Map(keys.map((key) => [key.id, key]));
  }

  seal(session: string, place: TextPlace, text: string): string {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv(CIPHER, this.#sessionKey(this.#current, session), nonce);
    cipher.setAAD(boundTo(session, place));
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return SEAL + this.#current.id + sealed.toString('base64url');
  }

  open(session: string, place: TextPlace, sealed: string): OpenedText {
    if (!isSealed(place, sealed)) return { problem: 'not sealed', keyId: undefined };
    const keyId = sealed.slice(SEAL.length, HEAD);
    const key = this.#byId.get(keyId);
    if (!key) return { problem: 'unknown key', keyId };
    const bytes = Buffer.from(sealed.slice(HEAD), 'base64url');
    const sessionKey = this.#sessionKey(key, session);
    const text =
      opened(bytes, sessionKey, boundTo(session, place)) ??
      (place.is === 'first client'
        ? opened(bytes, sessionKey, boundTo(session, { is: 'last client' }))
        : undefined);
    return text === undefined ? { problem: 'damaged', keyId } : { text };
  }

  #sessionKey(key: NamedKey, session: string): Buffer {
    const name = key.id + session;
    const known = this.#sessionKeys.get(name);
    if (known) return known;
    // The id is the salt, because `info` has at most 1 024 bytes.
    const derived = Buffer.from(hkdfSync('sha256', key.bytes, session, PURPOSE, 32));
    this.#sessionKeys.set(name, derived);
    return derived;
  }
}

/** The text in nonce, ciphertext and tag. `undefined` if they were not sealed with this key and for this place. */
function opened(bytes: Buffer, sessionKey: Buffer, place: Buffer): string | undefined {
  if (bytes.length < NONCE + TAG) return undefined;
  try {
    const nonce = bytes.subarray(0, NONCE);
    const decipher = createDecipheriv(CIPHER, sessionKey, nonce, { authTagLength: TAG });
    decipher.setAAD(place).setAuthTag(bytes.subarray(-TAG));
    const text = decipher.update(bytes.subarray(NONCE, -TAG), undefined, 'utf8');
    return text + decipher.final('utf8');
  } catch {
    return undefined;
  }
}

/** The shortest sealed text: the key's id, a nonce and a tag. */
const SEALED_LABEL = /^~[\w-]{46,}$/;

/** Whether a text is sealed. A label is no JSON text, so it may begin as one that is. */
function isSealed(place: TextPlace, text: string): boolean {
  return place.is === 'label' ? SEALED_LABEL.test(text) : isSealedText(text);
}

/** How many bytes of UTF-8 the text has that is in a sealed one; the length of one that is not sealed. */
export function bytesInside(sealed: string): number {
  if (!isSealedText(sealed)) return Buffer.byteLength(sealed);
  return Math.max(0, Math.floor(((sealed.length - HEAD) * 3) / 4) - NONCE - TAG);
}

/** What a text is bound to: its session and its place there. No two pairs of them have the same bytes. */
function boundTo(session: string, place: TextPlace): Buffer {
  const name = place.is === 'property' ? place.name : '';
  return Buffer.from(`${place.is}:${session.length}:${session}${name}`);
}
