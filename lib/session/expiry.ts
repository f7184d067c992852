import { NEVER } from '../contract/record.js';
import { LONGEST_AGE } from '../cookie/live-cookie.js';

/** When a session's expiry moves, and to what. Instants and durations are in milliseconds, stamps in epoch seconds. */

/**
 * How far the stored expiry may differ from the one that was sent before it counts as another request's lifetime. Clocks
 * differ by less.
 */
const CLOCK_SLACK = 1000;

/** The default of `touchAfter`: the part of a lifetime after which a session or a cookie is renewed. */
export const TOUCH_AFTER = 1 / 10;

/**
 * A token is used again if its stamp is earlier than the cookie's, but by less than the time after which the cookie is
 * renewed, divided by this.
 */
const CLOSE = 10;

/** When a session expires that lives for `lifetime` from now on, in whole epoch milliseconds, at most {@link NEVER}. */
export function expiryAfter(
  now: number,
  lifetime: number,
  createdAt: number,
  absoluteTimeout: number,
): number {
  return Math.floor(Math.min(now + lifetime, createdAt + absoluteTimeout, NEVER));
}

/** Whether a session has reached its absolute timeout. */
export function isTooOld(createdAt: number, absoluteTimeout: number, now: number): boolean {
  return now >= createdAt + absoluteTimeout;
}

/** Whether an expiry is due to move to `next`: more than the part `touchAfter` of the lifetime has passed. */
export function isDue(expiresAt: number, next: number, lifetime: number, touchAfter: number): boolean {
  return Math.abs(next - expiresAt) > lifetime * touchAfter;
}

/** Whether the expiry that the store reports is the one that was sent, and not that of another request's lifetime. */
export function isOurs(expiresAt: number, sent: number, lifetime: number): boolean {
  return Math.abs(expiresAt - sent) <= lifetime * TOUCH_AFTER + CLOCK_SLACK;
}

/** When a cookie that is sent now expires: with its session, but not later than clients keep cookies. */
export function stampFor(expiresAt: number, now: number): number {
  return Math.floor(Math.min(expiresAt, now + LONGEST_AGE) / 1000);
}

/**
 * Whether a client whose cookie has the stamp `held` needs it again, with the stamp `next`: the response with a later one
 * never reached it. `undefined` is the stamp of a cookie without an age.
 */
export function isStampDue(
  held: number | undefined,
  next: number | undefined,
  lifetime: number,
  touchAfter: number,
): boolean {
  if (held === undefined || next === undefined) return held !== next;
  return next - held > (Math.min(lifetime, LONGEST_AGE) * touchAfter) / 1000;
}

/** Whether a token with the stamp `held` may be sent again in a cookie with the stamp `next`. A stamp may be early. */
export function isStampClose(
  held: number | undefined,
  next: number | undefined,
  lifetime: number,
  touchAfter: number,
): boolean {
  if (held === undefined || next === undefined) return held === next;
  return held === next || (next > held && next - held < (lifetime * touchAfter) / CLOSE / 1000);
}
