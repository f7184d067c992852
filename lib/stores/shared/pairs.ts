import { newTexts } from '../../contract/texts.js';

/**
 * Data as names and texts, alternately. Names must not be keys of a JSON object: `JSON.parse` of Node 24 and 26 reads a
 * key that ends in an escaped character as an earlier one that ends in a backslash. Nor would the name `__proto__`
 * survive a copy.
 */
export type Pairs = string[];

export function toPairs(data: Record<string, string>): Pairs {
  const pairs: Pairs = [];
  for (const name of Object.keys(data)) pairs.push(name, data[name] as string);
  return pairs;
}

/** Data on an object without a prototype. */
export function fromPairs(pairs: Pairs): Record<string, string> {
  const data = newTexts();
  for (let at = 0; at < pairs.length; at += 2) data[pairs[at] as string] = pairs[at + 1] as string;
  return data;
}

/** Whether a parsed value has the form of pairs. */
export function isPairs(value: unknown): value is Pairs {
  return Array.isArray(value) && value.length % 2 === 0 && value.every((one) => typeof one === 'string');
}
