import { describe, expect, it } from 'vitest';
import { withNoStore } from './cache-control.js';

describe('Cache-Control with no-store', () => {
  it.each([
    [undefined, 'no-store'],
    ['', 'no-store'],
    ['no-store', 'no-store'],
    ['No-Store', 'No-Store'],
    ['public, max-age=3600', 'no-store'],
    ['PUBLIC,Max-Age = 3600 , s-maxage=1', 'no-store'],
    ['private, no-cache', 'private, no-cache, no-store'],
    ['max-age=1, immutable, stale-while-revalidate=9, stale-if-error=9', 'no-store'],
    ['no-transform', 'no-transform, no-store'],
    [
      'private, no-cache, no-store, must-revalidate, max-age=0, no-transform',
      'private, no-cache, no-store, must-revalidate, no-transform',
    ],
    ['private="set-cookie, x", public', 'private="set-cookie, x", no-store'],
    ['private="a, public', 'private="a, public, no-store'],
    [['public', 'no-transform'], 'no-transform, no-store'],
    ['x-public, community="UCI"', 'x-public, community="UCI", no-store'],
  ])('of %j is %j', (before, after) => {
    expect(withNoStore(before)).toBe(after);
  });
});
