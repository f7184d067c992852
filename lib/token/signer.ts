import { hash, randomBytes, type KeyObject } from 'node:crypto';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';
import type { SessionRecord } from '../contract/store.js';

/** What signs tokens: a string, bytes or a `KeyObject`. */
export type SigningSecret = string | Buffer | KeyObject;

/** What a client presents: which session it means, and that it may. */
export interface Token {
  key: string;
  secret: string;
  /** SHA-256 of the secret, as the record holds it. */
  proof: string;
  /** The token as it came, if it was signed with the secret that signs: it need not be signed again. */
  signed?: string;
}

/** How many tokens of one request are looked up: cookies of one name can be many, and each costs a read. */
const MOST_TOKENS = 4;
/** 24 random bytes in base64url: what `randomName` gives, and the shape of every secret. */
const RANDOM_NAME = /^[\w-]{32}$/;

/** A new key or secret: 24 random bytes, base64url. */
export function randomName(): string {
  return randomBytes(24).toString('base64url');
}

/** The proof of a secret: its SHA-256, base64url. */
export function proofOf(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** Whether who presents `proof` may use the session at `now`: it is the current one, or the one before in its grace. */
export function isGoodProof(record: SessionRecord, proof: string, now: number): boolean {
  const { was } = record;
  return proof === record.proof || (proof === was?.proof && (was.until === undefined || now < was.until));
}

/** The proof of the sessions whose token is the key alone. */
export const NO_SECRET = proofOf('');

/**
 * How many verified tokens a signer remembers, so that a client's next request need not be verified again. At some 400
 * bytes each they take half a megabyte.
 */
const REMEMBERED = 1024;

/** What a token carries: a key and a secret, or the key alone, which is then the credential. */
export type TokenKind = 'secret' | 'key';

/** Signs tokens with the first secret and verifies them with any. */
export class TokenSigner {
  readonly #secrets: readonly SigningSecret[];
  readonly #kind: TokenKind;
  readonly #ownKeys: boolean;
  readonly #verified = new LRUCache<string, Token>({ max: REMEMBERED });

  /**
   * @param secrets the first signs, all verify
   * @param kind what the store's tokens carry
   * @param ownKeys whether keys come from an app's `genid` and so may have any shape
   */
  constructor(secrets: readonly SigningSecret[], kind: TokenKind, ownKeys: boolean) {
    this.#secrets = secrets;
    this.#kind = kind;
    this.#ownKeys = ownKeys;
  }

  /** The secret of a new token. */
  newSecret(): string {
    return this.#kind === 'key' ? '' : randomName();
  }

  /** The token as it travels: express-session's `s:<token>.<signature>`, with what cookies and headers cannot hold escaped. */
  sign(key: string, secret: string): string {
    const token = this.#kind === 'key' ? key : `${key}~${secret}`;
    return encodeURIComponent(`s:${sign(token, this.#secrets[0]!)}`);
  }

  /** The good tokens among the texts that a client presented, each once, in its order; four at most. */
  verified(texts: readonly string[]): Token[] {
    const tokens: Token[] = [];
    for (const text of texts) {
      const token = this.verify(text);
      if (!token || tokens.some(({ key, proof }) => key === token.key && proof === token.proof)) continue;
      if (tokens.push(token) === MOST_TOKENS) break;
    }
    return tokens;
  }

  /** The token that travels as `text`; `undefined` when it is not signed by one of the secrets or is no token. */
  verify(text: string): Token | undefined {
    const known = this.#verified.get(text);
    if (known) return known;
    const token = this.#verify(text);
    // Only what is verified: a forged token must cost its sender the work each time, and push out nobody's.
    if (token) this.#verified.set(text, token);
    return token;
  }

  /** What names a session in a log: its key, unless that is a credential. */
  nameOf(key: string): string {
    return this.#kind === 'key' ? `with the SHA-256 ${proofOf(key)}` : key;
  }

  #verify(text: string): Token | undefined {
    const value = decoded(text);
    if (!value.startsWith('s:')) return undefined;
    const signed = value.slice(2);
    for (const [index, signingSecret] of this.#secrets.entries()) {
      const unsigned = unsign(signed, signingSecret);
      if (unsigned === false) continue;
      const token = this.#parse(unsigned);
      if (token && index === 0) token.signed = text;
      return token;
    }
    return undefined;
  }

  #parse(token: string): Token | undefined {
    if (this.#kind === 'key') return { key: token, secret: '', proof: NO_SECRET };
    const at = token.lastIndexOf('~');
    if (at < 1) return undefined;
    const key = token.slice(0, at);
    const secret = token.slice(at + 1);
    if (!RANDOM_NAME.test(secret) || !(this.#ownKeys || RANDOM_NAME.test(key))) return undefined;
    return { key, secret, proof: proofOf(secret) };
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
