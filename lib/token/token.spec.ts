import { expect, it } from 'vitest';
import { isRandomName, randomName } from './token.js';

it('each random name differs from all others, and has their shape', () => {
  const names = Array.from({ length: 1_000 }, randomName);
  expect(names.every(isRandomName)).toBe(true);
  expect(new Set(names).size).toBe(names.length);
});

it('no two random names share a part, as they would if their bytes overlapped', () => {
  const thirds = Array.from({ length: 1_000 }, randomName).flatMap((name) => name.match(/.{8}/g)!);
  expect(new Set(thirds).size).toBe(thirds.length);
});
