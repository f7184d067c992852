import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { call, startRedis } from '../servers/redis.mjs';
import { Command, PLAIN, jsonIn, run } from './command.js';

let folder: string;
/** A Redis that is set up as it should be. */
let right: string;
let stop: () => Promise<void>;
beforeAll(async () => {
  folder = await mkdtemp(join(import.meta.dirname, '../../dist/doctor-'));
  const server = await startRedis({ args: ['--appendonly', 'yes'] });
  right = (server as { url: string }).url;
  stop = () => server.stop();
});
afterAll(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function configOf(code: string): Promise<string> {
  const file = join(folder, `${randomUUID()}.mjs`);
  await writeFile(file, code);
  return file;
}

it('doctor prints one line and ends with 0 if all is right', async () => {
  const { code, stdout, stderr } = await run(['doctor', '--store', 'redis', '--url', right], PLAIN);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^\d+ right\.\n$/);
});

it('doctor --verbose prints what is right, too', async () => {
  const { code, stdout } = await run(['doctor', '--verbose', '--store', 'redis', '--url', right], PLAIN);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Right\n {2}Redis /);
  expect(stdout).toMatch(/^ {2}Redis eviction: \S.*\.$/m);
});

it('doctor --json prints a line for each finding, and what is right with --verbose only', async () => {
  const args = ['doctor', '--json', '--store', 'redis', '--url', right];
  const [silent, verbose] = await Promise.all([run(args), run([...args, '--verbose'])]);
  expect(silent).toMatchObject({ code: 0, stdout: '', stderr: '' });
  const findings = jsonIn(verbose.stdout);
  expect(findings.length).toBeGreaterThan(3);
  for (const finding of findings) {
    expect(finding).toEqual({
      outcome: 'ok',
      subject: expect.stringMatching(/^Redis /) as string,
      found: expect.any(String) as string,
    });
  }
});

it('doctor leaves no key behind', async () => {
  await run(['doctor', '--store', 'redis', '--url', right]);
  await expect(call(right, 'DBSIZE')).resolves.toBe(0);
});

it('doctor prints the risks of a config without a store first, and ends with 3', async () => {
  const file = await configOf(`export const options = { secret: 'short', name: 'sid' };`);
  const { code, stdout } = await run(['doctor', '--config', file, '--verbose'], PLAIN);
  expect(code).toBe(3);
  expect(stdout).toMatch(/^Risks\n {2}Option secret: .*\n {4}Risk: .*\n {4}To do: /);
  expect(stdout).toMatch(/^Right\n/m);
  expect(stdout).toMatch(/\n\n\d+ risks, .*\d+ right\.\n$/);
  expect(stdout).not.toContain('short');
});

it('doctor examines the store and the options of a config together', async () => {
  const file = await configOf(`
    import { RedisStore } from 'nestjs-session-stores/stores/redis';
    export const options = () => ({ secret: 'short', store: new RedisStore({ url: '${right}' }) });
  `);
  const { code, stdout } = await run(['doctor', '--config', file, '--verbose']);
  expect(code).toBe(3);
  const subjects = jsonIn(stdout).map(({ subject }) => subject);
  expect(subjects).toContain('Option secret');
  expect(subjects).toContain('Redis eviction');
});

it('doctor examines an encrypted store, by the options of its config', async () => {
  const keys = JSON.stringify(Buffer.alloc(32, 7).toString('base64'));
  const file = await configOf(`
    import { RedisStore } from 'nestjs-session-stores/stores/redis';
    export const store = new RedisStore({ url: '${right}' });
    export const options = { secret: '${'a'.repeat(32)}', encrypt: { keys: ${keys} } };
  `);
  const { stdout, stderr } = await run(['doctor', '--config', file, '--verbose']);
  expect(stderr).toBe('');
  expect(jsonIn(stdout)).toContainEqual(
    expect.objectContaining({ subject: 'Redis eviction', outcome: 'ok' }),
  );
  expect(jsonIn(stdout).filter(({ subject }) => subject === 'Options')).toEqual([]);
});

it('doctor reads the --hazelcast-config', async () => {
  const { clusterName, members } = inject('hazelcast');
  const file = join(folder, 'member.yaml');
  await writeFile(file, 'hazelcast:\n  map:\n    default:\n      backup-count: 0\n');
  const place = ['--store', 'hazelcast', '--url', members.join(','), '--cluster-name', clusterName];
  const { code, stdout } = await run(['doctor', ...place, '--hazelcast-config', file]);
  expect(code).toBe(3);
  expect(jsonIn(stdout)).toContainEqual(
    expect.objectContaining({ outcome: 'risk', found: expect.stringContaining('backup-count') as string }),
  );
}, 60_000);

it('doctor ends with 3 if the server is unreachable, without the password', async () => {
  const { code, stdout, stderr } = await run([
    'doctor',
    '--store',
    'redis',
    '--url',
    'redis://app:safe-word@127.0.0.1:1',
  ]);
  expect(code).toBe(3);
  expect(jsonIn(stdout)).toMatchObject([{ outcome: 'risk' }]);
  expect(stdout + stderr).not.toContain('safe-word');
});

it('doctor ends with 1 if the store has no examination', async () => {
  const file = await configOf(`
    import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
    const store = new ClusterStore();
    const METHODS = ['create', 'read', 'update', 'rotate', 'destroy', 'page', 'count', 'clear', 'now'];
    export default { ...Object.fromEntries(METHODS.map((name) => [name, () => {}])), capabilities: store.capabilities };
  `);
  const { code, stdout } = await run(['doctor', '--config', file]);
  expect(jsonIn(stdout)).toMatchObject([{ outcome: 'unknown', subject: 'Store' }]);
  expect(code).toBe(1);
});

it('doctor ends the examination at SIGINT, and what it has written is removed', async () => {
  const file = await configOf(`
    import { SessionStoreDecorator } from 'nestjs-session-stores/store';
    import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
    class Store extends SessionStoreDecorator {
      async *[Symbol.for('nestjs-session-stores/examine')]() {
        try {
          yield { outcome: 'risk', subject: 'Here', found: 'One.', risk: 'Two.', remedy: 'Three.' };
          await new Promise((resolve) => setTimeout(resolve, 1000));
          yield { outcome: 'ok', subject: 'Here', found: 'Four.' };
        } finally {
          console.error('removed');
        }
      }
    }
    export default new Store(new ClusterStore());
  `);
  const command = new Command(['doctor', '--config', file]);
  onTestFinished(() => void command.process.kill('SIGKILL'));
  await eventually(() => expect(command.json).toHaveLength(1));
  command.process.kill('SIGINT');
  await expect(command.ended).resolves.toMatchObject({ code: 130, stderr: 'removed\n' });
});
