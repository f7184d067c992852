import { setTimeout as wait } from 'node:timers/promises';

/**
 * Waits until `check` returns `true`, or rejects with its last error as the cause. Like `eventually`, for code that
 * benches use too.
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
    if (Date.now() > end)
      throw new Error(`timed out after ${within} ms waiting until ${what}`, { cause: failure });
    await wait(20);
  }
}
