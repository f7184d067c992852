import { setTimeout as wait } from 'node:timers/promises';

/** What `check` gives, once it neither throws nor is `false`; fails after `within` milliseconds as it last did. */
export async function eventually<T>(check: () => T | Promise<T>, { within = 10_000 } = {}): Promise<T> {
  const end = Date.now() + within;
  for (;;) {
    let failure: unknown;
    try {
      const answer = await check();
      if (answer !== false) return answer;
      failure = new Error(`still not so after ${within} ms: ${check}`);
    } catch (error) {
      failure = error;
    }
    if (Date.now() > end) throw failure;
    await wait(10);
  }
}
