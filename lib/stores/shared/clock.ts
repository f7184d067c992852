import type { Deadline } from '../../contract/deadline.js';

/** The time in which a write may act, in whole milliseconds of the server's clock. */
export interface Window {
  from: number;
  to: number;
}

/** An empty window: the server does nothing, and replies with its time. */
const NOWHERE: Window = { from: 1, to: 0 };

/**
 * What this process knows of a server's clock: by how much, at least, it is ahead of `performance.now()`, which cannot
 * be set.
 */
export class ServerClock {
  private ahead: number | undefined;

  /** The server's time in whole epoch milliseconds, never too late. The time of this process while nothing is known. */
  now(): number {
    return this.ahead === undefined ? Date.now() : Math.floor(performance.now() + this.ahead);
  }

  /**
   * The window of a call. By the clock of the server that was learned from, it ends no later than the deadline: a
   * command that arrives later does nothing. A command that reaches a server whose clock is behind, as after a
   * failover, does nothing either, unless it is delayed for as long as that clock is behind.
   */
  window({ begun, timeout }: Deadline): Window {
    if (this.ahead === undefined) return NOWHERE;
    const from = Math.floor(begun + this.ahead);
    return { from, to: from + timeout };
  }

  /** Learns from a reply that the server's time was `now`. `sentAt` is when the request was sent. */
  learn(sentAt: number, now: number): void {
    // The reply took part of the time since then, so the clock is ahead by at least `least`, and by at most `most` (one
    // millisecond more, because `now` has no fractions). If the known value is not in between, the clock was set.
    const least = now - performance.now();
    const most = now + 1 - sentAt;
    if (this.ahead === undefined || this.ahead < least || this.ahead > most) this.ahead = least;
  }
}
