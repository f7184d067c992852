/** From when to when a write may act, in whole milliseconds of the server's clock. */
export interface Window {
  from: number;
  to: number;
}

/** A window that no instant lies in: the server refuses, and its answer tells the time. */
const NOWHERE: Window = { from: 1, to: 0 };

/**
 * What this process knows of a server's clock: how far at least it is ahead of our own. Our own is
 * `performance.now()`, which nobody sets.
 */
export class ServerClock {
  private ahead: number | undefined;

  /**
   * The window of a call that began at `begun` and ends after `timeout`. By the clock that was learned from it is
   * never too late: whoever was not in it by then is refused, and so is who meets a server whose clock is behind, as
   * after a failover, unless the call was held up for so long: it may act late by what that clock is behind.
   */
  window(begun: number, timeout: number): Window {
    if (this.ahead === undefined) return NOWHERE;
    const from = Math.floor(begun + this.ahead);
    return { from, to: from + timeout };
  }

  /** Takes in that the server answered, to what was asked at `asked`, that it was `now`. */
  learn(asked: number, now: number): void {
    // The answer took some of the time since, so the clock is ahead by this at least, and by `most` at most
    // (a millisecond more, as `now` has no fractions). What is known must lie between, or the clock was set.
    const least = now - performance.now();
    const most = now + 1 - asked;
    if (this.ahead === undefined || this.ahead < least || this.ahead > most) this.ahead = least;
  }
}
