import { once } from 'node:events';

/**
 * The next message of a child process. Rejects if the child exits instead, which would otherwise leave its bench waiting.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<any>}
 */
export async function messageOf(child) {
  const done = new AbortController();
  const { signal } = done;
  try {
    const exited = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`the process of ${child.spawnargs.slice(1).join(' ')} exited with code ${code}`);
    });
    const [message] = await Promise.race([once(child, 'message', { signal }), exited]);
    return message;
  } finally {
    done.abort();
  }
}
