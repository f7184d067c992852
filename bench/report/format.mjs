/** A figure with three significant digits. */
export function figure(value) {
  if (value === 0) return '0';
  if (!Number.isFinite(value)) throw new RangeError(`${value} is no figure`);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString('en', { minimumFractionDigits: 0, maximumFractionDigits: digits });
}

/** The median, and the lowest and the highest figure if there were several. */
export function spread({ median, low, high }) {
  if (low === high) return figure(median);
  return `${figure(median)} (${figure(low)}–${figure(high)})`;
}

/** A Markdown table. */
export function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The rows of each case, in the order of the cases. */
export function casesOf(rows) {
  const cases = new Map();
  for (const row of rows) cases.set(row.case, [...(cases.get(row.case) ?? []), row]);
  return cases;
}

/** What a row is about within its case. */
export function labelOf(row) {
  return row.variant ?? row.package;
}
