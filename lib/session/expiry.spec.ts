import { describe, expect, it } from 'vitest';
import {
  expiryAfter,
  isDue,
  isOurs,
  isStampClose,
  isStampDue,
  isTooOld,
  stampFor,
  TOUCH_AFTER,
} from './expiry.js';

/** The last instant a `Date` can hold. */
const NEVER = 8.64e15;
const MINUTE = 60_000;
const LIFETIME = 100 * MINUTE;
/** How long clients keep a cookie at most (RFC 6265bis, 5.5): 400 days. */
const LONGEST_AGE = 400 * 24 * 60 * MINUTE;

describe('the expiry of a session', () => {
  it.each([
    { lifetime: LIFETIME, createdAt: 0, absoluteTimeout: Infinity, expected: 1000 + LIFETIME },
    { lifetime: LIFETIME, createdAt: 500, absoluteTimeout: MINUTE, expected: 500 + MINUTE },
    { lifetime: Infinity, createdAt: 0, absoluteTimeout: Infinity, expected: NEVER },
    { lifetime: 10.7, createdAt: 0, absoluteTimeout: Infinity, expected: 1010 },
    { lifetime: -1, createdAt: 0, absoluteTimeout: Infinity, expected: 999 },
  ])(
    'with a lifetime of $lifetime, created at $createdAt, absolute timeout $absoluteTimeout is $expected',
    ({ lifetime, createdAt, absoluteTimeout, expected }) => {
      expect(expiryAfter(1000, lifetime, createdAt, absoluteTimeout)).toBe(expected);
    },
  );

  it('is over at its absolute timeout, and not before', () => {
    expect(isTooOld(400, 600, 999)).toBe(false);
    expect(isTooOld(400, 600, 1000)).toBe(true);
    expect(isTooOld(0, Infinity, NEVER)).toBe(false);
  });

  it.each([
    { minutes: 0, due: false },
    { minutes: 10, due: false },
    { minutes: 10.1, due: true },
    { minutes: -10, due: false },
    { minutes: -10.1, due: true },
  ])('that moves by $minutes minutes, of a lifetime of 100, is due: $due', ({ minutes, due }) => {
    expect(isDue(0, minutes * MINUTE, LIFETIME, TOUCH_AFTER)).toBe(due);
  });

  it.each([
    { touchAfter: 0.01, minutes: 1, due: false },
    { touchAfter: 0.01, minutes: 1.1, due: true },
    { touchAfter: 0.5, minutes: 50, due: false },
    { touchAfter: 0, minutes: 0.001, due: true },
    { touchAfter: 0, minutes: 0, due: false },
  ])(
    'that moves by $minutes minutes, with touchAfter: $touchAfter, is due: $due',
    ({ touchAfter, minutes, due }) => {
      expect(isDue(0, minutes * MINUTE, LIFETIME, touchAfter)).toBe(due);
      expect(isStampDue(0, minutes * 60, LIFETIME, touchAfter)).toBe(due);
    },
  );

  const tolerance = 10 * MINUTE + 1000;

  it.each([
    { by: 0, ours: true },
    { by: tolerance, ours: true },
    { by: -tolerance, ours: true },
    { by: tolerance + 1, ours: false },
    { by: -tolerance - 1, ours: false },
  ])(
    'that differs in the store by $by ms, of a lifetime of 100 minutes, counts as ours: $ours',
    ({ by, ours }) => {
      expect(isOurs(5000 + by, 5000, LIFETIME)).toBe(ours);
    },
  );
});

describe('the stamp of a cookie', () => {
  it('is the expiry in whole seconds, at most as long as clients keep cookies', () => {
    expect(stampFor(5999, 0)).toBe(5);
    expect(stampFor(NEVER, 1000)).toBe(Math.floor((1000 + LONGEST_AGE) / 1000));
  });

  it.each([
    { held: 0, next: 600, due: false },
    { held: 0, next: 601, due: true },
    { held: 900, next: 0, due: false },
    { held: undefined, next: undefined, due: false },
    { held: undefined, next: 5, due: true },
    { held: 5, next: undefined, due: true },
  ])('of $held is due to become $next: $due', ({ held, next, due }) => {
    expect(isStampDue(held, next, LIFETIME, TOUCH_AFTER)).toBe(due);
  });

  it('is due by the longest age of a cookie if the session lives longer', () => {
    const tenth = LONGEST_AGE / 10_000;
    expect(isStampDue(0, tenth, Infinity, TOUCH_AFTER)).toBe(false);
    expect(isStampDue(0, tenth + 1, Infinity, TOUCH_AFTER)).toBe(true);
  });

  it.each([
    { held: 100, next: 100, close: true },
    { held: 100, next: 159, close: true },
    { held: 100, next: 160, close: false },
    { held: 101, next: 100, close: false },
    { held: undefined, next: undefined, close: true },
    { held: undefined, next: 100, close: false },
    { held: 100, next: undefined, close: false },
  ])('of $held may be sent again for $next: $close', ({ held, next, close }) => {
    expect(isStampClose(held, next, LIFETIME, TOUCH_AFTER)).toBe(close);
  });

  it('is never sent again once it is due, however early that is', () => {
    expect(isStampClose(0, 5, LIFETIME, 0.01)).toBe(true);
    expect(isStampClose(0, 6, LIFETIME, 0.01)).toBe(false);
    expect(isStampClose(0, 1, LIFETIME, 0)).toBe(false);
  });
});
