/** How a command ended, for scripts. */
export const EXIT = {
  done: 0,
  /** The store, or something else, failed. */
  failed: 1,
  /** The command was written wrongly, and nothing was done. */
  usage: 2,
  /** There is no such session, or `doctor` has found a risk. */
  negative: 3,
} as const;

/** A command that was written wrongly. The message says what to write. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
