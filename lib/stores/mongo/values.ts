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
 * Adds to the integer in a text, by the rules of `sumOf`. The text stays if it is not an integer, or if the sum is not
 * a safe one. The sum of two of MongoDB's longs is exact.
 */
export function adding({ name, by }: NonNullable<SessionChange['add']>): Expression[] {
  const path = pathOf(name);
  const isInteger = {
    $and: [
      { $eq: [{ $type: '$$text' }, 'string'] },
      { $regexMatch: { input: '$$text', regex: { $literal: INTEGER } } },
    ],
  };
  const sum = { $add: [{ $toLong: '$$text' }, { $toLong: { $literal: by } }] };
  const isSafe = { $lte: [{ $abs: '$$sum' }, Number.MAX_SAFE_INTEGER] };
  const added = {
    $let: { vars: { sum }, in: { $cond: [isSafe, { $toString: '$$sum' }, '$$text'] } },
  };
  const after = {
    $let: {
      vars: { text: { $ifNull: [`$${path}`, '0'] } },
      in: { $cond: [isInteger, added, '$$text'] },
    },
  };
  return [{ $set: { [path]: after } }];
}
