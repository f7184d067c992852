/**
 * The entries of what a bench measures. With the environment variable `STORE`, the one with that name only.
 *
 * @template T
 * @param {Record<string, T>} all
 * @returns {[string, T][]}
 * @throws {Error} if there is none with that name
 */
export function chosen(all) {
  const { STORE: only } = process.env;
  if (!only) return Object.entries(all);
  if (!Object.hasOwn(all, only)) throw new Error(`STORE must be one of ${Object.keys(all).join(', ')}`);
  return [[only, all[only]]];
}
