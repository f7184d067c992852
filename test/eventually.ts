import { setTimeout as wait } from 'node:timers/promises';

/**
 * Repeats `check` until it neither throws nor returns `false`, and resolves to its result. After `within` milliseconds
 * rejects with its last error.
 */
export async function eventually<T>(check: () => T | Promise<T>, { within = 10_000 } = {}): Promise<T> {
  const end = Date.now() + within;
  for (;;) {
    let failure: unknown;
    try {
      const result = await check();
      if (result !== false) return result;
      failure = new Error(`still false after ${within} ms: ${check}`);
    } catch (error) {
      failure = error;
    }
    if (Date.now() > end) throw failure;
    await wait(10);
  }
}
