import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * The bytes of all objects on the heap of a Java process after a collection, by the `jcmd` of its JDK.
 *
 * @param {number} pid
 * @returns {Promise<number>}
 */
export async function javaHeap(pid) {
  const options = { timeout: 60_000, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)('jcmd', [String(pid), 'GC.class_histogram'], options);
  const [, bytes] = /^Total +\d+ +(\d+)/m.exec(stdout) ?? [];
  if (bytes === undefined) throw new Error(`jcmd printed no total for process ${pid}`);
  return Number(bytes);
}
