import { mkdir, readFile, readdir, readlink, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { StoreProcess, aDirectory, inProcess, openStore } from './kept.js';

const withoutPrototype = (data: Record<string, string>) =>
  Object.assign(Object.create(null), data) as Record<string, string>;

describe('after a restart', () => {
  it('a session is as it was', async () => {
    const directory = await aDirectory();
    const before = await inProcess({ directory }, async (store) => {
      await store.create(aRecord('a', { groups: ['g', 'h'], from: ['b'] }));
      await store.update(
        { id: 'a' },
        { set: withoutPrototype({ 'a"\n': '1', '': '2' }), remove: ['a'], leave: ['g'] },
      );
      const { expiresAt } = (await store.read('a'))!;
      await store.update({ id: 'a' }, { touch: { from: expiresAt, to: expiresAt + 1 }, join: ['i'] });
      await store.rotate({ id: 'a' }, 'secretHash', 'next', 60_000);
      await store.update({ id: 'a' }, { retirePrevious: { secretHash: 'next', validUntil: expiresAt } });
      return store.read('a');
    });
    const store = await openStore({ directory });
    expect(await store.read('a')).toEqual(before);
    expect(before).toMatchObject({
      secretHash: 'next',
      groups: ['h', 'i'],
      previous: { hash: 'secretHash' },
    });
    expect(Object.getPrototypeOf((await store.read('a'))!.data)).toBeNull();
    expect({ g: await store.count('g'), i: await store.count('i') }).toEqual({ g: 0, i: 1 });
  });

  it.each<[string, (store: ClusterStore) => Promise<unknown>]>([
    ['destroyed', (store) => store.destroy('a')],
    ['cleared', (store) => store.clear('g')],
    ['given an expiry in the past', (store) => store.update({ id: 'a' }, { expiresAt: 1 })],
    ['regenerated, and then destroyed', (store) => store.regenerate('a').then(() => store.destroy('a'))],
    ['regenerated, and then cleared', (store) => store.regenerate('a').then(() => store.clear('g'))],
  ])('a session that was %s stays so, and has no successor', async (_, end) => {
    const directory = await aDirectory();
    await inProcess({ directory }, async (store) => {
      await store.create(aRecord('a', { groups: ['g'] }));
      await end(store);
    });
    const store = await openStore({ directory });
    expect(await store.read('a')).toBeUndefined();
    expect(await store.update({ id: 'a' }, { set: withoutPrototype({ b: '1' }) })).toBeUndefined();
    await expect(store.create(aRecord('a'))).rejects.toThrow('less than ten minutes ago');
    expect(await store.regenerate('a')).toBe(false);
    expect(await store.create(aRecord('b', { from: ['a'] }))).toBe(false);
  });

  it('a clear finds the sessions that were regenerated before', async () => {
    const directory = await aDirectory();
    await inProcess({ directory }, async (store) => {
      await store.create(aRecord('a', { groups: ['g'] }));
      await store.regenerate('a');
    });
    const store = await openStore({ directory });
    expect(await store.haveEnded(['a'])).toBe(false);
    await store.clear('g');
    expect(await store.create(aRecord('b', { from: ['a'] }))).toBe(false);
  });

  it('a session that has expired meanwhile is not there', async () => {
    const directory = await aDirectory();
    const expiresAt = Date.now() + 60;
    await inProcess({ directory }, async (store) => {
      await store.create(aRecord('a', { expiresAt }));
      await store.create(aRecord('b'));
    });
    while (Date.now() <= expiresAt) await new Promise(setImmediate);
    const store = await openStore({ directory });
    expect(await store.count()).toBe(1);
  });

  it('a session that was dropped for room is not there', async () => {
    const directory = await aDirectory();
    const stop = serveSessions({ maxSessions: 2, directory });
    await stop.opened;
    await inProcess({ directory }, async (store) => {
      for (const id of ['a', 'b', 'c']) await store.create(aRecord(id));
    });
    await stop();
    const store = await openStore({ directory });
    expect(await store.count()).toBe(2);
  });

  it('sessions of several names are apart, in one directory', async () => {
    const directory = await aDirectory();
    await inProcess({ directory, name: 'one' }, async (one) => {
      await inProcess({ directory, name: 'two' }, (two) => two.create(aRecord('a')));
      await one.create(aRecord('b'));
    });
    const [one, two] = [
      await openStore({ directory, name: 'one' }),
      await openStore({ directory, name: 'two' }),
    ];
    expect(await one.page({ limit: 9 })).toMatchObject({ records: [{ id: 'b' }] });
    expect(await two.page({ limit: 9 })).toMatchObject({ records: [{ id: 'a' }] });
  });

  it('the sessions of a name that nothing has opened meanwhile are there', async () => {
    const directory = await aDirectory();
    await inProcess({ directory, name: 'one' }, (store) => store.create(aRecord('a')));
    await inProcess({ directory, name: 'two' }, (store) => fill(store));
    const store = await openStore({ directory, name: 'one' });
    expect(await store.count()).toBe(1);
  });
});

/** Changes a session so often that the journal is compacted, at least once. */
async function fill(store: ClusterStore): Promise<void> {
  await store.create(aRecord('filled'));
  for (let time = 0; time < 1000; time++) {
    // Another value each time: a value that stays is not written again.
    const large = JSON.stringify(`${time}`.padEnd(10_000));
    await store.update({ id: 'filled' }, { set: withoutPrototype({ large, time: String(time) }) });
  }
}

describe('a journal', () => {
  it('can be read by its owner alone', async () => {
    const directory = await aDirectory();
    const store = await openStore({ directory });
    await store.create(aRecord('a'));
    const modes: Record<string, string> = {};
    for (const name of ['.', ...(await readdir(directory))]) {
      modes[name] = ((await stat(join(directory, name))).mode & 0o777).toString(8);
    }
    expect(modes).toEqual({ '.': '700', journal: '600', 'lock.1': '600' });
  });

  it('no longer has the data of a session that has ended, after the first write of the next process', async () => {
    const directory = await aDirectory();
    const journal = () => readFile(join(directory, 'journal'), 'utf8');
    await inProcess({ directory }, async (store) => {
      await store.create(aRecord('a', { data: { name: '"canary"' } }));
      await store.destroy('a');
    });
    expect(await journal()).toContain('canary');
    const store = await openStore({ directory });
    await store.create(aRecord('b'));
    await eventually(async () => expect(await journal()).not.toContain('canary'));
    expect(await store.haveEnded(['a'])).toBe(true);
  });

  it('is compacted while sessions change, without losing any', async () => {
    const directory = await aDirectory();
    await inProcess({ directory }, async (store) => {
      for (let index = 0; index < 500; index++)
        await store.create(aRecord(`kept ${index}`, { groups: ['g'] }));
      await store.create(aRecord('gone'));
      await store.destroy('gone');
      await Promise.all([
        fill(store),
        ...Array.from({ length: 500 }, async (_, index) => {
          for (const count of ['1', '2', '3']) {
            await store.update({ id: `kept ${index}` }, { set: withoutPrototype({ count }) });
          }
          if (index % 2) await store.destroy(`kept ${index}`);
        }),
      ]);
    });
    const { size } = await stat(join(directory, 'journal'));
    expect(size).toBeLessThan(6 * 1024 * 1024);
    expect((await stat(join(directory, 'journal'))).mode & 0o777).toBe(0o600);
    const store = await openStore({ directory });
    const { records } = await store.page({ group: 'g', limit: 1000 });
    expect(records).toHaveLength(250);
    expect(records.every(({ data }) => data['count'] === '3')).toBe(true);
    expect(await store.read('filled')).toMatchObject({ data: { time: '999' } });
    expect(await store.haveEnded(['gone'])).toBe(true);
    expect(await store.haveEnded(['kept 1'])).toBe(true);
    expect(await readdir(directory)).toEqual(['journal', expect.stringMatching(/^lock\.\d+$/)]);
  });

  it('that cannot be written rejects changes from then on, while reads go on', async () => {
    const directory = await aDirectory();
    // At most 200 kB a file.
    const limited = ['bash', '-c', 'ulimit -f 200; exec "$@"', 'limited'];
    const other = await StoreProcess.open({ directory }, limited);
    let acknowledged = 0;
    let reply: { error?: string };
    const data = { large: JSON.stringify('x'.repeat(10_000)) };
    for (;;) {
      reply = await other.call('create', aRecord(`${acknowledged}`, { data }));
      if (reply.error !== undefined) break;
      acknowledged++;
    }
    const problem =
      /^\[session:cluster\] create: the journal in the store's directory could not be written \(EFBIG\), so all changes are rejected until a restart/;
    expect(reply.error).toMatch(problem);
    expect(acknowledged).toBeGreaterThan(10);
    // Even one for which there would be room.
    expect((await other.call('create', aRecord('small'))).error).toMatch(problem);
    expect((await other.call('destroy', '0')).error).toMatch(/^\[session:cluster\] destroy: the journal/);
    expect((await other.call('read', '0')).value).toMatchObject({ id: '0' });
    await other.kill();
    const store = await openStore({ directory });
    expect(await store.count()).toBe(acknowledged);
    await store.destroy('0');
  });
});

it('a change that the disk has room for in part is as if it had not been made, after a restart', async () => {
  const directory = await aDirectory();
  const limited = ['bash', '-c', 'ulimit -f 200; exec "$@"', 'limited'];
  const other = await StoreProcess.open({ directory }, limited);
  for (let at = 0; at < 200; at++) await other.call('create', aRecord(`member ${at}`, { groups: ['g'] }));
  const data = { large: JSON.stringify('x'.repeat(2000)) };
  const size = async () => (await stat(join(directory, 'journal'))).size;
  for (let at = 0; (await size()) < 200 * 1024 - 4000; at++)
    await other.call('create', aRecord(`${at}`, { data }));
  // Each of the sessions needs an entry of its own.
  expect((await other.call('clear', 'g')).error).toMatch(/could not be written \(EFBIG\)/);
  await other.kill();
  const store = await openStore({ directory });
  await expect(store.count('g')).resolves.toBe(200);
});

it.runIf(process.platform === 'linux')(
  'a journal that cannot be created, because the disk is full, is not left open',
  async () => {
    const directory = await aDirectory();
    await mkdir(directory);
    await symlink('/dev/full', join(directory, 'journal.new'));
    await expect(new ClusterStore({ directory }).open()).rejects.toMatchObject({
      cause: { code: 'ENOSPC' },
    });
    const open = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`));
    const paths = (await Promise.allSettled(open)).map((one) => one.status === 'fulfilled' && one.value);
    expect(paths).not.toContain('/dev/full');
  },
);

describe('the options of a directory', () => {
  it.each([
    [{ directory: '' }, 'directory must be the path of a directory'],
    [{ directory: 1 as unknown as string }, 'directory must be the path of a directory'],
    [{ directory: 'x', durability: 'power' as 'disk' }, "durability must be one of 'process', 'disk'"],
    [{ durability: 'disk' as const }, 'durability needs a directory'],
  ])('%j are rejected', (options, message) => {
    expect(() => new ClusterStore(options)).toThrow(message);
    expect(() => serveSessions(options)).toThrow(message);
  });

  it('a timeout without a directory is rejected by serveSessions()', () => {
    expect(() => serveSessions({ timeout: 100 })).toThrow('timeout needs a directory');
  });

  it('two stores of a name cannot have two directories', async () => {
    const store = await openStore({ directory: await aDirectory() });
    await store.create(aRecord('a'));
    const other = new ClusterStore({ directory: await aDirectory() });
    await expect(other.open()).rejects.toThrow('the sessions of this name are open in another directory');
    const shared = await openStore({});
    expect(await shared.read('a')).toBeDefined();
  });

  it('a directory cannot be given to sessions that are open without it', async () => {
    await openStore({});
    const directory = await aDirectory();
    await expect(new ClusterStore({ directory }).open()).rejects.toThrow('open without a directory');
    expect(() => serveSessions({ directory })).toThrow('sessions are open without it');
  });

  it('a directory has one durability', async () => {
    const directory = await aDirectory();
    await openStore({ directory });
    const other = new ClusterStore({ directory, name: 'other', durability: 'disk' });
    await expect(other.open()).rejects.toThrow("the directory is open with the durability 'process'");
  });
});
