import { expect, it } from 'vitest';
import { sumOf } from './sum.js';

const MOST = Number.MAX_SAFE_INTEGER;

it.each<[text: string | undefined, by: number, sum: string]>([
  [undefined, 1, '1'],
  [undefined, 0, '0'],
  [undefined, -0, '0'],
  ['0', -1, '-1'],
  ['-1', 1, '0'],
  ['-0', 0, '0'],
  ['-0', -0, '0'],
  ['-0', 5, '5'],
  ['41', 1, '42'],
  ['100000000000000', 1, '100000000000001'],
  [String(MOST - 1), 1, String(MOST)],
  [String(1 - MOST), -1, String(-MOST)],
  [String(MOST), -2 * MOST, String(-MOST)],
  // Beyond the safe integers, but the sum is not.
  ['9007199254740993', -2, '9007199254740991'],
  ['9007199254740993', -3, '9007199254740990'],
  ['-9007199254740993', 3, '-9007199254740990'],
  ['9999999999999999', -MOST, '992800745259008'],
])('the sum of the text %s and %d is %s', (text, by, sum) => {
  expect(sumOf(text, by)).toEqual({ text: sum });
});

it.each([
  '',
  '"1"',
  '1.0',
  '1e3',
  ' 1',
  '1 ',
  '1\n',
  '\n1',
  '01',
  '-01',
  '+1',
  '--1',
  'null',
  '[1]',
  '12345678901234567',
])('the text %j is not an integer', (text) => {
  expect(sumOf(text, 1)).toEqual({ refused: 'not an integer' });
});

it.each<[text: string | undefined, by: number]>([
  [String(MOST), 1],
  [String(-MOST), -1],
  [String(MOST), MOST],
  ['9007199254740993', -1],
  ['9007199254740992', 0],
  ['9999999999999999', 1],
])('the sum of the text %s and %d is not a safe integer', (text, by) => {
  expect(sumOf(text, by)).toEqual({ refused: 'not a safe integer' });
});
