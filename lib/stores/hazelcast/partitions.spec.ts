import { describe, expect, it } from 'vitest';
import { Partitions } from './partitions.js';

const LATER = 10_000;

function at(): { partitions: Partitions; pass: (time: number) => void } {
  let now = 0;
  return { partitions: new Partitions(() => now), pass: (time) => void (now += time) };
}

describe('partitions', () => {
  it('are settled if every member owns some, and all have owners', () => {
    const { partitions } = at();
    expect(partitions.areSettled(['a', 'b'], ['a', 'b', 'a'])).toBe(true);
  });

  it.each<[string, string[], (string | undefined)[]]>([
    ['a member that owns none', ['a', 'b', 'c'], ['a', 'b', 'a']],
    ['an owner that is no member any more', ['a'], ['a', 'b']],
    ['a partition without an owner', ['a'], ['a', undefined]],
  ])('are not settled with %s', (_, members, owners) => {
    expect(at().partitions.areSettled(members, owners)).toBe(false);
  });

  it('are settled with more members than partitions', () => {
    expect(at().partitions.areSettled(['a', 'b', 'c'], ['a', 'b'])).toBe(true);
  });

  it('are settled ten seconds after the last member joined or left', () => {
    const { partitions, pass } = at();
    partitions.membersChanged();
    pass(LATER - 1);
    expect(partitions.areSettled(['a'], ['a'])).toBe(false);
    pass(1);
    expect(partitions.areSettled(['a'], ['a'])).toBe(true);
  });

  it('are settled ten seconds after the last one was seen to move', () => {
    const { partitions, pass } = at();
    partitions.areSettled(['a', 'b'], ['a', 'b', 'a']);
    expect(partitions.areSettled(['a', 'b'], ['a', 'b', 'b'])).toBe(false);
    pass(LATER - 1);
    expect(partitions.areSettled(['a', 'b'], ['a', 'b', 'b'])).toBe(false);
    pass(1);
    expect(partitions.areSettled(['a', 'b'], ['a', 'b', 'b'])).toBe(true);
  });
});
