/** The middle of some figures, and how far they lie apart. */
export function summary(figures) {
  const sorted = figures.toSorted((one, other) => one - other);
  return { median: sorted[sorted.length >> 1], low: sorted[0], high: sorted.at(-1) };
}

/** Calls `work(index)` `count` times, `inFlight` at once; resolves to how many a second. */
export async function rate(count, inFlight, work) {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (count * 1000) / (performance.now() - start);
}

/** As `rate`, for some milliseconds and `most` calls at most; resolves to how many were made, too. */
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
