import { notNext } from '../../contract/checks.js';

/** The position in the `next` of a page. Throws a `TypeError` for anything else. */
export function positionIn(after: string): number {
  if (!/^\d{1,15}$/.test(after)) throw notNext();
  return Number(after);
}
