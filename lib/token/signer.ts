import { hash, randomBytes, type KeyObject } from 'node:crypto';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';
import type { SessionRecord } from '../contract/store.js';

/** What signs tokens: a string, bytes or a `KeyObject`. */
export type SigningSecret = string | Buffer | KeyObject;

/** What a client presents: which session it means, and that it may. */
export interface Token {
  id: string;
  secret: string;
  /** SHA-256 of the secret, as the record holds it. */
  secretHash: string;
  /** The token as it came, if it was signed with the secret that signs: it need not be signed again. */
  signed?: string;
}

/** How many tokens of one request are looked up: cookies of one name can be many, and each costs a read. */
const MOST_TOKENS = 4;
/** 24 random bytes in base64url: what `randomName` gives, and the shape of every secret. */
const RANDOM_NAME = /^[\w-]{32}$/;

/** A new id or secret: 24 random bytes, base64url. */
export function randomName(): string {
  return randomBytes(24).toString('base64url');
}

/** The secret hash of a secret: its SHA-256, base64url. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** Whether who presents `secretHash` may use the session at `now`: it is the current one, or the one before in its grace. */
export function isGoodHash(record: SessionRecord, secretHash: string, now: number): boolean {
  const { previous } = record;
  return (
    secretHash === record.secretHash ||
    (secretHash === previous?.hash && (previous.validUntil === undefined || now < previous.validUntil))
  );
}

/** The secret hash of the sessions whose token is the id alone. */
export const NO_SECRET_HASH = hashSecret('');

/**
 * How many verified tokens a signer remembers, so that a client's next request need not be verified again. At some 400
 * bytes each they take half a megabyte.
 */
const REMEMBERED = 1024;

/** What a token carries: an id and a secret, or the id alone, which is then the credential. */
export type TokenKind = 'secret' | 'id';

/** Signs tokens with the first secret and verifies them with any. */
export class TokenSigner {
  readonly #secrets: readonly SigningSecret[];
  readonly #kind: TokenKind;
  readonly #ownKeys: boolean;
  readonly #verified = new LRUCache<string, Token>({ max: REMEMBERED });

  /**
   * @param secrets the first signs, all verify
   * @param kind what the store's tokens carry
   * @param ownKeys whether ids come from an app's `genid` and so may have any shape
   */
  constructor(secrets: readonly SigningSecret[], kind: TokenKind, ownKeys: boolean) {
    this.#secrets = secrets;
    this.#kind = kind;
    this.#ownKeys = ownKeys;
  }

  /** The secret of a new token. */
  newSecret(): string {
    return this.#kind === 'id' ? '' : randomName();
  }

  /** The token as it travels: express-session's `s:<token>.<signature>`, with what cookies and headers cannot hold escaped. */
  sign(id: string, secret: string): string {
    const token = this.#kind === 'id' ? id : `${id}~${secret}`;
    return encodeURIComponent(`s:${sign(token, this.#secrets[0]!)}`);
  }

  /** The good tokens among the texts that a client presented, each once, in its order; four at most. */
  verified(texts: readonly string[]): Token[] {
    const tokens: Token[] = [];
    for (const text of texts) {
      const token = this.verify(text);
      if (!token || tokens.some(({ id, secretHash }) => id === token.id && secretHash === token.secretHash))
        continue;
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

  /** What names a session in a log: its id, unless that is a credential. */
  nameOf(id: string): string {
    return this.#kind === 'id' ? `with the SHA-256 ${hashSecret(id)}` : id;
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
    if (this.#kind === 'id') return { id: token, secret: '', secretHash: NO_SECRET_HASH };
    const at = token.lastIndexOf('~');
    if (at < 1) return undefined;
    const id = token.slice(0, at);
    const secret = token.slice(at + 1);
    if (!RANDOM_NAME.test(secret) || !(this.#ownKeys || RANDOM_NAME.test(id))) return undefined;
    return { id, secret, secretHash: hashSecret(secret) };
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
