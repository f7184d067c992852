/** The longest label, in characters. */
const LONGEST = 100;

/** Throws a `TypeError` for a label that is not a well-formed string of at most 100 characters. */
export function checkLabel(label: unknown): void {
  if (typeof label !== 'string' || !label.isWellFormed() || [...label].length > LONGEST) {
    throw new TypeError(
      `a label must be a well-formed string of at most ${LONGEST} characters; an empty one removes it`,
    );
  }
}
