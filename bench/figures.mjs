/** The median of some figures, the lowest and the highest. */
export function summary(figures) {
  const sorted = figures.toSorted((one, other) => one - other);
  return { median: sorted[sorted.length >> 1], low: sorted[0], high: sorted.at(-1) };
}

/**
 * Calls `work(index, lane)` `count` times, `inFlight` in parallel. Calls of the same lane, which is a number below
 * `inFlight`, follow each other. Resolves to the calls per second.
 */
export async function rate(count, inFlight, work) {
  let next = 0;
  const run = async (_, lane) => {
    while (next < count) await work(next++, lane);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, run));
  return (count * 1000) / (performance.now() - start);
}

/** Like `rate`, for some milliseconds and at most `most` calls. Resolves to the number of calls, too. */
export async function rateWithin(milliseconds, most, inFlight, work) {
  let count = 0;
  const start = performance.now();
  const run = async (_, lane) => {
    while (count < most && performance.now() - start < milliseconds) await work(count++, lane);
  };
  await Promise.all(Array.from({ length: inFlight }, run));
  return { count, perSecond: (count * 1000) / (performance.now() - start) };
}

/**
 * Measures all subjects by turns, in the opposite order every other time, after rounds that do not count.
 *
 * @template {string} Name
 * @param {Iterable<Name>} subjects
 * @param {{ rounds: number, warmUp?: number }} times
 * @param {(subject: Name) => Promise<Record<string, number> | undefined>} measure `undefined` if a subject cannot do it
 * @returns {Promise<Map<Name, Record<string, number[]>>>} the figures of each round, by subject and by their names
 */
export async function alternate(subjects, { rounds, warmUp = 1 }, measure) {
  const names = [...subjects];
  const figures = new Map();
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of round % 2 ? names.toReversed() : names) {
      const measured = await measure(name);
      if (round < 0 || measured === undefined) continue;
      if (!figures.has(name)) figures.set(name, {});
      for (const key in measured) (figures.get(name)[key] ??= []).push(measured[key]);
    }
  }
  return new Map(names.filter((name) => figures.has(name)).map((name) => [name, figures.get(name)]));
}

/** The rows of a measure from what `alternate` resolved to: one for each subject, about one case and one figure. */
export function rowsOf(figures, name, about) {
  return [...figures].map(([subject, { [name]: some }]) =>
    Object.assign({}, about, { package: subject }, summary(some)),
  );
}

/** How long `work` takes, in milliseconds. */
export async function durationOf(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
