import { setTimeout as wait } from 'node:timers/promises';

/**
 * Waits until `check` is true, and fails with what it last failed with; `eventually` for what benches load too.
 *
 * @param {() => boolean | Promise<boolean>} check
 * @param {{ within: number, what: string }} options `within` is in milliseconds
 */
export async function until(check, { within, what }) {
  const end = Date.now() + within;
  for (;;) {
    let failure;
    try {
      if (await check()) return;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > end) throw new Error(`not so after ${within} ms: ${what}`, { cause: failure });
    await wait(20);
  }
}
