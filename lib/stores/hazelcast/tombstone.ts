import { TOMBSTONE_LIFETIME } from '../../contract/record.js';
import { SLACK } from './envelope.js';

/** What is left of a session that was destroyed, cleared or regenerated, in the place of its entry. */
export interface Tombstone {
  tombstone: 'ended' | 'regenerated';
  /** From when on it counts for nothing. Its entry may live longer: the loser of a race may have set its lifetime. */
  until: number;
}

/** How long the entry of a new tombstone lives, in milliseconds. */
export const TOMBSTONE_TTL = TOMBSTONE_LIFETIME + SLACK;

/** The start of the text of every tombstone, and of no session. */
const START = '{"tombstone":';

/**
 * The text of a tombstone.
 *
 * @param listed the place and the groups by which a clear finds it; without them it is in no list
 */
export function tombstoneText(
  tombstone: Tombstone['tombstone'],
  now: number,
  listed?: { prefix: string; place: number; groups: string[] },
): string {
  return JSON.stringify({ tombstone, until: now + TOMBSTONE_LIFETIME, ...listed });
}

/** The tombstone in the text of an entry; `undefined` if it is that of a session. */
export function tombstoneIn(text: string): Tombstone | undefined {
  return text.startsWith(START) ? (JSON.parse(text) as Tombstone) : undefined;
}

/** Whether a text is the tombstone of a session that was not only regenerated, and still counts. */
export function isEnded(text: string | undefined, now: number): boolean {
  const found = text === undefined ? undefined : tombstoneIn(text);
  return found !== undefined && found.tombstone === 'ended' && found.until > now;
}
