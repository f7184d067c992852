/** How long a store waits for its backend unless told otherwise, in milliseconds. */
export const DEFAULT_TIMEOUT = 2000;

/**
 * Settles as `work` does, or rejects with `late()` after `timeout` milliseconds, whichever comes first. What
 * `work` does after that is nobody's concern: its rejection is swallowed.
 */
export function withDeadline<T>(work: Promise<T>, timeout: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeout);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** The `timeout` option of a store: `DEFAULT_TIMEOUT` when absent; throws a `TypeError` for what is no duration. */
export function checkTimeout(timeout: number = DEFAULT_TIMEOUT): number {
  if (!Number.isInteger(timeout) || timeout < 1 || timeout > 2 ** 31 - 1) {
    throw new TypeError('timeout must be a whole number of milliseconds from 1 to 2147483647');
  }
  return timeout;
}
