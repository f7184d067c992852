import { describe, expect, it } from 'vitest';
import { afterHandler, afterLoad, type CrossSiteStanding } from './cross-site-standing.js';

describe('the standing of a cross-site request', () => {
  it.each([
    { mode: 'reject', hasSession: true, becomes: 'unsettled' },
    { mode: 'reject', hasSession: false, becomes: 'isolated' },
    { mode: 'isolate', hasSession: true, becomes: 'allowed' },
    { mode: 'isolate', hasSession: false, becomes: 'isolated' },
  ] as const)('is $becomes with $mode, if it has a session: $hasSession', ({ mode, hasSession, becomes }) => {
    expect(afterLoad(mode, hasSession)).toBe(becomes);
  });

  it.each<{ before: CrossSiteStanding; accepted: CrossSiteStanding; other: CrossSiteStanding }>([
    { before: 'unsettled', accepted: 'allowed', other: 'rejected' },
    { before: 'rejected', accepted: 'allowed', other: 'rejected' },
    { before: 'allowed', accepted: 'allowed', other: 'allowed' },
    { before: 'isolated', accepted: 'released', other: 'kept apart' },
    { before: 'released', accepted: 'released', other: 'kept apart' },
    { before: 'kept apart', accepted: 'kept apart', other: 'kept apart' },
  ])('after $before is $accepted if its handler accepts it, and otherwise $other', (row) => {
    expect(afterHandler(row.before, true)).toBe(row.accepted);
    expect(afterHandler(row.before, false)).toBe(row.other);
  });
});
