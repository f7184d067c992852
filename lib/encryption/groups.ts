import { createCipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { isSealedGroup, SEAL } from '../contract/sealed.js';
import type { NamedKey } from './keys.js';

const CIPHER = 'aes-256-ctr';
const IV = 16;
const PURPOSE = 'nestjs-session-stores/group';

/** Sealed names by name, and names by sealed one. A list of a group opens one name again and again. */
const MOST_KNOWN = 10_000;

/**
 * Seals the names of groups, and opens them. One name always has one sealed form, by which a store finds its sessions: it
 * is encrypted with AES-256-CTR, and its HMAC-SHA-256 is both the nonce and the proof that it is genuine (as in SIV, RFC
 * 5297). A hash alone could not be opened for `groupNames()`.
 */
export class SealedGroups {
  readonly #macKey: Buffer;
  readonly #cipherKey: Buffer;
  readonly #sealed = new LRUCache<string, string>({ max: MOST_KNOWN });
  readonly #opened = new LRUCache<string, string>({ max: MOST_KNOWN });

  constructor({ bytes }: NamedKey) {
    const both = Buffer.from(hkdfSync('sha256', bytes, '', PURPOSE, 64));
    this.#macKey = both.subarray(0, 32);
    this.#cipherKey = both.subarray(32);
  }

  seal(group: string): string {
    const known = this.#sealed.get(group);
    if (known !== undefined) return known;
    const name = Buffer.from(group);
    const iv = this.#ivOf(name);
    const sealed = SEAL + Buffer.concat([iv, this.#crypt(iv, name)]).toString('base64url');
    this.#sealed.set(group, sealed);
    return sealed;
  }

  /** The name in a sealed one. `undefined` if it was not sealed with this key, or is damaged. */
  open(sealed: string): string | undefined {
    const known = this.#opened.get(sealed);
    if (known !== undefined) return known;
    if (!isSealedGroup(sealed)) return undefined;
    const bytes = Buffer.from(sealed.slice(SEAL.length), 'base64url');
    const iv = bytes.subarray(0, IV);
    // Encryption in this mode is its own reverse.
    const name = this.#crypt(iv, bytes.subarray(IV));
    if (!timingSafeEqual(this.#ivOf(name), iv)) return undefined;
    // The last character has bits that no byte uses. Under another form no store would find the session.
    if (bytes.toString('base64url') !== sealed.slice(SEAL.length)) return undefined;
    const group = name.toString();
    this.#opened.set(sealed, group);
    return group;
  }

  #ivOf(name: Buffer): Buffer {
    return createHmac('sha256', this.#macKey).update(name).digest().subarray(0, IV);
  }

  #crypt(iv: Buffer, bytes: Buffer): Buffer {
    const cipher = createCipheriv(CIPHER, this.#cipherKey, iv);
    return Buffer.concat([cipher.update(bytes), cipher.final()]);
  }
}
