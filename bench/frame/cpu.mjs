import { readFile } from 'node:fs/promises';

/** What Linux counts CPU time in, whatever its kernel: 10 ms. */
const TICK = 10_000;

/**
 * The CPU time of a process so far in µs, or `undefined` on a system without `/proc`.
 *
 * @param {number} pid
 * @returns {Promise<number | undefined>}
 */
export async function processorTime(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  // The second field is a name in brackets, which may contain spaces. User and system time are fields 14 and 15.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK;
}
