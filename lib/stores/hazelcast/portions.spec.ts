import { describe, expect, it } from 'vitest';
import { PORTION_CHARACTERS, nextCount, readPortion } from './portions.js';

const MIB = 1024 * 1024;

describe('entries are read', () => {
  it.each([
    ['four at first', undefined, 4 * MIB, 4],
    ['twice as many as before, while they are small', { count: 4, largest: 300 }, 4 * MIB, 8],
    ['sixty-four at most', { count: 64, largest: 300 }, 4 * MIB, 64],
    ['as many as fit, if all are as large as the largest', { count: 16, largest: MIB }, 2.5 * MIB, 3],
    ['one at least', { count: 4, largest: 9 * MIB }, 1, 1],
    ['twice as many as before, if none was found', { count: 8, largest: 0 }, 4 * MIB, 16],
  ])('%s', (_, before, left, expected) => {
    expect(nextCount(before, left)).toBe(expected);
  });
});

describe('a portion', () => {
  const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`);
  const texts = (length: number) => async (some: string[]) =>
    some.map((key): [string, string] => [key, 'x'.repeat(length)]);

  it('has all entries if they are small', async () => {
    const { entries, count } = await readPortion(keys, texts(300));
    expect(entries.map(([key]) => key)).toEqual(keys);
    expect(count).toBe(1000);
  });

  it('ends when it has four MiB', async () => {
    const { entries, count } = await readPortion(keys, texts(100_000));
    expect(count).toBe(entries.length);
    expect(count).toBe(Math.ceil(PORTION_CHARACTERS / 100_000));
  });

  it('goes on behind keys without an entry', async () => {
    const { entries, count } = await readPortion(keys, async () => []);
    expect(entries).toEqual([]);
    expect(count).toBe(1000);
  });

  it('of no keys asks for nothing', async () => {
    const never = () => Promise.reject(new Error('asked'));
    expect(await readPortion([], never)).toEqual({ entries: [], count: 0 });
  });
});
