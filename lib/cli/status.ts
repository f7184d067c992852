import type { Output } from './output.js';

/** The first status is shown after a second, in milliseconds. */
const EVERY = 1000;

/**
 * Shows on the terminal for how long a call has been running. A store does not say how far it is.
 *
 * @param work is passed a function that sets more to show, such as a number of sessions
 */
export async function withStatus<T>(
  output: Output,
  doing: string,
  work: (more: (text: string) => void) => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  let more = '';
  const timer = setInterval(() => {
    output.status(`${doing} for ${Math.round((performance.now() - begun) / 1000)} s${more}`);
  }, EVERY);
  timer.unref();
  try {
    return await work((text) => void (more = `, ${text}`));
  } finally {
    clearInterval(timer);
    output.status('');
  }
}
