/** The position in the `next` of a page. Throws a `TypeError` for anything else. */
export function positionIn(after: string): number {
  if (!/^\d{1,15}$/.test(after))
    throw new TypeError('after must be the `next` of an earlier page: leave it out for the first page');
  return Number(after);
}
