import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { expect, it } from 'vitest';
import { StoreProcess, aDirectory, inProcess, openStore } from './kept.js';

const ROUNDS = process.env['LONG'] ? 20 : 3;
const locksIn = async (directory: string) =>
  (await readdir(directory)).filter((name) => name.startsWith('lock'));

it('a directory that another process uses is tried again for the timeout, then rejected with what to do', async () => {
  const directory = await aDirectory();
  await StoreProcess.open({ directory });
  const start = performance.now();
  await expect(new ClusterStore({ directory, timeout: 300 }).open()).rejects.toThrow(
    '[session:cluster] open: the directory is still in use by another process after 300 ms. Has the process before this one ended?',
  );
  expect(performance.now() - start).toBeGreaterThan(240);
});

it('a directory is opened as soon as the process before has closed it', async () => {
  const directory = await aDirectory();
  const other = await StoreProcess.open({ directory });
  const opening = openStore({ directory, timeout: 20_000 });
  await other.call('close');
  await opening;
});

it('a directory of a process that was killed can be opened at once', async () => {
  const directory = await aDirectory();
  const other = await StoreProcess.open({ directory });
  await other.kill();
  await openStore({ directory, timeout: 1 });
  expect(await locksIn(directory)).toHaveLength(1);
});

it('files of the app in a directory that have similar names as a lock are kept', async () => {
  const directory = await aDirectory();
  const names = ['lock-screen.html', 'lock.1', 'lock.json'];
  await mkdir(join(directory, 'lock-files'), { recursive: true });
  for (const name of names) await writeFile(join(directory, name), 'of the app');
  await inProcess({ directory }, async () => {});
  expect(await locksIn(directory)).toEqual(['lock-files', ...names, 'lock.2'].toSorted());
});

it('a directory of a process that is stopped stays its own', async () => {
  const directory = await aDirectory();
  const other = await StoreProcess.open({ directory });
  other.child.kill('SIGSTOP');
  await expect(new ClusterStore({ directory, timeout: 500 }).open()).rejects.toThrow(
    'in use by another process',
  );
});

it(
  `of eight processes that find a directory free at once, one opens it, ${ROUNDS} times`,
  async () => {
    const directory = await aDirectory();
    for (let round = 0; round < ROUNDS; round++) {
      const others = Array.from({ length: 8 }, () => StoreProcess.start({ directory, timeout: 1 }));
      const messages = await Promise.all(others.map((other) => other.message()));
      const opened = messages.filter(({ isOpen }) => isOpen);
      expect(opened.length, `round ${round}`).toBe(1);
      for (const other of others) await other.kill();
      await inProcess({ directory, timeout: 5000 }, async () => {});
      expect(await locksIn(directory)).toHaveLength(1);
    }
  },
  20_000 + ROUNDS * 10_000,
);

it('a directory may have a path that is too long for a socket', async () => {
  const directory = join(await aDirectory(), 'x'.repeat(120));
  const other = await StoreProcess.open({ directory });
  await expect(new ClusterStore({ directory, timeout: 1 }).open()).rejects.toThrow(
    'in use by another process',
  );
  await other.kill();
  await openStore({ directory, timeout: 1 });
});

it('a store that is closed while it waits for a directory does not keep it', async () => {
  const directory = await aDirectory();
  const other = await StoreProcess.open({ directory });
  const store = new ClusterStore({ directory, timeout: 10_000 });
  const opening = store.open();
  const closing = store.close();
  await other.kill();
  await Promise.all([opening, closing]);
  await StoreProcess.open({ directory });
});
