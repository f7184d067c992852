/** About how many characters of sessions this process reads before it works on them. */
export const PORTION_CHARACTERS = 4 * 1024 * 1024;

/** How many entries are read at once at first, when it is not known how large they are, and how many at most. */
const FIRST = 4;
const MOST = 64;

/** Entries by their keys. */
type Entries = [key: string, text: string | undefined][];

/** What has been read of some entries: how many at once the last time, and the characters of the largest. */
export interface Sizes {
  count: number;
  largest: number;
}

/** How many entries to read next, if `left` characters are left: at most twice as many as before. */
export function nextCount(before: Sizes | undefined, left: number): number {
  if (!before) return FIRST;
  const fitting = Math.ceil(left / Math.max(before.largest, 1));
  return Math.max(1, Math.min(2 * before.count, MOST, fitting));
}

/** Some entries, and of how many keys they are: there may be none for a key. */
export interface Portion {
  entries: Entries;
  count: number;
}

/**
 * Reads the entries of the first keys, until they have about `PORTION_CHARACTERS`. A key tells nothing of the size of
 * its entry, so few are read at first.
 */
export async function readPortion(
  keys: readonly string[],
  read: (some: string[]) => Promise<Entries>,
): Promise<Portion> {
  const entries: Entries = [];
  let left = PORTION_CHARACTERS;
  let sizes: Sizes | undefined;
  let count = 0;
  while (count < keys.length && left > 0) {
    const next = nextCount(sizes, left);
    const found = await read(keys.slice(count, count + next));
    const lengths = found.map(([, text]) => text?.length ?? 0);
    for (const length of lengths) left -= length;
    sizes = { count: next, largest: Math.max(sizes?.largest ?? 0, ...lengths) };
    entries.push(...found);
    count += next;
  }
  return { entries, count: Math.min(count, keys.length) };
}
