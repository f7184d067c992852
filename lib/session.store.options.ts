/** Throws a `TypeError` for options that a store does not have: a misspelt one would silently be its default. */
export function checkNoOthers(store: string, others: object, known: string): void {
  const [first] = Object.keys(others);
  if (first !== undefined) throw new TypeError(`${store} has no option \`${first}\`: ${known} are all`);
}

/** Throws a `TypeError` for what keys cannot start with. */
export function checkPrefix(prefix: unknown): void {
  if (typeof prefix !== 'string' || !prefix.isWellFormed()) {
    throw new TypeError('prefix must be a well-formed string');
  }
}
