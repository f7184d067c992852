import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, type TestContext } from 'vitest';
import { eventually } from '../eventually.js';
import { freePort } from '../servers/ports.mjs';
import { MAIN, Command, jsonIn, recordOf, run } from './command.js';

/** A server that accepts connections and never responds. */
async function silentServer({ onTestFinished: finished }: TestContext): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  finished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const STORES: [store: string, urlOf: (port: number) => string][] = [
  ['redis', (port) => `redis://app:safe-word@127.0.0.1:${port}`],
  ['mongo', (port) => `mongodb://app:safe-word@127.0.0.1:${port}/app`],
  ['hazelcast', (port) => `127.0.0.1:${port}`],
];

describe('a server', () => {
  // They wait for their timeouts together.
  it.concurrent.for([
    ...STORES.map(([store, urlOf]) => [store, 'is not running', freePort, urlOf] as const),
    ...STORES.map(([store, urlOf]) => [store, 'does not respond', silentServer, urlOf] as const),
  ])(
    'for --store %s that %s is an error with 1 within seconds, without the password',
    async (row, context) => {
      const [store, , portOf, urlOf] = row;
      const url = urlOf(await portOf(context));
      const { code, stdout, stderr, took } = await run(['count', '--store', store, '--url', url]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(new RegExp(`^error: \\[session:${store}\\] open: `));
      expect(stderr).not.toContain('safe-word');
      // 2 000 ms is the timeout of the store. Starting and ending the process took 0.3 s.
      expect(took).toBeLessThan(10_000);
    },
  );
});

describe('wrong usage', () => {
  const url = 'redis://app:safe-word@localhost';

  it.each<[string, string[], RegExp]>([
    ['no command', [], /^Usage: /],
    ['an unknown command', ['lits'], /unknown command 'lits'\n\(Did you mean list\?\)/],
    ['an unknown option', ['count', '--colection', 'a'], /unknown option '--colection'/],
    ['no id', ['show', '--store', 'redis'], /missing required argument 'id'/],
    ['no store', ['count'], /write --store redis, mongo or hazelcast with --url, or --config/],
    ['an unknown store', ['count', '--store', 'rediss'], /--store rediss: write redis, mongo or hazelcast/],
    ['the store of a process', ['count', '--store', 'cluster'], /in the memory of the app, .*--config/],
    ['a store of express-session', ['count', '--store', 'express'], /fromExpressStore\(store\)/],
    ['no URL', ['count', '--store', 'mongo'], /write --url mongodb:\S+, or set SESSION_STORE_URL/],
    ["another store's URL", ['count', '--store', 'mongo', '--url', url], /must be a URL for MongoDB/],
    [
      'an invalid URL',
      ['count', '--store', 'redis', '--url', 'redis://a:safe-word@b:c'],
      /url must be a URL/,
    ],
    ['a URL for Hazelcast', ['count', '--store', 'hazelcast', '--url', url], /--url must be host:port/],
    [
      "another store's option",
      ['count', '--store', 'redis', '--url', url, '--map-name', 'a'],
      /--map-name is not an option of --store redis, which has --url, --timeout, --prefix, --cluster/,
    ],
    ['a limit of 0', ['list', '--limit', '0'], /whole number, 1 or more/],
    ['a limit that is no number', ['list', '--limit', '1e3'], /whole number, 1 or more/],
    ['clear without a group', ['clear', '--yes'], /either --group with a name, or --all/],
    ['clear with both', ['clear', '--group', 'a', '--all', '--yes'], /either --group with a name, or --all/],
    ['a URL as an argument', ['count', url], /too many arguments/],
    ['a URL as a command', [url], /unknown command 'redis:\/\/\*\*\*@localhost'/],
    ['a URL in a misspelt option', ['count', `--urk=${url}`], /unknown option/],
    [
      'a URL whose password has a quote and a space',
      [`redis://app:it's safe-word@localhost`],
      /unknown command 'redis:\/\/\*\*\*@localhost'/,
    ],
  ])('%s ends with 2 and says what to write, without a password', async (_, args, problem) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(problem);
    expect(stderr).not.toContain('safe-word');
  });

  it.each([[['--help']], [['--version']], [['list', '--help']]])('%j ends with 0', async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toBe('');
  });
});

describe('a command whose output is long', () => {
  const prefix = `${randomUUID()}:`;
  let store: RedisStore;
  let flags: string[];
  beforeAll(async () => {
    const { url } = inject('redis');
    store = new RedisStore({ url, prefix });
    await store.open();
    flags = ['--store', 'redis', '--url', url, '--prefix', prefix, '--timeout', '10000'];
    const data = { text: JSON.stringify('x'.repeat(1000)) };
    const ids = Array.from({ length: 1000 }, (_, at) => `session-${at}`);
    await Promise.all(ids.map((id) => store.create(recordOf({ id, data }, store.now()))));
  });
  afterAll(async () => {
    await store.clear();
    await store.close();
  });

  it('ends quietly when its reader has read enough', async () => {
    const shell = `"${process.execPath}" "${MAIN}" list --data ${flags.join(' ')} | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', shell]);
    expect(stderr).toBe('');
    const [line, code] = stdout.trimEnd().split('\n');
    expect(JSON.parse(line!)).toMatchObject({ properties: 1 });
    expect(code).toBe('0');
  });

  it('waits for a slow reader, and loses nothing', async () => {
    const command = new Command(['list', '--data', ...flags]);
    command.process.stdout.pause();
    await eventually(() => expect(command.process.stdout.readableLength).toBeGreaterThan(60_000));
    command.process.stdout.resume();
    const { code, stdout, stderr } = await command.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1000);
  });

  it('does not end before its output has left the process', async () => {
    await expect(run(['count', ...flags], { slow: true })).resolves.toMatchObject({
      code: 0,
      stdout: '1000\n',
      stderr: '',
    });
  });

  it.runIf(process.platform === 'linux').each([
    ['the only write', () => ['count', ...flags]],
    ['one of many writes', () => ['list', '--data', ...flags]],
    ['the help', () => ['--help']],
  ])('fails with 1, and says so once, if the disk is full at %s', async (_, args) => {
    const shell = `"${process.execPath}" "${MAIN}" ${args().join(' ')} > /dev/full; echo "$?"`;
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', shell]);
    expect(stderr).toBe('error: the output cannot be written: ENOSPC: no space left on device, write\n');
    expect(stdout).toBe('1\n');
  });

  it('ends at SIGTERM, and closes its store', async () => {
    const command = new Command(['list', '--data', ...flags]);
    command.process.stdout.pause();
    await eventually(() => expect(command.process.stdout.readableLength).toBeGreaterThan(60_000));
    command.process.kill('SIGTERM');
    command.process.stdout.resume();
    const { code, stderr } = await command.ended;
    expect({ code, stderr }).toEqual({ code: 143, stderr: '' });
  });
});

describe('what a store of --config does wrong', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(import.meta.dirname, '../../dist/failures-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function withStore(args: string[], methods: string): Promise<Command> {
    const file = join(folder, `${randomUUID()}.mjs`);
    await writeFile(
      file,
      `
        import { SessionStoreDecorator } from 'nestjs-session-stores/store';
        import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
        class Store extends SessionStoreDecorator { ${methods} }
        export default new Store(new ClusterStore());
      `,
    );
    const command = new Command([...args, '--config', file]);
    onTestFinished(() => void command.process.kill('SIGKILL'));
    return command;
  }

  it('an error of the driver is shown as a cause, and one that quotes session data is not', async () => {
    const failing = `count() { throw new Error('failed', { cause: new Error('the disk of redis://a:safe-word@b is full') }); }`;
    const { ended } = await withStore(['count'], failing);
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toBe('error: failed\n  cause: the disk of redis://***@b is full\n');

    const parsing = `async count() { try { JSON.parse('ada'); } catch (cause) { throw new Error('damaged', { cause }); } }`;
    const damaged = await (await withStore(['count'], parsing)).ended;
    expect(damaged.stderr).toBe('error: damaged\n  cause: SyntaxError: something is not valid JSON\n');
  });

  it('a session that stands on two pages of a group is listed once', async () => {
    const repeating = `
      async page({ after }) {
        const record = (id) => ({ id, secretHash: '', data: {}, groups: ['a'], createdAt: 1, expiresAt: 8.64e15 });
        return after ? { records: [record('one'), record('two')] } : { records: [record('one')], next: 'more' };
      }
    `;
    const { ended } = await withStore(['list', '--group', 'a'], repeating);
    expect(jsonIn((await ended).stdout).map(({ id }) => id)).toEqual(['one', 'two']);
  });

  it('a close that fails or hangs changes neither the result nor the exit code', async () => {
    for (const close of ['throw new Error()', 'return new Promise(() => setInterval(() => {}, 1000))']) {
      const { ended } = await withStore(['show', 'absent'], `async close() { ${close} }`);
      const { code, stderr, took } = await ended;
      expect(code).toBe(3);
      expect(stderr).toMatch(/^error: there is no live session/);
      expect(took).toBeLessThan(20_000);
    }
  });

  it('a call that hangs ends at SIGINT', async () => {
    const command = await withStore(
      ['count'],
      `count() { console.error('counting'); return new Promise(() => setInterval(() => {}, 1000)); }`,
    );
    await eventually(() => expect(command.stderr).toBe('counting\n'));
    command.process.kill('SIGINT');
    expect((await command.ended).code).toBe(130);
  });

  it('events are announced as lost if they are not read as fast as they come', async () => {
    const command = await withStore(
      ['watch'],
      `
        get capabilities() { return { ...super.capabilities, feed: true }; }
        async watch(listener) {
          listener({ type: 'live' });
          const ids = ['x'.repeat(1000)];
          let rounds = 0;
          const timer = setInterval(() => {
            for (let at = 0; at < 500; at++) listener({ type: 'changed', ids });
            if (++rounds === 10) console.error('announced 5 MB');
          }, 1);
          return { isClosed: false, close: () => clearInterval(timer) };
        }
      `,
    );
    command.process.stdout.pause();
    await eventually(() => expect(command.stderr).toBe('announced 5 MB\n'));
    command.process.stdout.resume();
    const types = (): unknown[] => command.stdout.match(/(?<="type":")(lost|live)/g) ?? [];
    await eventually(() => expect(types().slice(0, 3)).toEqual(['live', 'lost', 'live']));
    command.process.kill('SIGINT');
    expect((await command.ended).code).toBe(0);
  });
});
