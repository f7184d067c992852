// Checks of options. Each throws a `TypeError` that says what to write instead.

/**
 * Rejects options that do not exist: a misspelt one would silently have its default.
 *
 * @param owner the function or class with the options, such as `RedisStore`
 * @param others the options that were not read
 * @param valid the names of all options, as a sentence lists them
 * @param advice what to write instead of a name that exists elsewhere
 */
export function checkNoOthers(
  owner: string,
  others: object,
  valid: string,
  advice: Readonly<Record<string, string>> = {},
): void {
  const unknown = Object.keys(others).find((name) => (others as Record<string, unknown>)[name] !== undefined);
  if (unknown === undefined) return;
  const instead = Object.hasOwn(advice, unknown) ? `${advice[unknown]}.` : `Valid options: ${valid}`;
  throw new TypeError(`Unknown ${owner} option "${unknown}". ${instead}`);
}

/** Throws a `TypeError` for options that are not an object, or are an array or another iterable. `example` says what to write. */
export function checkOptionsObject(owner: string, options: unknown, example: string): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Symbol.iterator in options) {
    throw new TypeError(`${owner} takes an object: write ${example}`);
  }
}

/** Checks the prefix of a store's keys. */
export function checkPrefix(prefix: unknown): void {
  if (typeof prefix !== 'string' || !prefix.isWellFormed()) {
    throw new TypeError("prefix must be a well-formed string: write one such as 'shop:'");
  }
}

/**
 * Checks a duration in milliseconds, which may be `Infinity`, and returns it. Throws a `TypeError` if it is not positive.
 *
 * @param hint what to write for no limit, or for the default
 */
export function checkLifetime(option: string, value: unknown, hint: string): number {
  if (typeof value !== 'number' || !(value > 0)) {
    throw new TypeError(`${option} must be a positive number of milliseconds: ${hint}`);
  }
  return value;
}

/**
 * Checks that an option is a boolean, or absent. Throws a `TypeError` otherwise.
 *
 * @param also other values that the option may have, for the message
 */
export function checkFlag(option: string, value: unknown, also = ''): void {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${option} must be true or false${also}`);
  }
}

/** Checks that an option is one of some words. */
export function checkWord<Word extends string>(option: string, value: unknown, words: readonly Word[]): Word {
  if (words.includes(value as Word)) return value as Word;
  throw new TypeError(`${option} must be one of ${words.map((word) => `'${word}'`).join(', ')}`);
}
