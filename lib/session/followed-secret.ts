import { previousEnds, type SessionRecord } from '../contract/record.js';

/**
 * The secret of an open connection: the one that its client presented, and after each rotation with a grace the one that
 * replaced it, because an open connection cannot present a new one.
 */
export class FollowedSecret {
  private current: string;

  /**
   * @param presented the hash of the secret that its client presented
   * @param since when the session was read for the connection, by the store's clock
   */
  constructor(
    readonly presented: string,
    private readonly since: number,
  ) {
    this.current = presented;
  }

  /**
   * Whether the connection may stay open, by a newer record of its session. A secret that was replaced while the connection
   * was open is followed. One that had been replaced before is valid in its grace. A rotation without a grace leaves no
   * trace to follow.
   */
  isValid({ secretHash, previous }: SessionRecord, now: number): boolean {
    if (secretHash === this.current) return true;
    if (previous?.hash !== this.current) return false;
    if (previous.replacedAt < this.since) return now < previousEnds(previous);
    this.current = secretHash;
    return true;
  }
}
