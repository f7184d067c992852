/** A point in time, by both clocks of the host. */
export interface Moment {
  /** Of `performance.now()`. */
  readonly steady: number;
  /** Of `Date.now()`. */
  readonly wall: number;
}

/** `Date.now()` has whole milliseconds, and the two clocks are read one after the other. */
const ROUNDING = 10;

export function currentMoment(): Moment {
  return { steady: performance.now(), wall: Date.now() };
}

/**
 * When a moment was, as an instant of `performance.now()`. On Linux and macOS that clock stands still while the machine is
 * suspended. So if the wall clock has moved further since, the moment was earlier by the difference. A wall clock that
 * was set back moves nothing.
 */
export function instantOf(then: Moment, now: Moment = currentMoment()): number {
  const missed = now.wall - then.wall - (now.steady - then.steady);
  return missed > ROUNDING ? then.steady - missed : then.steady;
}
