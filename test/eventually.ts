import { setTimeout as wait } from 'node:timers/promises';

/** What `check` gives, once it does not throw; after `within` milliseconds what it threw last. */
export async function eventually<T>(check: () => T | Promise<T>, { within = 5000 } = {}): Promise<T> {
  const end = Date.now() + within;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await wait(20);
    }
  }
}
