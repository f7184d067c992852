import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EncryptedStore } from 'nestjs-session-stores/store';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { Command, jsonIn, recordOf, run, type Ended } from './command.js';

const root = join(import.meta.dirname, '../..');

/** In dist/, which is built anew, and where the configs find its packages and its own name. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(root, 'dist/configs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs a command with a config of this code. */
async function withConfig(args: string[], code: string, extension = 'mjs'): Promise<Ended> {
  const file = `${randomUUID()}.${extension}`;
  await writeFile(join(folder, file), code);
  const { url } = inject('redis');
  return run([...args, '--config', file], {
    cwd: folder,
    env: { REDIS_URL: url, MONGO_URL: inject('mongo').url },
  });
}

const MEMORY_STORE = `
  import { MemoryStore } from 'express-session';
  import { fromExpressStore } from 'nestjs-session-stores/stores/express';
  const memory = new MemoryStore();
  const cookie = { originalMaxAge: 60_000, expires: new Date(Date.now() + 60_000) };
  await new Promise((resolve) => memory.set('credential-of-ada', { cookie, user: 'ada' }, resolve));
  await new Promise((resolve) => memory.set('credential-of-bob', { cookie, user: 'bob' }, resolve));
`;

const hash = createHash('sha256').update('credential-of-ada').digest('base64url');

describe('with --config of an express-session MemoryStore, whose ids are credentials', () => {
  const config = `${MEMORY_STORE} export default fromExpressStore(memory);`;

  it('list and show print the SHA-256 of an id, and never the id', async () => {
    const listed = await withConfig(['list'], config);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(jsonIn(listed.stdout).map(({ id }) => id)).toContain(`sha256:${hash}`);
    expect(listed.stdout).not.toContain('credential');
    const { code, stdout } = await withConfig(['show', 'credential-of-ada'], config);
    expect(code).toBe(0);
    expect(jsonIn(stdout)).toMatchObject([{ id: `sha256:${hash}`, properties: 1 }]);
  });

  it.each([
    ['the id', 'credential-of-ada'],
    ['the hash as list prints it', `sha256:${hash}`],
    ['the hash as logs print it', hash],
  ])('show accepts %s', async (_, name) => {
    const { code, stdout } = await withConfig(['show', name, '--data'], config);
    expect(code).toBe(0);
    expect(jsonIn(stdout)).toMatchObject([{ id: `sha256:${hash}`, data: { user: 'ada' } }]);
  });

  it.each([
    ['an id', 'credential-of-eve'],
    ['a hash', `sha256:${hash.split('').toReversed().join('')}`],
  ])('destroy of %s without a session ends with 3 and does not repeat it', async (_, name) => {
    const { code, stdout, stderr } = await withConfig(['destroy', name, '--yes'], config);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toBe(
      'error: there is no live session with this id or SHA-256. It may have been destroyed, or have expired\n',
    );
  });

  it('destroy accepts a hash, and destroys that session alone', async () => {
    const { code, stdout, stderr } = await withConfig(
      ['destroy', `sha256:${hash}`, '--yes'],
      `${config} export const close = () => void memory.all((_, all) => console.log(Object.keys(all)));`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: `{"id":"sha256:${hash}","destroyed":true}\n` });
    // What a config logs is not part of the result.
    expect(stderr).toBe("[ 'credential-of-bob' ]\n");
  });

  it('show says what to do if the store cannot list its sessions', async () => {
    const code = `${MEMORY_STORE} memory.all = undefined; export default fromExpressStore(memory);`;
    const ended = await withConfig(['show', `sha256:${hash}`], code);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      /^error: .*only if the store lists its sessions.*Write the id of the session/,
    );
  });

  it('watch says that the store has no feed', async () => {
    const { code, stderr } = await withConfig(['watch'], config);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'error: [session:express:MemoryStore] watch: the store has no feed: a store of express-session does not announce changes\n',
    );
  });
});

it('connect-redis is read through a config, which closes its own client', async () => {
  const prefix = `${randomUUID()}:`;
  const config = `
    import { RedisStore } from 'connect-redis';
    import { createClient } from 'redis';
    import { fromExpressStore } from 'nestjs-session-stores/stores/express';
    const client = createClient({ url: process.env.REDIS_URL });
    export default async () => {
      await client.connect();
      const store = new RedisStore({ client, prefix: '${prefix}' });
      await store.set('credential', { cookie: { maxAge: 60_000 }, user: 'ada' });
      return fromExpressStore(store);
    };
    export const close = () => client.close();
  `;
  const { code, stdout, stderr } = await withConfig(['list'], config);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(jsonIn(stdout)).toMatchObject([{ id: expect.stringMatching(/^sha256:/) as string, properties: 1 }]);
});

describe('a store of --config is as in the app', () => {
  const keys = [Buffer.alloc(32, 7).toString('base64')];
  const prefix = `${randomUUID()}:`;
  const options = `{ secret: 'only for this spec', encrypt: { keys: ${JSON.stringify(keys)} } }`;

  async function encrypted(): Promise<void> {
    const store = new EncryptedStore(new RedisStore({ ...inject('redis'), prefix }), { keys });
    onTestFinished(() => store.close());
    await store.open();
    await store.create(recordOf({ id: randomUUID(), data: { user: '"ada"' }, label: 'Laptop' }, store.now()));
  }

  it.each([
    ['options.encrypt', `export const store = redis; export const options = ${options};`],
    ['options.store', `export const options = { ...${options}, store: redis };`],
    ['an EncryptedStore', `export default new EncryptedStore(redis, { keys: ${JSON.stringify(keys)} });`],
    [
      'a CachedStore',
      `export default new CachedStore(new EncryptedStore(redis, ${JSON.stringify({ keys })}));`,
    ],
  ])('values and labels are opened with %s', async (_, code) => {
    await encrypted();
    const { stdout, stderr } = await withConfig(
      ['list', '--limit', '1', '--data'],
      `
        import { CachedStore, EncryptedStore } from 'nestjs-session-stores/store';
        import { RedisStore } from 'nestjs-session-stores/stores/redis';
        const redis = new RedisStore({ url: process.env.REDIS_URL, prefix: '${prefix}' });
        ${code}
      `,
    );
    expect(stderr).toBe('');
    expect(jsonIn(stdout)).toMatchObject([{ label: 'Laptop', data: { user: 'ada' } }]);
  });

  it('sessions of express-session that have not moved are shown by their hash, and destroyed in the old store', async () => {
    const config = `
      ${MEMORY_STORE}
      import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
      export const store = new ClusterStore();
      const migrateFrom = { store: fromExpressStore(memory), move: true };
      export const options = { secret: 'only for this spec', migrateFrom };
      export const close = () => void memory.all((_, all) => console.log(Object.keys(all)));
    `;
    const listed = await withConfig(['list'], config);
    expect(jsonIn(listed.stdout).map(({ id }) => id)).toContain(`sha256:${hash}`);
    expect(listed.stdout).not.toContain('credential');
    const destroyed = await withConfig(['destroy', `sha256:${hash}`, '--yes'], config);
    expect(destroyed).toMatchObject({
      code: 0,
      stdout: `{"id":"sha256:${hash}","destroyed":true}\n`,
      stderr: "[ 'credential-of-bob' ]\n",
    });
  });

  it('a connection of mongoose that the config opens is used and closed', async () => {
    const collection = randomUUID();
    const store = new MongoStore({ uri: inject('mongo').url, collection });
    onTestFinished(() => store.close());
    await store.open();
    await store.create(recordOf({ id: 'ada' }, store.now()));
    const { code, stdout, stderr } = await withConfig(
      ['count'],
      `
        const mongoose = require('mongoose');
        const { MongoStore } = require('nestjs-session-stores/stores/mongo');
        exports.store = async () => {
          await mongoose.connect(process.env.MONGO_URL);
          return new MongoStore({ collection: '${collection}' });
        };
        exports.close = () => mongoose.disconnect();
      `,
      'cjs',
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '1\n', stderr: '' });
  });

  it('the sessions of a ClusterStore with a directory are read', async () => {
    const config = `
      import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
      export default new ClusterStore({ directory: ${JSON.stringify(join(folder, 'kept'))} });
    `;
    await expect(withConfig(['count'], config)).resolves.toMatchObject({ code: 0, stdout: '0\n' });
  });
});

describe('a config', () => {
  const CLUSTER = "import { ClusterStore } from 'nestjs-session-stores/stores/cluster';";

  it.each([
    ['an ES module with a default export', `${CLUSTER} export default new ClusterStore();`, 'mjs'],
    ['an ES module with a function', `${CLUSTER} export const store = () => new ClusterStore();`, 'mjs'],
    [
      'a CommonJS module that is a function',
      "const { ClusterStore } = require('nestjs-session-stores/stores/cluster'); module.exports = async () => new ClusterStore();",
      'cjs',
    ],
    [
      'a CommonJS module with a computed object',
      "const { ClusterStore } = require('nestjs-session-stores/stores/cluster'); module.exports = Object.fromEntries([['store', new ClusterStore()]]);",
      'cjs',
    ],
  ])('may be %s', async (_, code, extension) => {
    await expect(withConfig(['count'], code, extension)).resolves.toMatchObject({
      code: 0,
      stdout: '0\n',
      stderr: '',
    });
  });

  it.each([
    [
      'without a store',
      'export const other = 1;',
      /it exports no store\. Write export default new RedisStore/,
    ],
    ['with a string', "export default 'redis://localhost';", /store must be a SessionStore, not a string/],
    [
      'with a store for express-session',
      `${MEMORY_STORE} export default memory;`,
      /write store: fromExpressStore\(store\)/,
    ],
    ['with options that are no object', 'export const options = 1;', /options must be an object/],
  ])('%s is rejected with 2', async (_, code, problem) => {
    const { code: exitCode, stdout, stderr } = await withConfig(['count'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(/^error: --config [\w.-]+: /);
    expect(stderr).toMatch(problem);
  });

  it('that does not exist is rejected with 2', async () => {
    const { code, stderr } = await run(['count', '--config', 'missing.mjs'], { cwd: folder });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'error: --config missing.mjs: there is no such file\n',
    });
  });

  it('that fails shows where, without the credentials in its error', async () => {
    const code = "\nthrow new Error('cannot reach redis://app:safe-word@localhost');";
    const { code: exitCode, stderr } = await withConfig(['count'], code);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: --config \S+ cannot be loaded, at file:\S+:2:7\n  cause: cannot reach redis:\/\/\*\*\*@localhost\n$/,
    );
  });

  it.each([
    [
      'with a wrong import',
      "import { RedisStor } from 'nestjs-session-stores/stores/redis';",
      /cannot be loaded, at file:\S+:1\n  cause: SyntaxError: The requested module '\S+' does not provide an export named 'RedisStor'\n$/,
    ],
    [
      'that is not valid JavaScript',
      'export const options = { secret: safe-word safe-word };',
      /cannot be loaded\n  cause: SyntaxError: a file is not valid JavaScript\. node --check shows where\n$/,
    ],
    [
      'with damaged JSON',
      "JSON.parse('safe-word');",
      /cannot be loaded, at file:\S+\n  cause: SyntaxError: something is not valid JSON\n$/,
    ],
  ])('%s fails with 1 and says what is wrong, without its text', async (_, code, problem) => {
    const { code: exitCode, stdout, stderr } = await withConfig(['count'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(problem);
    expect(stderr).not.toContain('safe-word');
  });

  // Node ends by itself once nothing is open.
  it.concurrent.for([
    ['nothing open', ''],
    ['a timer', 'setInterval(() => {}, 1000);'],
  ])('whose top-level await never settles, with %s, fails with 1 after ten seconds', async ([, open]) => {
    const code = `${open} await new Promise(() => {});`;
    const { code: exitCode, stdout, stderr, took } = await withConfig(['clear', '--all', '--yes'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(
      /^error: --config \S+ cannot be loaded\n  cause: it did not load within 10000 ms\n/,
    );
    expect(took).toBeLessThan(25_000);
  });

  it.concurrent('that exports a promise that never settles fails with 1 after ten seconds', async () => {
    const code = 'setInterval(() => {}, 1000); export default new Promise(() => {});';
    const { code: exitCode, stdout, stderr, took } = await withConfig(['clear', '--all', '--yes'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(
      /^error: --config \S+: the promise of the store failed\n  cause: it did not settle within 10000 ms\n/,
    );
    expect(took).toBeLessThan(25_000);
  });

  it('says why its store failed, also if its close then fails too', async () => {
    const code = `
      export const store = async () => { throw new Error('no such host'); };
      export const close = async () => { throw new Error('the client is closed'); };`;
    const { code: exitCode, stderr } = await withConfig(['count'], code);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/the function of the store failed, at \S+\n  cause: no such host\n$/);
  });

  it('that does not load ends at the first SIGINT', async () => {
    const file = join(folder, `${randomUUID()}.mjs`);
    await writeFile(
      file,
      "setInterval(() => {}, 1000); console.error('loading'); await new Promise(() => {});",
    );
    const command = new Command(['count', '--config', file]);
    onTestFinished(() => void command.process.kill('SIGKILL'));
    await eventually(() => expect(command.stderr).toBe('loading\n'));
    command.process.kill('SIGINT');
    await expect(command.ended).resolves.toMatchObject({ code: 130, stdout: '', stderr: 'loading\n' });
  });

  it.each([
    [
      'a call never settles',
      `${CLUSTER} export default new (class extends ClusterStore { open() { return new Promise(() => {}); } })();`,
    ],
    ['a config calls process.exit()', 'process.exit(0);'],
  ])('fails with 1 if the process ends before the command because %s', async (_, code) => {
    const { code: exitCode, stdout, stderr } = await withConfig(['clear', '--all', '--yes'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^error: the process ended before the command did/);
  });

  it('with an error that nothing catches fails with 1 and says where, without the credentials', async () => {
    const code = `${CLUSTER}
      const url = 'redis://app:safe-word@localhost';
      setTimeout(() => { throw new Error(\`cannot reach \${url}\`); }); // redis://app:safe-word@localhost
      export const store = () => new Promise((resolve) => setTimeout(resolve, 1000, new ClusterStore()));`;
    const { code: exitCode, stdout, stderr } = await withConfig(['count'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(
      /^error: an error was not caught, at file:\S+:3:\d+\n  cause: cannot reach redis:\/\/\*\*\*@localhost\n$/,
    );
  });

  it('must not be combined with an option that names a store', async () => {
    const { code, stderr } = await run(['count', '--config', 'a.mjs', '--prefix', 'a'], { cwd: folder });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'error: --config says which store to use: leave out --prefix\n',
    });
  });

  it('that leaves something open does not keep the process, and is told so', async () => {
    const code = `${CLUSTER} setInterval(() => {}, 1000); export default new ClusterStore();`;
    const { code: exitCode, stdout, stderr, took } = await withConfig(['count'], code);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '0\n' });
    expect(stderr).toBe('The config has left something open. Export a function close() that closes it.\n');
    expect(took).toBeLessThan(20_000);
  });

  it('is not part of what the package exports', async () => {
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { exports: object };
    expect(JSON.stringify(manifest.exports)).not.toContain('cli');
  });
});

it('with options.migrateFrom, a session is shown where it is, and destroyed for every process', async () => {
  const { url } = inject('redis');
  const prefixes = [`${randomUUID()}:`, `${randomUUID()}:`] as const;
  const old = new RedisStore({ url, prefix: prefixes[0] });
  await old.open();
  onTestFinished(() => old.close());
  const record = recordOf({ id: randomUUID(), groups: ['user:ada'] }, Date.now());
  await old.create(record);
  const storeOf = (prefix: string): string =>
    `new RedisStore({ url: process.env.REDIS_URL, prefix: ${JSON.stringify(prefix)} })`;
  const config = `
    import { RedisStore } from 'nestjs-session-stores/stores/redis';
    export const store = () => ${storeOf(prefixes[1])};
    export const options = { secret: 'only for this spec', migrateFrom: { store: ${storeOf(prefixes[0])}, move: true } };
  `;

  const shown = await withConfig(['show', record.id], config);
  expect(jsonIn(shown.stdout)).toMatchObject([{ id: record.id, groups: ['user:ada'] }]);
  expect((await old.read(record.id))?.id).toBe(record.id);

  const destroyed = await withConfig(['destroy', record.id, '--yes'], config);
  expect(destroyed).toMatchObject({ code: 0, stderr: '' });
  expect(await old.read(record.id)).toBeUndefined();
  const target = new RedisStore({ url, prefix: prefixes[1] });
  await target.open();
  onTestFinished(() => target.close());
  expect(await target.haveEnded([record.id])).toBe(true);
});
