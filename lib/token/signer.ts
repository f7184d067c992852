import type { KeyObject } from 'node:crypto';
import { sign, unsign } from 'cookie-signature';
import { LRUCache } from 'lru-cache';
import { NO_SECRET_HASH } from '../contract/record.js';
import { hashSecret, isRandomName, randomName, type Token } from './token.js';

/** A secret that signs tokens: a string, bytes or a `KeyObject`. */
export type SigningSecret = string | Buffer | KeyObject;

/**
 * How many tokens of one request are read from the store at most: a request may have many cookies with one name, and
 * each costs a read.
 */
export const MOST_READ = 4;

/** How many signatures of one request are verified at most. Tokens without the shape of a signed one do not count. */
const MOST_VERIFIED = 50;
/**
 * How many verified tokens a signer remembers, so that a client's next request is not verified again. At about 400
 * bytes each they take half a megabyte.
 */
const REMEMBERED = 1024;

/** How long a signature is: the base64 of a SHA-256 without padding. */
const SIGNATURE = 43;

/** What the tokens of a store's sessions are. */
export interface TokenKind {
  /** Whether the token of a new session carries a secret. If not, it is the id alone, which is then the credential. */
  readonly secrets: boolean;
  /** Whether there are tokens of the other kind, too; default `false`. */
  readonly mixedTokens?: boolean;
}

/** Id, secret and stamp. The secret has the shape of a name from `randomName`. */
const TOKEN = /^(.+)\.([\w-]{32})(?:\.(\d{1,12}))?$/s;

/** Signs tokens with the first secret and verifies them with any. */
export class TokenSigner {
  readonly #secrets: readonly SigningSecret[];
  readonly #kind: TokenKind;
  readonly #verified = new LRUCache<string, Token>({ max: REMEMBERED });

  /**
   * @param secrets the first signs, all verify
   * @param kind the capabilities of the store
   */
  constructor(secrets: readonly SigningSecret[], kind: TokenKind) {
    this.#secrets = secrets;
    this.#kind = kind;
  }

  /** The secret of a new token; `''` if it carries none. */
  newSecret(): string {
    return this.#kind.secrets ? randomName() : '';
  }

  /**
   * The signed token: express-session's `s:<token>.<signature>`, escaped so that cookies and headers can hold it. A
   * token that carries a secret is `<id>.<secret>`, or `<id>.<secret>.<stamp>`. Secret and stamp have fixed shapes, so
   * the id may contain anything.
   */
  sign({ id, secret, secretHash }: Omit<Token, 'signed' | 'stamp'>, stamp?: number): string {
    const parts = secret === '' ? [id] : [id, secret, ...(stamp === undefined ? [] : [stamp])];
    const signed = encodeURIComponent(`s:${sign(parts.join('.'), this.#secrets[0]!)}`);
    // The client's next request presents it.
    this.#verified.set(signed, { id, secret, secretHash, stamp, signed });
    return signed;
  }

  /**
   * The tokens with a valid signature, each once, in the order in which the client presented them: of those with the
   * shape of a signed token, the first 50 are verified. Of tokens that differ only in their stamp, the one with the
   * latest counts. A text that may be a token of both kinds is both, first the one with a secret.
   */
  verified(texts: readonly string[]): Token[] {
    const tokens: Token[] = [];
    let left = MOST_VERIFIED;
    for (const text of texts) {
      // Those that are known have the shape, and to decode one costs 1 µs.
      const known = this.#verified.get(text);
      if (!known && !hasShape(text)) continue;
      if (left-- === 0) break;
      const token = known ?? this.verify(text);
      if (!token) continue;
      const same = tokens.findIndex(
        ({ id, secretHash }) => id === token.id && secretHash === token.secretHash,
      );
      if (same < 0) tokens.push(token, ...this.#otherKind(token, text));
      else if ((token.stamp ?? 0) > (tokens[same]!.stamp ?? 0)) tokens[same] = token;
    }
    return tokens;
  }

  /** Verifies a signed token. `undefined` if none of the secrets signed it, or it is malformed. */
  verify(text: string): Token | undefined {
    const known = this.#verified.get(text);
    if (known) return known;
    const token = this.#verify(text);
    // Forged tokens, and other spellings of one token, must not push out those of other clients.
    if (token && text === canonical(text)) this.#verified.set(text, token);
    return token;
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

  /**
   * The token of the other kind that a token with a secret may be, where there are both: an id of a predecessor may end as
   * a secret does. None if its id is one of ours, which no predecessor would put in front of more.
   */
  #otherKind({ id, secret }: Token, text: string): Token[] {
    if (!this.#kind.mixedTokens || secret === '' || isRandomName(id)) return [];
    const value = decoded(text);
    return [bareToken(value.slice('s:'.length, -(SIGNATURE + 1)))];
  }

  #parse(token: string): Token | undefined {
    const { secrets, mixedTokens = false } = this.#kind;
    if (!secrets && !mixedTokens) return bareToken(token);
    const [, id, secret, stamp] = TOKEN.exec(token) ?? [];
    if (id === undefined || secret === undefined) return mixedTokens ? bareToken(token) : undefined;
    return {
      id,
      secret,
      secretHash: hashSecret(secret),
      stamp: stamp === undefined ? undefined : Number(stamp),
    };
  }
}

/** A token that is the id alone. */
function bareToken(id: string): Token {
  return { id, secret: '', secretHash: NO_SECRET_HASH };
}

/** Whether a text may be a signed token: a client can send thousands that are not, and a signature costs time. */
function hasShape(text: string): boolean {
  if (text.length < SIGNATURE) return false;
  const value = decoded(text);
  return value.startsWith('s:') && value[value.length - SIGNATURE - 1] === '.';
}

/** A text as `sign` writes it. */
function canonical(text: string): string {
  return encodeURIComponent(decoded(text));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
