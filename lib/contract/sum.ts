/** Why an `add` writes nothing: the text is not an integer, or the sum is not a safe one. */
export type AddRefusal = 'not an integer' | 'not a safe integer';

/** The texts that `add` works on. It never writes `-0`. */
const INTEGER = /^-?(0|[1-9]\d{0,15})$/;

/**
 * Adds `by`, a safe integer, to the integer in a text; `undefined` counts as 0. The sum is exact, even if the text holds
 * an integer that a number cannot.
 */
export function sumOf(text: string | undefined, by: number): { text: string } | { refused: AddRefusal } {
  if (text === undefined) return sumOf('0', by);
  // A store may hold what another program wrote.
  if (typeof text !== 'string' || !INTEGER.test(text)) return { refused: 'not an integer' };
  const plain = Number(text) + by;
  // Numbers are exact for short texts, which are nearly all.
  if (text.length < 16 && Number.isSafeInteger(plain)) return { text: String(plain) };
  const sum = BigInt(text) + BigInt(by);
  return Number.isSafeInteger(Number(sum)) ? { text: String(sum) } : { refused: 'not a safe integer' };
}
