const UNITS: readonly [name: string, milliseconds: number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

/** A duration in milliseconds as text, in the largest unit of which it is a whole number: `30 minutes`. */
export function durationText(milliseconds: number): string {
  // Hours up to two days, as people say 24 hours.
  const [name, size] = UNITS.find(
    ([unit, length]) => milliseconds % length === 0 && (unit !== 'day' || milliseconds > 2 * length),
  ) ?? ['millisecond', 1];
  const count = milliseconds / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
