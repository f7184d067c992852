import { hash, randomBytes, type KeyObject } from 'node:crypto';
import { parseCookie } from 'cookie';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';

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

/**
 * How many verified cookies a signer remembers, so that a client's next request need not be verified again. At some 400
 * bytes each they take half a megabyte.
 */
const REMEMBERED = 1024;

/** Signs tokens with the first secret and verifies them with any. */
export class TokenSigner {
  readonly #secrets: readonly SigningSecret[];
  readonly #ownKeys: boolean;
  readonly #verified = new LRUCache<string, Token>({ max: REMEMBERED });

  /**
   * @param secrets the first signs, all verify
   * @param ownKeys whether keys come from an app's `genid` and so may have any shape
   */
  constructor(secrets: readonly SigningSecret[], ownKeys: boolean) {
    this.#secrets = secrets;
    this.#ownKeys = ownKeys;
  }

  /** The token as it travels in a cookie, in express-session's format: `s:<token>.<signature>`. */
  sign(key: string, secret: string): string {
    return `s:${sign(`${key}~${secret}`, this.#secrets[0]!)}`;
  }

  /** The token in a cookie's value; `undefined` when it is not signed by one of the secrets or is no token. */
  verify(value: string): Token | undefined {
    if (!value.startsWith('s:')) return undefined;
    const signed = value.slice(2);
    for (const [index, signingSecret] of this.#secrets.entries()) {
      const text = unsign(signed, signingSecret);
      if (text === false) continue;
      const token = this.#parse(text);
      if (token && index === 0) token.signed = value;
      return token;
    }
    return undefined;
  }

  /** The verified tokens among the cookies called `name`, in the order the client sent them; four at most. */
  presented(cookieHeader: string | undefined, name: string): Token[] {
    const tokens: Token[] = [];
    if (cookieHeader === undefined || !cookieHeader.includes(name)) return tokens;
    // Cookie by cookie, because a parsed header keeps only the first of those that share a name.
    for (const part of cookieHeader.split(';')) {
      const pair = part.trim();
      if (!pair.startsWith(name)) continue;
      const token = this.#verified.get(pair) ?? this.#verify(pair, name);
      if (token && tokens.push(token) === MOST_TOKENS) break;
    }
    return tokens;
  }

  #verify(pair: string, name: string): Token | undefined {
    const value = parseCookie(pair)[name];
    const token = value === undefined ? undefined : this.verify(value);
    // Only what is verified: a forged cookie must cost its sender the work each time, and push out nobody's.
    if (token) this.#verified.set(pair, token);
    return token;
  }

  #parse(token: string): Token | undefined {
    const at = token.lastIndexOf('~');
    if (at < 1) return undefined;
    const key = token.slice(0, at);
    const secret = token.slice(at + 1);
    if (!RANDOM_NAME.test(secret) || !(this.#ownKeys || RANDOM_NAME.test(key))) return undefined;
    return { key, secret, proof: proofOf(secret) };
  }
}
