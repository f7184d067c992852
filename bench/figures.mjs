/** The median of some figures, the lowest and the highest. */
export function summary(figures) {
  const sorted = figures.toSorted((one, other) => one - other);
  return { median: sorted[sorted.length >> 1], low: sorted[0], high: sorted.at(-1) };
}

/** Calls `work(index)` `count` times, `inFlight` in parallel. Resolves to the calls per second. */
export async function rate(count, inFlight, work) {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (count * 1000) / (performance.now() - start);
}

/** Like `rate`, for some milliseconds and at most `most` calls. Resolves to the number of calls, too. */
export async function rateWithin(milliseconds, most, inFlight, work) {
  let count = 0;
  const start = performance.now();
  const lane = async () => {
    while (count < most && performance.now() - start < milliseconds) await work(count++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { count, perSecond: (count * 1000) / (performance.now() - start) };
}

export function table(head, rows) {
  console.log([line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'));
}

export const thousands = (figure) => `${(figure / 1000).toFixed(figure < 10_000 ? 1 : 0)}k`;

const line = (cells) => `| ${cells.join(' | ')} |`;
