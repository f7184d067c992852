import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionStore } from 'nestjs-session-stores';
import type { SessionRecord } from 'nestjs-session-stores/store';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { pageNamed, root, type Block } from '../docs/pages.js';
import { eventually } from '../eventually.js';
import { call, startRedis } from '../servers/redis.mjs';
import { Command, MAIN, PLAIN, recordOf, run } from './command.js';

const page = pageNamed('docs/guide/command-line.md');
const TERMINAL = fileURLToPath(new URL('terminal.mjs', import.meta.url));

/** A shell command of the page, and what it prints. */
interface Example {
  command: string;
  output: string;
}

const examples = page.blocks
  .map((block, at): [Block, Block | undefined] => [block, page.blocks[at + 1]])
  .filter(([{ language }]) => language === 'sh')
  .map(([{ code }, result]): Example => {
    if (result?.language !== 'text') throw new Error(`${code} has no output`);
    return { command: code, output: result.code };
  });

/** The stores of the examples: in a database, a collection and a map that only this spec uses. */
let stores: SessionStore[];
let folder: string;
/** What the page says → what is true of this run. */
let addresses: [onPage: string, real: string][];

beforeAll(async () => {
  const redis = new URL('/4', inject('redis').url);
  const mongo = new URL(inject('mongo').url);
  mongo.pathname = `/${randomUUID()}`;
  const { clusterName, members } = inject('hazelcast');
  const config = { clusterName, network: { clusterMembers: members } };
  const mapName = randomUUID();
  addresses = [
    ['redis://localhost:6379', redis.href],
    ["host: 'localhost', port: 6379", `host: '${redis.hostname}', port: ${redis.port}, db: 4`],
    ['mongodb://localhost:27017/app', `'${mongo.href}'`],
    [
      'localhost:5701 --cluster-name dev',
      `${members.join(',')} --cluster-name ${clusterName} --map-name ${mapName}`,
    ],
  ];
  stores = [
    new RedisStore({ url: redis.href }),
    new MongoStore({ uri: mongo.href }),
    new HazelcastStore({ config, maps: [{ mapName }] }),
  ];
  await Promise.all(stores.map((store) => store.open()));
  folder = await mkdtemp(join(root, 'dist/docs-'));
  for (const { language, code } of page.blocks) {
    const [, file] = /^\/\/ (\S+\.mjs)\n/.exec(code) ?? [];
    if (language === 'js' && file !== undefined) await writeFile(join(folder, file), real(code));
  }
});

afterAll(async () => {
  await call(addresses[0]![1], 'DEL', 'sess:an id of express-session');
  await Promise.all(stores.map(async (store) => (await store.clear(), store.close())));
  await rm(folder, { recursive: true, force: true });
});

/** The ids of the sessions on the page. A destroyed one may not be created again, so each example has others. */
const IDS = [
  'rDOGG1qdaCb3kvxZM0kgKTxm_9lEEuVx',
  'Fh2CvW0sJt8mQyRk3nXb5PzLgA7eUo1d',
  'tZ6wKq9cYp4VxN2jMf8rHs0BdEuG3iLa',
];
let ids: string[];

beforeEach(async () => {
  ids = IDS.map((id) => id.slice(0, 24) + randomUUID().slice(0, 8));
  const [first, second, third] = ids as [string, string, string];
  begun = Math.floor(Date.now() / MINUTE) * MINUTE - 20 * MINUTE;
  const user = (name: string) => ({
    data: { user: JSON.stringify(name), cart: '["book"]' },
    groups: [`user:${name}`],
  });
  const client = {
    first: '{"ip":"203.0.113.0/24","userAgent":"Mozilla/5.0"}',
    last: '{"ip":"2001:db8:1::/48","userAgent":"Mozilla/5.0"}',
  };
  for (const store of stores) {
    await store.clear();
    const create = async (id: string, at: number, more: Partial<SessionRecord>): Promise<void> => {
      await store.create(recordOf({ id, lastSeenAt: at + MINUTE, client, ...more }, at));
    };
    await create(first, begun, { ...user('ada'), label: 'Laptop' });
    await create(second, begun + MINUTE, user('ada'));
    await create(third, begun + 2 * MINUTE, user('bob'));
  }
  // As connect-redis stores it.
  const cookie = { originalMaxAge: 30 * MINUTE, expires: new Date(begun + 30 * MINUTE) };
  const session = JSON.stringify({ cookie, user: 'ada' });
  await call(addresses[0]![1], 'SET', 'sess:an id of express-session', session, 'PX', 30 * MINUTE);
});

const MINUTE = 60_000;

/** When the first session of the page was created: there, and in this run. */
const BEGUN = Date.UTC(2026, 10, 27, 9);
let begun: number;

/** A text of the page as it is run here. */
function real(text: string): string {
  let changed = text;
  for (const [onPage, address] of addresses) changed = changed.replaceAll(onPage, address);
  return changed.replace(IDS[0]!, ids?.[0] ?? IDS[0]!);
}

/** What was printed, with the ids and the instants of the page. */
function documented(printed: string): string {
  let changed = printed;
  for (const [at, id] of ids.entries()) changed = changed.replaceAll(id, IDS[at]!);
  return changed
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, (time) =>
      new Date(BEGUN + Date.parse(time) - begun).toISOString().replace('.000', ''),
    )
    .replaceAll(/(?<=At":)\d{13}/g, (instant) => String(BEGUN + Number(instant) - begun))
    .replaceAll(/\d\d:\d\d:\d\d\.\d{3}/g, '09:05:00.000')
    .trimEnd();
}

/** A Redis that evicts sessions. */
async function risky(): Promise<{ url: string }> {
  const args = ['--appendonly', 'yes', '--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'];
  const server = await startRedis({ args });
  onTestFinished(() => server.stop());
  return server as { url: string };
}

const KEY = Buffer.alloc(32, 1).toString('base64');

describe('on docs/guide/command-line.md', () => {
  it('there are examples of every command', async () => {
    const { stdout } = await run(['--help']);
    const commands = [...stdout.matchAll(/^ {2}(\w+) \[options\]/gm)].map(([, command]) => command!);
    expect(commands).toHaveLength(7);
    const documentedCommands = examples.flatMap(
      ({ command }) => /nestjs-session-stores (\w+)/.exec(command)![1]!,
    );
    expect(commands.filter((command) => !documentedCommands.includes(command))).toEqual([]);
  });

  it.each(examples.filter(({ command }) => !/ watch /.test(command)))(
    '$command',
    async ({ command, output }) => {
      // What the doctor finds depends on the server.
      const isExamined = command.includes(' doctor ');
      const url = isExamined ? (await risky()).url : addresses[0]![1];
      // In a pipe there is no terminal.
      const terminal = command.includes('|') ? '' : `--import ${TERMINAL} `;
      const shell = real(command).replaceAll('npx nestjs-session-stores', `node ${terminal}${MAIN}`);
      const env = {
        ...process.env,
        PATH: `${join(process.execPath, '..')}:${process.env['PATH']}`,
        NO_COLOR: '1',
        SESSION_STORE_URL: url,
        SESSION_SECRET: 'a'.repeat(32),
        SESSION_KEY: KEY,
      };
      const printed = await new Promise<string>((resolve) => {
        execFile('bash', ['-c', shell], { cwd: folder, env }, (_, stdout, stderr) =>
          resolve(stderr + stdout),
        );
      });
      expect(documented(printed)).toBe(output);
    },
  );

  it('watch', async () => {
    const { output } = examples.find(({ command }) => / watch /.test(command))!;
    const [redis] = stores as [SessionStore];
    const watching = new Command(['watch', '--store', 'redis', '--url', addresses[0]![1]], PLAIN);
    onTestFinished(() => void watching.process.kill('SIGKILL'));
    await eventually(() => expect(watching.stdout).toContain('live'));
    await redis.update({ id: ids[0]! }, { set: { cart: '[]' } });
    await redis.destroy(ids[2]!);
    await eventually(() => expect(documented(watching.stdout)).toBe(output));
    watching.process.kill('SIGINT');
    expect((await watching.ended).code).toBe(0);
  });

  it.each([
    ['count', 'Name the store'],
    ['list', '`list`'],
    ['doctor', 'Examine a store'],
  ])('the options of %s are those of its help', async (command, title) => {
    const { stdout } = await run([command, '--help']);
    const all = [...stdout.matchAll(/^ +(--.+?) {2,}/gm)].map(([, option]) => option!);
    const optionsIn = (text: string) =>
      [...text.matchAll(/^\| `(--[^`]+)` \|/gm)].map(([, option]) => option!);
    const common = optionsIn(page.sections.find((one) => one.title === 'Name the store')!.text);
    const own = all.filter((option) => !common.includes(option) && option !== '--group <name>');
    if (command === 'count')
      return expect(all.filter((option) => option !== '--group <name>')).toEqual(common);
    const section = page.sections.find((one) => one.title === title)!;
    expect(optionsIn(section.text).filter((option) => option !== '--group <name>')).toEqual(
      expect.arrayContaining(own),
    );
  });
});
