import { randomUUID } from 'node:crypto';
import type { SessionStore } from 'nestjs-session-stores';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { Command, PLAIN, jsonIn, recordOf, run } from './command.js';

/** A store with a namespace of its own, and the options of the command line that name both. */
interface Target {
  store: SessionStore;
  flags: string[];
}

const targets: [string, () => Target][] = [
  [
    'redis',
    () => {
      const { url } = inject('redis');
      const prefix = `${randomUUID()}:`;
      return {
        store: new RedisStore({ url, prefix }),
        flags: ['--store', 'redis', '--url', url, '--prefix', prefix],
      };
    },
  ],
  [
    'redis with --cluster',
    () => {
      const { nodes } = inject('redisCluster');
      const prefix = `${randomUUID()}:`;
      const [{ host, port }] = nodes as [{ host: string; port: number }];
      const flags = ['--store', 'redis', '--cluster', '--url', `redis://${host}:${port}`, '--prefix', prefix];
      return { store: new RedisStore({ cluster: { nodes }, prefix }), flags };
    },
  ],
  [
    'mongo',
    () => {
      const { url } = inject('mongo');
      const collection = randomUUID();
      return {
        store: new MongoStore({ uri: url, collection }),
        flags: ['--store', 'mongo', '--url', url, '--collection', collection],
      };
    },
  ],
  [
    'hazelcast',
    () => {
      const { clusterName, members } = inject('hazelcast');
      const mapName = randomUUID();
      const config = { clusterName, network: { clusterMembers: members } };
      const place = ['--url', members.join(','), '--cluster-name', clusterName, '--map-name', mapName];
      return {
        store: new HazelcastStore({ config, maps: [{ mapName }] }),
        flags: ['--store', 'hazelcast', ...place],
      };
    },
  ],
];

/** A busy machine may take its time to start the processes of this spec. */
const PATIENT = ['--timeout', '10000'];

/** Three sessions, of which two are in a group. */
async function filled(make: () => Target): Promise<Target> {
  const { store, flags } = make();
  onTestFinished(() => store.close());
  await store.open();
  const now = store.now();
  const client = { first: '{"ip":"203.0.113.0/24"}', last: '{"ip":"203.0.113.0/24"}' };
  const ada = { data: { user: '"ada"', cart: '["book"]' }, groups: ['user:ada'] };
  await store.create(recordOf({ id: 'ada-1', ...ada, label: 'Laptop', lastSeenAt: now, client }, now));
  await store.create(recordOf({ id: 'ada-2', ...ada }, now));
  await store.create(recordOf({ id: 'bob-1', data: { user: '"bob"' }, groups: ['user:bob'] }, now));
  return { store, flags: [...flags, ...PATIENT] };
}

describe.each(targets)('the command line with --store %s', (_, make) => {
  it('counts, lists, shows and destroys sessions', async () => {
    const { store, flags } = await filled(make);
    const [all, group, listed, shownOne] = await Promise.all([
      run(['count', ...flags]),
      run(['count', '--group', 'user:ada', ...flags]),
      run(['list', ...flags]),
      run(['show', 'ada-1', ...flags]),
    ]);
    expect(all).toMatchObject({ code: 0, stdout: '3\n', stderr: '' });
    expect(group).toMatchObject({ code: 0, stdout: '2\n', stderr: '' });
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(
      jsonIn(listed.stdout)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(['ada-1', 'ada-2', 'bob-1']);
    const record = (await store.read('ada-1'))!;
    expect(jsonIn(shownOne.stdout)).toEqual([
      {
        id: 'ada-1',
        groups: ['user:ada'],
        createdAt: record.createdAt,
        expiresAt: record.expiresAt,
        label: 'Laptop',
        lastSeenAt: record.lastSeenAt,
        properties: 2,
        bytes: 'user"ada"cart["book"]'.length,
      },
    ]);

    const destroyed = await run(['destroy', 'bob-1', '--yes', ...flags]);
    expect(destroyed).toMatchObject({ code: 0, stdout: '{"id":"bob-1","destroyed":true}\n', stderr: '' });
    await expect(store.read('bob-1')).resolves.toBeUndefined();
    const cleared = await run(['clear', '--group', 'user:ada', '--yes', ...flags]);
    expect(cleared).toMatchObject({ code: 0, stdout: '{"destroyed":2}\n', stderr: '' });
    await expect(store.count()).resolves.toBe(0);
  }, 60_000);

  it('watches the changes, and ends with 0 at SIGINT', async () => {
    const { store, flags } = await filled(make);
    const watching = new Command(['watch', ...flags]);
    onTestFinished(() => void watching.process.kill('SIGKILL'));
    const printed = (events: object[]): Promise<void> =>
      eventually(() => expect(watching.json).toMatchObject(events), { within: 30_000 });
    const ended = store.capabilities.exactFeed === false ? 'changed' : 'ended';
    const changed = { type: 'changed', ids: ['ada-1'] };
    await printed([{ type: 'live' }]);
    await store.update({ id: 'ada-1' }, { set: { cart: '[]' } });
    // The nodes of a Redis Cluster announce what they do in no common order.
    await printed([{ type: 'live' }, changed]);
    await store.destroy('bob-1');
    await printed([{ type: 'live' }, changed, { type: ended, ids: ['bob-1'] }]);
    watching.process.kill('SIGINT');
    const { code, stderr, took } = await watching.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(took).toBeLessThan(20_000);
  }, 60_000);
});

const [, redis] = targets[0]!;

describe('the command', () => {
  it('list prints values and clients only with --data', async () => {
    const { flags } = await filled(redis);
    const without = await run(['list', ...flags]);
    expect(without.stdout).not.toMatch(/book|203\.0|"data"|"client"/);
    const { stdout } = await run(['show', 'ada-1', '--data', ...flags]);
    expect(jsonIn(stdout)).toMatchObject([
      {
        id: 'ada-1',
        client: { first: { ip: '203.0.113.0/24' }, last: { ip: '203.0.113.0/24' } },
        data: { user: 'ada', cart: ['book'] },
      },
    ]);
    const listed = await run(['list', '--group', 'user:bob', '--data', ...flags]);
    expect(jsonIn(listed.stdout)).toMatchObject([{ id: 'bob-1', data: { user: 'bob' } }]);
  });

  it('show prints values and clients only with --data, also on a terminal', async () => {
    const { flags } = await filled(redis);
    const without = await run(['show', 'ada-1', ...flags], PLAIN);
    expect(without.stdout).toMatch(/^data +2 properties, 21 bytes; --data shows them$/m);
    expect(without.stdout).not.toMatch(/book|client|203\.0/);
    const { stdout } = await run(['show', 'ada-1', '--data', ...flags], PLAIN);
    expect(stdout).toContain('  cart: ["book"]\n');
    expect(stdout).toMatch(/^client +203\.0\.113\.0\/24$/m);
  });

  it('list stops at --limit', async () => {
    const { flags } = await filled(redis);
    const { code, stdout } = await run(['list', '--limit', '2', ...flags]);
    expect(code).toBe(0);
    expect(jsonIn(stdout)).toHaveLength(2);
  });

  it('list prints a table on a terminal, and lines of JSON there with --json', async () => {
    const { flags } = await filled(redis);
    const table = await run(['list', '--group', 'user:bob', ...flags], PLAIN);
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;
    expect(table.stdout.split('\n')).toEqual([
      expect.stringMatching(/^ID +CREATED +LAST SEEN +EXPIRES +BYTES +GROUPS +LABEL$/),
      expect.stringMatching(new RegExp(`^bob-1  ${time}  - +${time}  9 +user:bob$`)),
      '',
    ]);
    const json = await run(['list', '--group', 'user:bob', '--json', ...flags], PLAIN);
    expect(jsonIn(json.stdout)).toMatchObject([{ id: 'bob-1' }]);
  });

  it('list of a group without sessions prints nothing, and says so on a terminal', async () => {
    const { flags } = await filled(redis);
    const args = ['list', '--group', 'user:absent', ...flags];
    await expect(run(args)).resolves.toMatchObject({ code: 0, stdout: '', stderr: '' });
    const expected = { code: 0, stdout: '', stderr: 'There are no live sessions.\n' };
    await expect(run(args, PLAIN)).resolves.toMatchObject(expected);
  });

  it('list lists more sessions than a page holds, each once', async () => {
    const { store, flags } = redis();
    onTestFinished(() => store.close());
    await store.open();
    const ids = Array.from({ length: 250 }, (_, at) => `session-${at}`);
    await Promise.all(ids.map((id) => store.create(recordOf({ id, groups: ['all'] }, store.now()))));
    const { stdout } = await run(['list', '--group', 'all', ...flags]);
    expect(
      jsonIn(stdout)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(ids.toSorted());
    const some = await run(['list', '--limit', '150', ...flags]);
    expect(jsonIn(some.stdout)).toHaveLength(150);
  });

  it('list escapes what would control the terminal', async () => {
    const { store, flags } = redis();
    onTestFinished(() => store.close());
    await store.open();
    const evil = { label: 'a\u001b]0;title\u0007\u009b2J', groups: ['b\u001b[1A'] };
    await store.create(recordOf({ id: 'c\u001b[2K', ...evil }, store.now()));
    const args = ['list', ...flags];
    const [table, json] = await Promise.all([run(args, PLAIN), run(args)]);
    for (const { stdout } of [table, json]) expect(stdout).toMatch(/^[\n\x20-\x7e]+$/);
    expect(jsonIn(json.stdout)).toMatchObject([{ id: 'c\u001b[2K', ...evil }]);
  });

  it('list and show use colors on a terminal, and none with NO_COLOR', async () => {
    const { flags } = await filled(redis);
    const args = ['list', ...flags];
    const colored = await run(args, { terminal: true });
    expect(colored.stdout).toContain('\u001b[1m');
    const plain = await run(args, PLAIN);
    expect(plain.stdout).not.toContain('\u001b');
  });

  it('show and destroy of an id without a session end with 3', async () => {
    const { flags } = await filled(redis);
    for (const args of [
      ['show', 'absent'],
      ['destroy', 'absent', '--yes'],
    ]) {
      const { code, stdout, stderr } = await run([...args, ...flags]);
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      expect(stderr).toMatch(/^error: there is no live session with this id/);
    }
  });

  it('show finds an id that starts with a dash', async () => {
    const { store, flags } = await filled(redis);
    const id = '-DOGG1qdaCb3kvxZM0kgKTxm_9lEEuVx';
    await store.create(recordOf({ id }, store.now()));
    const { code, stdout } = await run(['show', id, ...flags]);
    expect(code).toBe(0);
    expect(jsonIn(stdout)).toMatchObject([{ id }]);
  });

  it('count accepts a group that looks like an id that starts with a dash', async () => {
    const { store, flags } = await filled(redis);
    const group = '-DOGG1qdaCb3kvxZM0kgKTxm_9lEEuVx';
    await store.create(recordOf({ id: 'member', groups: [group] }, store.now()));
    await expect(run(['count', '--group', group, ...flags])).resolves.toMatchObject({
      code: 0,
      stdout: '1\n',
    });
  });

  it('clear --all destroys all sessions of the namespace, and of no other', async () => {
    const [one, other] = await Promise.all([filled(redis), filled(redis)]);
    await expect(run(['clear', '--all', '--yes', ...one.flags])).resolves.toMatchObject({
      code: 0,
      stdout: '{"destroyed":3}\n',
    });
    await expect(one.store.count()).resolves.toBe(0);
    await expect(other.store.count()).resolves.toBe(3);
  });

  it('reads the URL from SESSION_STORE_URL', async () => {
    const { flags } = await filled(redis);
    const at = flags.indexOf('--url');
    const env = { SESSION_STORE_URL: flags[at + 1]! };
    await expect(run(['count', ...flags.toSpliced(at, 2)], { env })).resolves.toMatchObject({
      code: 0,
      stdout: '3\n',
    });
  });
});

describe('a command that destroys sessions', () => {
  it.each([
    ['clear', '--all'],
    ['clear', '--group', 'user:ada'],
    ['destroy', 'ada-1'],
  ])('%s %s is rejected without --yes if there is no terminal', async (...args) => {
    const { store, flags } = await filled(redis);
    const { code, stdout, stderr } = await run([...args, ...flags]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `error: ${args[0]} destroys sessions, and there is no terminal to confirm it on: add --yes\n`,
    );
    await expect(store.count()).resolves.toBe(3);
  });

  it.each([
    ['n', 3, 1],
    ['', 3, 1],
    ['y', 1, 0],
    ['yes', 1, 0],
  ])('asks on a terminal, and after "%s" %d sessions are left', async (typed, left, expected) => {
    const { store, flags } = await filled(redis);
    const how = { ...PLAIN, input: `${typed}\n` };
    const { code, stdout, stderr } = await run(['clear', '--group', 'user:ada', ...flags], how);
    expect(stderr).toContain('Destroy the 2 sessions of the group "user:ada"? [y/N]');
    expect(code).toBe(expected);
    expect(stdout).toBe(expected === 0 ? 'Destroyed 2 sessions.\n' : '');
    await expect(store.count()).resolves.toBe(left);
  });

  it('destroys nothing, and ends with 130, after Ctrl-C instead of a confirmation', async () => {
    const { store, flags } = await filled(redis);
    const { code, stderr } = await run(['destroy', 'ada-1', ...flags], { ...PLAIN, input: '\u0003' });
    expect(code).toBe(130);
    expect(stderr).toContain('Nothing was destroyed.');
    await expect(store.count()).resolves.toBe(3);
  });

  it('destroys nothing if the input ends before a confirmation', async () => {
    const { store, flags } = await filled(redis);
    const { code, stderr } = await run(['destroy', 'ada-1', ...flags], PLAIN);
    expect(code).toBe(1);
    expect(stderr).toContain('Nothing was destroyed.');
    await expect(store.count()).resolves.toBe(3);
  });
});
