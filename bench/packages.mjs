// What the benches compare: the packages by the names that figures carry, how they are set up, and what they guarantee.
import { readFileSync } from 'node:fs';
import { peer } from './stores/theirs.mjs';

/** What a package may guarantee, in the words of the tables. */
export const GUARANTEES = {
  shared: 'All processes see a write at the next read.',
  'saved first': 'The response leaves after the session is saved.',
  'both changes kept': 'Of two requests at once that change different properties, neither undoes the other.',
  'logout final': 'A slower request does not bring a destroyed session back.',
  groups: 'One call destroys all sessions of a user, including those that begin meanwhile.',
};

const all = Object.keys(GUARANTEES);
const EXPRESS_SESSION = 'express-session with resave: false, saveUninitialized: false';

/**
 * By name. `module` is the folder that its version is read from, `settings` what its README recommends.
 *
 * @type {Record<string, { kind: 'ours' | 'peer' | 'baseline', module?: string, settings?: string, guarantees: string[] }>}
 */
export const packages = {
  'no session': { kind: 'baseline', guarantees: [] },
  'no session, Fastify': { kind: 'baseline', guarantees: [] },
  'a script that does nothing': { kind: 'baseline', guarantees: [] },
  'a script that checks its window': { kind: 'baseline', guarantees: [] },
  ...ours('ClusterStore', 'in the process, or served by the primary'),
  ...ours('RedisStore', 'url, timeout: 30000'),
  ...ours('MongoStore', 'uri, timeout: 30000; majority and journal with each write'),
  ...ours('HazelcastStore', 'config, timeout: 30000'),
  'ClusterStore, Fastify': {
    kind: 'ours',
    settings: 'SessionModule of a Nest app on Fastify',
    guarantees: all,
  },
  MemoryStore: {
    kind: 'peer',
    module: 'express-session',
    settings: 'resave: false, saveUninitialized: false',
    guarantees: [],
  },
  memorystore: {
    kind: 'peer',
    module: 'memorystore',
    settings: `${EXPRESS_SESSION}; checkPeriod: 86400000`,
    guarantees: [],
  },
  'cookie-session': {
    kind: 'peer',
    module: 'cookie-session',
    settings: 'name, keys; the session is in a signed cookie, readable for the client',
    guarantees: ['shared', 'saved first'],
  },
  'iron-session': {
    kind: 'peer',
    module: 'iron-session',
    settings: 'password, cookieName; the session is in an encrypted cookie',
    guarantees: ['shared', 'saved first'],
  },
  '@fastify/session': {
    kind: 'peer',
    module: '@fastify/session',
    settings: 'secret, cookie: { secure: false }, its MemoryStore; in a Nest app on Fastify',
    guarantees: ['saved first'],
  },
  'connect-redis 8': {
    kind: 'peer',
    module: 'connect-redis-8',
    settings: `${EXPRESS_SESSION}; client of ioredis`,
    guarantees: ['shared'],
  },
  'connect-redis 9': {
    kind: 'peer',
    module: 'connect-redis-9',
    settings: `${EXPRESS_SESSION}; client of redis`,
    guarantees: ['shared'],
  },
  'connect-mongo 6': {
    kind: 'peer',
    module: 'connect-mongo',
    settings: `${EXPRESS_SESSION}; client, the server's default write concern`,
    guarantees: ['shared'],
  },
  'connect-mongo 6, touchAfter': {
    kind: 'peer',
    module: 'connect-mongo',
    settings: `${EXPRESS_SESSION}; client, touchAfter: 86400 (its lazy update)`,
    guarantees: ['shared'],
  },
  'hazelcast-store 1': {
    kind: 'peer',
    module: 'hazelcast-store',
    settings: `${EXPRESS_SESSION}; setClient(client)`,
    guarantees: ['shared'],
  },
  'strong-cluster-express-store': {
    kind: 'peer',
    module: 'strong-cluster-express-store',
    settings: `${EXPRESS_SESSION}; setup() in the primary`,
    guarantees: ['shared'],
  },
};

/** The installed versions of the other packages that measures name. */
export function versionsOf(measures) {
  const names = new Set(measures.flatMap(({ rows }) => rows.map((row) => row.package)));
  const versions = {};
  for (const name of names) {
    const { module } = packages[name];
    if (module === undefined) continue;
    const file = `${peer.resolve.paths(module)[0]}/${module}/package.json`;
    versions[name] = JSON.parse(readFileSync(file, 'utf8')).version;
  }
  return versions;
}

function ours(name, settings) {
  const one = { kind: 'ours', settings, guarantees: all };
  return {
    [name]: one,
    // A read may come from the cache for up to a second after another process wrote.
    [`${name} + cache`]: {
      ...one,
      settings: `${settings}; cache: true`,
      guarantees: all.filter((word) => word !== 'shared'),
    },
    [`${name} + encryption`]: { ...one, settings: `${settings}; EncryptedStore` },
  };
}
