import { describe, expect, it } from 'vitest';
import { currentMoment, instantOf } from './moment.js';

const THEN = { steady: 1000, wall: 50_000 };

describe('the instant of a moment', () => {
  it.each<[what: string, now: { steady: number; wall: number }, instant: number]>([
    ['is that of the steady clock', { steady: 1400, wall: 50_400 }, 1000],
    ['ignores what rounding adds to the wall clock', { steady: 1399.1, wall: 50_400 }, 1000],
    ['is earlier by the time that the machine was suspended', { steady: 1400, wall: 60_400 }, -9000],
    ['stays as it is if the wall clock was set back', { steady: 1400, wall: 40_000 }, 1000],
  ])('%s', (_, now, instant) => {
    expect(instantOf(THEN, now)).toBe(instant);
  });

  it('is not later than now', () => {
    expect(instantOf(currentMoment())).toBeLessThanOrEqual(performance.now());
  });
});
