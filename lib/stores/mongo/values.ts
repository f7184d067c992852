import type { SessionChange } from '../../contract/record.js';
import { fieldOf } from './document.js';
import type { Expression } from './pipelines.js';

/** The texts that `add` works on, as in `sumOf`. `$` would also match before a line break at the end. */
const INTEGER = '^-?(0|[1-9][0-9]{0,15})\\z';

/** The path of a property's text. */
export function pathOf(name: string): string {
  return `data.${fieldOf(name)}`;
}

/** The names whose texts a change reads: what it resolves to follows from them. */
export function namesRead({ add, take }: SessionChange): string[] {
  if (add) return [add.name];
  return take === undefined ? [] : [take];
}

/**
 * Adds to the integer in a text, by the rules of `sumOf`: one number after another, of which each counts only if the sum is
 * a safe integer. A text that is not an integer stays. The sum of two of MongoDB's longs is exact.
 */
export function adding(name: string, numbers: readonly number[]): Expression[] {
  const path = pathOf(name);
  const isInteger = {
    $and: [
      { $eq: [{ $type: '$$text' }, 'string'] },
      { $regexMatch: { input: '$$text', regex: { $literal: INTEGER } } },
    ],
  };
  const plus = (by: unknown): Expression => {
    const isSafe = { $lte: [{ $abs: '$$sum' }, Number.MAX_SAFE_INTEGER] };
    return {
      $let: { vars: { sum: { $add: ['$$value', by] } }, in: { $cond: [isSafe, '$$sum', '$$value'] } },
    };
  };
  const first = { $toLong: '$$text' };
  // One expression for many numbers costs the server much less than a stage for each.
  const sum =
    numbers.length === 1
      ? { $let: { vars: { value: first }, in: plus({ $toLong: numbers[0] }) } }
      : {
          $reduce: { input: numbers.map((by) => ({ $toLong: by })), initialValue: first, in: plus('$$this') },
        };
  const after = {
    $let: {
      vars: { text: { $ifNull: [`$${path}`, '0'] } },
      in: { $cond: [isInteger, { $toString: sum }, '$$text'] },
    },
  };
  return [{ $set: { [path]: after } }];
}
