/** The number of places. Each session has one that never changes. All sessions are spread evenly over them. */
export const PLACES = 2 ** 32;

/** The place of a session. */
export function placeOf(id: string): number {
  // FNV-1a, then the end of MurmurHash3, because the former gives short ids similar high bits.
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The places from `from` to `to`, without `to`. */
export interface Range {
  from: number;
  to: number;
}

/** The first range of a walk through all places, with about `wanted` of `total` sessions per range. */
export function firstRange(total: number, wanted: number): Range {
  return { from: 0, to: Math.min(PLACES, Math.ceil((PLACES * wanted) / Math.max(total, 1))) };
}

/** The range after one with `found` sessions. Wider or narrower if that was far from `wanted`. */
export function nextRange({ from, to }: Range, found: number, wanted: number): Range | undefined {
  if (to >= PLACES) return undefined;
  const factor = found < wanted / 4 ? 2 : found > wanted * 4 ? 0.5 : 1;
  return { from: to, to: Math.min(PLACES, to + Math.max(1, Math.ceil((to - from) * factor))) };
}
