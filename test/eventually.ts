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

/**
 * Repeats `call` while it is rejected, and resolves to its first answer, right or wrong. For calls after a failover, when a
 * driver may leave a connection once more.
 */
export async function firstAnswer<T>(
  call: () => Promise<T>,
  options?: Parameters<typeof eventually>[1],
): Promise<T> {
  const { answer } = await eventually(async () => ({ answer: await call() }), options);
  return answer;
}
