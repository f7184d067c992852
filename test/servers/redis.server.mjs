import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { contained, firstOf, installed, unpacked } from './programs.mjs';
import { Server } from './server.mjs';

/** @typedef {import('./programs.mjs').Program} Program */

/**
 * Starts a Redis that keeps nothing on disk.
 *
 * @param {{ args?: string[], program?: Program }} [options] `args` come last, so they take precedence
 * @returns {Promise<Server>}
 */
export async function startRedis({ args = [], program } = {}) {
  const nothingOnDisk = flags({ save: '', appendonly: 'no', 'repl-diskless-sync-delay': 0 });
  return Server.start({
    program: program ?? (await redisProgram()),
    url: urlOf,
    args: (at) => [...addressAndFolder(at), ...nothingOnDisk, ...args],
    ready: async ({ url, folder }) => (await call(url, 'CONFIG', 'GET', 'dir'))[1] === folder,
  });
}

/**
 * Starts a Sentinel.
 *
 * @param {string} config its lines, without the port
 * @returns {Promise<Server>}
 */
export async function startSentinel(config) {
  return Server.start({
    program: await redisProgram(),
    url: urlOf,
    files: () => ({ 'sentinel.conf': config }),
    args: (at) => [join(at.folder, 'sentinel.conf'), '--sentinel', ...addressAndFolder(at)],
    ready: async ({ url, folder }) => (await call(url, 'INFO', 'server')).includes(`config_file:${folder}/`),
  });
}

/**
 * Sends a command to a Redis over a new connection, which is closed afterwards.
 *
 * @param {string} url
 * @param {string} command
 * @param {...(string | number)} args
 * @returns {Promise<any>}
 */
export async function call(url, command, ...args) {
  const client = new Redis(url, {
    lazyConnect: true,
    // Sends nothing before the command, because that would have its own timeout.
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    retryStrategy: () => null,
  });
  let reason;
  client.on('error', (error) => (reason = error));
  try {
    await client.connect();
    return await client.call(command, ...args);
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
}

/**
 * Runs `redis-cli`, and resolves to what it printed. If it fails, rejects with the end of that.
 *
 * @param {...(string | number)} given
 * @returns {Promise<string>}
 */
export async function redisCli(...given) {
  const program = await firstOf(programs('redis-cli'), 'Install redis-cli, which is part of Redis.');
  const { command, args, env } = program.launch(given.map(String), tmpdir());
  const options = { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)(command, args, options).catch((error) => {
    throw new Error(`redis-cli failed:\n${error.stdout.slice(-2_000)}${error.stderr}`, { cause: error });
  });
  return stdout;
}

/**
 * Settings as command line arguments.
 *
 * @param {Record<string, string | number>} settings
 */
export const flags = (settings) =>
  Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);

/** Where a program of Redis is searched without Docker. */
const local = (command) => ({
  PATH: () => installed(command),
  'Debian packages': () => unpacked('redis', { command, packages: ['redis-server', 'redis-tools'] }),
});

const programs = (command) => ({ Docker: () => contained('redis', command), ...local(command) });

/** The programs that do not need Docker, by where they are searched. */
export const localPrograms = local('redis-server');

const urlOf = (port) => `redis://127.0.0.1:${port}`;

const addressAndFolder = ({ port, folder }) => flags({ port, bind: '127.0.0.1', dir: folder });

/** @type {Promise<Program> | undefined} */
let found;
const redisProgram = () =>
  (found ??= firstOf(
    programs('redis-server'),
    'No Redis can be started: set REDIS_URL and REDIS_CLUSTER_NODES, or start Docker, or install redis-server.',
  ));
