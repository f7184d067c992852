import { packages } from '../packages.mjs';
import { casesOf, figure, labelOf } from './format.mjs';

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

/** A ratio below 1, rounded down, so that it does not look equal to 1. */
export function ratioOf(ratio) {
  return (Math.floor(ratio * 100) / 100).toFixed(2);
}

/** A sentence for a list. */
export function lossLine({ case: name, ours, theirs, ratio, within }, unit) {
  const ofBoth = `${labelOf(ours)} ${figure(ours.median)} ${unit}, ${labelOf(theirs)} ${figure(theirs.median)}`;
  return `${name && `${name}: `}${ofBoth} (${ratioOf(ratio)}${within ? ', the spreads overlap' : ''})`;
}
