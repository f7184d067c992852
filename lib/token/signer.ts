import type { KeyObject } from 'node:crypto';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';
import { NO_SECRET_HASH } from '../contract/record.js';
import { hashSecret, isRandomName, randomName, type Token } from './token.js';

/** What signs tokens: a string, bytes or a `KeyObject`. */
export type SigningSecret = string | Buffer | KeyObject;

/** How many tokens of one request are looked up: cookies of one name can be many, and each costs a read. */
const MOST_TOKENS = 4;
/**
 * How many verified tokens a signer remembers, so that a client's next request need not be verified again. At some 400
 * bytes each they take half a megabyte.
 */
const REMEMBERED = 1024;

/** Signs tokens with the first secret and verifies them with any. */
export class TokenSigner {
  readonly #secrets: readonly SigningSecret[];
  readonly #hasSecrets: boolean;
  readonly #ownIds: boolean;
  readonly #verified = new LRUCache<string, Token>({ max: REMEMBERED });

  /**
   * @param secrets the first signs, all verify
   * @param hasSecrets whether a token carries a secret; `false`: the id alone, which is then the credential
   * @param ownIds whether ids come from an app's `genid`, and so may have any shape
   */
  constructor(secrets: readonly SigningSecret[], hasSecrets: boolean, ownIds: boolean) {
    this.#secrets = secrets;
    this.#hasSecrets = hasSecrets;
    this.#ownIds = ownIds;
  }

  /** The secret of a new token. */
  newSecret(): string {
    return this.#hasSecrets ? randomName() : '';
  }

  /** The token as it travels: express-session's `s:<token>.<signature>`, with what cookies and headers cannot hold escaped. */
  sign(id: string, secret: string): string {
    const token = this.#hasSecrets ? `${id}~${secret}` : id;
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
    return this.#hasSecrets ? id : `with the SHA-256 ${hashSecret(id)}`;
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
    if (!this.#hasSecrets) return { id: token, secret: '', secretHash: NO_SECRET_HASH };
    const at = token.lastIndexOf('~');
    if (at < 1) return undefined;
    const id = token.slice(0, at);
    const secret = token.slice(at + 1);
    if (!isRandomName(secret) || !(this.#ownIds || isRandomName(id))) return undefined;
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
