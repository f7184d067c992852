import { createHash, randomBytes } from 'node:crypto';
import { chmod, link, open, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

// Node has no flock. A lock is a socket on which its holder listens, because the kernel closes that with the process,
// however it ends: a file with the process's id outlives a kill, and the id may belong to another process by then. Other
// processes find out by connecting, also from other containers on the same kernel, which share no process ids.
//
// The sockets are named lock.1, lock.2, …, and only the highest one counts. A new holder links its socket, which already
// listens, to the next name. Of several, one succeeds. The name stays when the lock is released, so that the numbers never
// go back. The names before it are removed only when the new one exists, and whoever links a name looks again whether it
// is the highest: a process that had read the directory before may find a lower name free.

const RETRY = 50;
/** What fits into the address of a socket, without the final NUL (104 bytes on macOS, 108 on Linux). */
const LONGEST_ADDRESS = 103;

/** Releases a lock. */
export type Unlock = () => Promise<void>;

/** Locks a directory for this process. Resolves to `undefined` if another one holds the lock for `timeout` milliseconds. */
export async function lockDirectory(directory: string, timeout: number): Promise<Unlock | undefined> {
  const end = performance.now() + timeout;
  for (;;) {
    const unlock = await (process.platform === 'win32' ? tryPipe(directory) : trySocket(directory));
    if (unlock) return unlock;
    if (performance.now() + RETRY > end) return undefined;
    await wait(RETRY);
  }
}

async function trySocket(directory: string): Promise<Unlock | undefined> {
  const own = `lock-${randomBytes(9).toString('base64url')}`;
  const address = await addressesIn(directory, own.length);
  let server: Server | undefined;
  try {
    const before = await highest(directory);
    if (before > 0 && (await isHeld(address.of(`lock.${before}`)))) return undefined;
    server = await listen(address.of(own));
    await chmod(join(directory, own), 0o600);
    const number = before + 1;
    const isLinked = await linked(join(directory, own), join(directory, `lock.${number}`));
    await unlink(join(directory, own)).catch(ignoreMissing);
    if (!isLinked || (await highest(directory)) !== number) {
      if (isLinked) await unlink(join(directory, `lock.${number}`)).catch(ignoreMissing);
      await close(server);
      return undefined;
    }
    await removeOthers(directory, number);
    const held = server;
    return () => close(held);
  } catch (error) {
    if (server) await close(server);
    throw error;
  } finally {
    await address.close();
  }
}

/** On Windows the name of a pipe is free again as soon as the process that listens on it has ended. */
async function tryPipe(directory: string): Promise<Unlock | undefined> {
  const hash = createHash('sha256').update(resolve(directory).toLowerCase()).digest('hex');
  try {
    const server = await listen(`\\\\.\\pipe\\nestjs-session-stores-${hash}`);
    return () => close(server);
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return undefined;
    throw error;
  }
}

/** The addresses of sockets in a directory. Linux has a short way to a directory with a long path. */
async function addressesIn(directory: string, longestName: number) {
  const isLong = Buffer.byteLength(join(directory, 'x'.repeat(longestName))) > LONGEST_ADDRESS;
  if (!isLong) return { of: (name: string) => join(directory, name), close: async () => {} };
  if (process.platform !== 'linux') {
    throw new Error(
      `the path of the directory is too long for a socket: choose one of at most ${LONGEST_ADDRESS - longestName} bytes`,
    );
  }
  const handle = await open(directory);
  return { of: (name: string) => `/proc/self/fd/${handle.fd}/${name}`, close: () => handle.close() };
}

/** The highest number of a lock in a directory, 0 if there is none. */
async function highest(directory: string): Promise<number> {
  const names = await readdir(directory);
  return Math.max(0, ...names.map((name) => Number(/^lock\.(\d{1,15})$/.exec(name)?.[1] ?? 0)));
}

/**
 * Removes the locks before ours, and sockets of processes that were killed before they linked them. Files of the app in
 * the same directory may have similar names.
 */
async function removeOthers(directory: string, number: number): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const { name } = entry;
    if (entry.isSocket() && /^lock(?:\.\d+|-[\w-]{12})$/.test(name) && name !== `lock.${number}`) {
      await unlink(join(directory, name)).catch(ignoreMissing);
    }
  }
}

/** Whether a process listens. Only a socket that refuses connections, or is gone, is not held. */
function isHeld(address: string): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(address, () => {
      socket.destroy();
      settle(true);
    });
    socket.on('error', (error) => settle(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error) ?? '')));
  });
}

function listen(address: string): Promise<Server> {
  return new Promise((settle, reject) => {
    const server = createServer((socket) => socket.destroy());
    // Exclusive: in a worker of PM2 the socket would otherwise be the primary's.
    server.once('error', reject).listen({ path: address, exclusive: true }, () => settle(server));
    server.unref();
  });
}

function close(server: Server): Promise<void> {
  return new Promise((settle) => void server.close(() => settle()));
}

/** Links a file to a new name. `false` if the name is taken, or another process has removed the file. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOENT'].includes(codeOf(error) ?? '')) return false;
    throw error;
  }
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
