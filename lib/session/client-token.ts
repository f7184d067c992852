import { hashSecret, type Token } from '../token/token.js';
import { isStampClose } from './expiry.js';

/** Signs a token, with the instant at which its cookie expires, in epoch seconds. */
interface Signer {
  sign(token: Pick<Token, 'id' | 'secret' | 'secretHash'>, stamp: number | undefined): string;
}

/** The token of a session that the client holds, or will hold. */
export class ClientToken {
  readonly secretHash: string;
  /** When the previous secret stops being valid: requests from before the last rotation may carry it until then. */
  graceEnds = 0;
  /** The token as it was presented with the current signature, or was last sent. */
  #signed: string | undefined;
  #stamp: number | undefined;

  constructor(
    readonly id: string,
    readonly secret: string,
    presented: Partial<Pick<Token, 'secretHash' | 'signed' | 'stamp'>> = {},
  ) {
    this.secretHash = presented.secretHash ?? hashSecret(secret);
    this.#signed = presented.signed;
    this.#stamp = presented.stamp;
  }

  /** When the client's cookie expires, in epoch seconds. `undefined` if its token does not say. */
  get stamp(): number | undefined {
    return this.#stamp;
  }

  /** The token of the same session after its secret was rotated. */
  rotated(secret: string): ClientToken {
    const next = new ClientToken(this.id, secret);
    next.graceEnds = this.graceEnds;
    return next;
  }

  /**
   * The signed token for a cookie with a stamp: the one that the client has, if its stamp is little earlier than that. To
   * sign and verify a new one costs 30 µs, and a stamp may be early.
   */
  signed(signer: Signer, stamp: number | undefined, lifetime: number, touchAfter: number): string {
    if (this.#signed === undefined || !isStampClose(this.#stamp, stamp, lifetime, touchAfter)) {
      this.#signed = signer.sign(this, stamp);
      this.#stamp = stamp;
    }
    return this.#signed;
  }
}
