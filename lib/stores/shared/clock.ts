import type { Deadline } from '../../contract/deadline.js';

/** From when to when a write may act, in whole milliseconds of the server's clock. */
export interface Window {
  from: number;
  to: number;
}

/** A window without an instant: the server does nothing, and responds with its time. */
const NOWHERE: Window = { from: 1, to: 0 };

/**
 * What this process knows of a server's clock: by how much, at least, it is ahead of `performance.now()`, which cannot be
 * set.
 */
export class ServerClock {
  private ahead: number | undefined;

  /** The server's time in whole epoch milliseconds, at most as late as it is; the own clock's while nothing is known. */
  now(): number {
    return this.ahead === undefined ? Date.now() : Math.floor(performance.now() + this.ahead);
  }

  /**
   * The window of a call. By the clock that was learned from it ends no later than the deadline: a command that arrives
   * later does nothing. So does one that meets a server whose clock is behind, as after a failover, unless it is held up
   * for as long as that clock is behind.
   */
  window({ begun, timeout }: Deadline): Window {
    if (this.ahead === undefined) return NOWHERE;
    const from = Math.floor(begun + this.ahead);
    return { from, to: from + timeout };
  }

  /** Learns from a response to what was sent at `asked`: that the server's time was `now`. */
  learn(asked: number, now: number): void {
    // The response took some of the time since then, so the clock is ahead by at least `least`, and by at most `most`
    // (a millisecond more, as `now` has no fractions). What is known must lie between, or the clock was set.
    const least = now - performance.now();
    const most = now + 1 - asked;
    if (this.ahead === undefined || this.ahead < least || this.ahead > most) this.ahead = least;
  }
}
