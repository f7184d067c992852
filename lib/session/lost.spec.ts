import { describe, expect, it } from 'vitest';
import { lostIn } from './lost.js';

class Cart {
  items = [1];
  total(): number {
    return 1;
  }
}

describe('what JSON drops from a value', () => {
  it.each([
    [() => 1, 'a function'],
    [Symbol('s'), 'a symbol'],
    [{ a: { greet: () => 1 } }, 'a function at "greet"'],
    [[1, Symbol('s')], 'a symbol at "1"'],
    [new Map([[1, 2]]), 'a Map'],
    [{ tags: new Set([1]) }, 'a Set at "tags"'],
  ])('is named: %o', (value, lost) => {
    expect(lostIn(value)).toBe(lost);
  });

  it.each([
    [undefined],
    [null],
    [0],
    ['text'],
    [{ a: [1, { b: null }] }],
    [new Date(0)],
    [new Cart()],
    [{ absent: undefined }],
    [{ toJSON: () => ({ a: 1 }) }],
    [1n],
  ])('is nothing for %o', (value) => {
    expect(lostIn(value)).toBeUndefined();
  });
});
