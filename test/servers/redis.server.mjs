import { join } from 'node:path';
import { Redis } from 'ioredis';
import { contained, firstOf, installed, unpacked } from './programs.mjs';
import { Server } from './server.mjs';

/** @typedef {import('./programs.mjs').Program} Program */

/**
 * Starts a Redis that keeps nothing on disk.
 *
 * @param {{ args?: string[], program?: Program }} [options] `args` come last, so they win
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
 * @param {string} config its lines, but for the port
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
 * Calls a Redis over a connection of its own, which does not outlive the call.
 *
 * @param {string} url
 * @param {string} command
 * @param {...(string | number)} args
 * @returns {Promise<any>}
 */
export async function call(url, command, ...args) {
  const client = new Redis(url, {
    lazyConnect: true,
    // Nothing but the call: whatever is sent ahead of it has a timeout of its own.
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
 * Settings as the command line takes them.
 *
 * @param {Record<string, string | number>} settings
 */
export const flags = (settings) =>
  Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);

/** The programs that need no Docker, by where they are looked for. */
export const localPrograms = {
  PATH: () => installed('redis-server'),
  'Debian packages': () =>
    unpacked('redis', { command: 'redis-server', packages: ['redis-server', 'redis-tools'] }),
};

const urlOf = (port) => `redis://127.0.0.1:${port}`;

const addressAndFolder = ({ port, folder }) => flags({ port, bind: '127.0.0.1', dir: folder });

/** @type {Promise<Program> | undefined} */
let found;
const redisProgram = () =>
  (found ??= firstOf(
    { Docker: () => contained('redis', 'redis-server'), ...localPrograms },
    'No Redis can be started: set REDIS_URL and REDIS_CLUSTER_NODES, or start Docker, or install redis-server.',
  ));
