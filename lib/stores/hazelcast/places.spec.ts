import { describe, expect, it } from 'vitest';
import { PLACES, firstRange, nextRange, placeOf, type Range } from './places.js';

describe('places', () => {
  it.each([
    ['counted ids', (index: number) => `k${index}`],
    ['ids that differ at their beginning', (index: number) => `${index}-of-many`],
    ['random ids', () => crypto.randomUUID()],
  ])('spread %s evenly', (_, keyOf) => {
    const sixteenths = Array.from({ length: 16 }, () => 0);
    for (let index = 0; index < 16_000; index++) {
      const place = placeOf(keyOf(index));
      sixteenths[Math.floor((place * 16) / PLACES)]!++;
    }
    expect(Math.min(...sixteenths)).toBeGreaterThan(850);
    expect(Math.max(...sixteenths)).toBeLessThan(1150);
  });

  it.each([0, 1, 17, 1000, 10_000_000])('are walked without a gap or an overlap for %i sessions', (total) => {
    let range: Range | undefined = firstRange(total, 1000);
    let end = 0;
    let steps = 0;
    while (range) {
      expect(range.from).toBe(end);
      expect(range.to).toBeGreaterThan(range.from);
      end = range.to;
      steps++;
      range = nextRange(range, total ? 1000 : 0, 1000);
    }
    expect(end).toBe(PLACES);
    expect(steps).toBeLessThanOrEqual(total / 1000 + 2);
  });

  it('are walked in wider steps where few are found, and in narrower ones where many are', () => {
    const range = { from: 0, to: 1000 };
    expect(nextRange(range, 0, 1000)).toEqual({ from: 1000, to: 3000 });
    expect(nextRange(range, 900, 1000)).toEqual({ from: 1000, to: 2000 });
    expect(nextRange(range, 5000, 1000)).toEqual({ from: 1000, to: 1500 });
  });
});
