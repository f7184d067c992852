import { describe, expect, it } from 'vitest';
import { excessOf, type SessionWhenFull } from './limit.js';
import type { SessionRecord } from './record.js';

const member = (id: string, times: Partial<SessionRecord>): SessionRecord => ({
  id,
  secretHash: '',
  data: {},
  groups: ['g'],
  createdAt: 0,
  expiresAt: 1e9,
  ...times,
});
const limit = (max: number, whenFull: SessionWhenFull) => ({ group: 'g', max, whenFull });
const ids = (records: SessionRecord[]) => records.map(({ id }) => id).join(' ');

describe('the sessions that are too many', () => {
  it.each([
    { max: 3, ended: '' },
    { max: 2, ended: 'a' },
    { max: 1, ended: 'a b' },
  ])('are the $ended that joined first, if $max of three may stay', ({ max, ended }) => {
    const members = [
      member('b', { joinedAt: 2 }),
      member('c', { joinedAt: 3 }),
      member('a', { joinedAt: 1 }),
    ];
    expect(ids(excessOf(members, limit(max, 'end-oldest'), 'c'))).toBe(ended);
  });

  it('are ordered by their creation if they joined without a limit', () => {
    const members = [member('a', { createdAt: 5 }), member('b', { createdAt: 1, joinedAt: 6 })];
    expect(ids(excessOf(members, limit(1, 'end-oldest'), 'b'))).toBe('a');
  });

  it('are ordered by id if they joined at the same time', () => {
    const members = [member('b', { joinedAt: 1 }), member('a', { joinedAt: 1 })];
    expect(ids(excessOf(members, limit(1, 'end-oldest'), 'a'))).toBe('a');
  });

  it('are those that were not used for the longest time', () => {
    const members = [
      member('a', { joinedAt: 1, lastSeenAt: 90_000 }),
      member('b', { joinedAt: 2, lastSeenAt: 50_000 }),
      member('c', { joinedAt: 100_000 }),
    ];
    expect(ids(excessOf(members, limit(2, 'end-least-recent'), 'c'))).toBe('b');
  });

  it('were last used when they joined, if no use is recorded', () => {
    const members = [
      member('a', { joinedAt: 60_000 }),
      member('b', { joinedAt: 2, lastSeenAt: 50_000 }),
      member('c', { joinedAt: 100_000 }),
    ];
    expect(ids(excessOf(members, limit(2, 'end-least-recent'), 'c'))).toBe('b');
  });

  it('are those that expire first, of sessions whose joins come before all others', () => {
    const members = [
      member('b', { joinedAt: -3 }),
      member('c', { joinedAt: 100_000 }),
      member('a', { joinedAt: -2 }),
    ];
    for (const whenFull of ['end-oldest', 'end-least-recent'] as const)
      expect(ids(excessOf(members, limit(2, whenFull), 'c'))).toBe('b');
  });

  it('are never a newcomer as long as an older session can make room', () => {
    const members = [
      member('used', { joinedAt: 1, lastSeenAt: 200_000 }),
      member('b', { joinedAt: 99_000 }),
      member('c', { joinedAt: 100_000 }),
    ];
    expect(ids(excessOf(members, limit(2, 'end-least-recent'), 'c'))).toBe('used');
  });

  it.each(['end-oldest', 'end-least-recent'] as const)(
    'are first those whose join was never completed, with %s',
    (whenFull) => {
      const members = [
        member('a', { joinedAt: 1, lastSeenAt: 2 }),
        member('stopped', { joinedAt: 80_000, lastSeenAt: 80_000, joining: '=g' }),
        member('elsewhere', { joinedAt: 81_000, lastSeenAt: 81_000, joining: '=h' }),
        member('in progress', { joinedAt: 95_000, joining: '=g' }),
        member('c', { joinedAt: 100_000, joining: '=g' }),
      ];
      expect(ids(excessOf(members, limit(3, whenFull), 'c'))).toBe('stopped a');
    },
  );

  it('are among newcomers those that joined first, whatever uses were recorded since', () => {
    const members = [
      member('b', { joinedAt: 99_000, lastSeenAt: 101_000 }),
      member('c', { joinedAt: 100_000 }),
    ];
    for (const newcomer of ['b', 'c'])
      expect(ids(excessOf(members, limit(1, 'end-least-recent'), newcomer))).toBe('b');
  });
});
