// The memory that servers use, in bytes.
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

/** @param {import('ioredis').Redis} client */
export async function redisMemory(client) {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))[1]);
}

/**
 * The documents and the indexes of a database.
 *
 * @param {import('mongodb').Db} database
 */
export async function mongoMemory(database) {
  const { dataSize, indexSize } = await database.command({ dbStats: 1 });
  return dataSize + indexSize;
}
