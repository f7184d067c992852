import { packages } from '../packages.mjs';
import { figure, casesOf } from './format.mjs';

/** @typedef {import('../frame/results.mjs').Row} Row */

/**
 * The cases in which a package of ours has a worse median than another package, worst first.
 *
 * @param {import('../frame/results.mjs').Measure} measure
 * @returns {{ case: string, ours: Row, theirs: Row, ratio: number, within: boolean }[]} `ratio` is how much of
 *   the other's speed ours reaches. `within` says whether the spreads of both overlap
 */
export function lossesOf({ better, rows }) {
  if (better === undefined) return [];
  const losses = [];
  for (const [name, some] of casesOf(rows.filter(({ median }) => median !== undefined))) {
    const of = (kind) => some.filter((row) => packages[row.package].kind === kind);
    for (const ours of of('ours')) {
      for (const theirs of of('peer')) {
        const [worse, best] = better === 'higher' ? [ours, theirs] : [theirs, ours];
        if (worse.median >= best.median) continue;
        const within = ours.low <= theirs.high && theirs.low <= ours.high;
        losses.push({ case: name, ours, theirs, ratio: worse.median / best.median, within });
      }
    }
  }
  return losses.toSorted((one, other) => one.ratio - other.ratio);
}

/** A sentence for a list. */
export function lossLine({ case: name, ours, theirs, ratio, within }, unit) {
  const ofBoth = `${ours.package} ${figure(ours.median)} ${unit}, ${theirs.package} ${figure(theirs.median)}`;
  return `${name && `${name}: `}${ofBoth} (${ratio.toFixed(2)}${within ? ', the spreads overlap' : ''})`;
}
