// The middleware of an app, by the package that its figures are about.
import { TIMEOUT } from '../stores/ours.mjs';
import { peer } from '../stores/theirs.mjs';

const SECRET = 'a secret of the benches, 32 bytes long or longer';
const cookie = { maxAge: 600_000 };

const ours = {
  ClusterStore: async () => {
    const { ClusterStore } = await import('nestjs-session-stores/stores/cluster');
    return new ClusterStore();
  },
  RedisStore: async ({ url }) => {
    const { RedisStore } = await import('nestjs-session-stores/stores/redis');
    return new RedisStore({ url, timeout: TIMEOUT });
  },
  MongoStore: async ({ url }) => {
    const { MongoStore } = await import('nestjs-session-stores/stores/mongo');
    return new MongoStore({ uri: url, timeout: TIMEOUT });
  },
  HazelcastStore: async ({ clusterName, members }) => {
    const { HazelcastStore } = await import('nestjs-session-stores/stores/hazelcast');
    return new HazelcastStore({
      config: { clusterName, network: { clusterMembers: members } },
      timeout: TIMEOUT,
    });
  },
};

const peers = {
  MemoryStore: () => expressSession({}),
  memorystore: () => {
    const MemoryStore = peer('memorystore')(peer('express-session'));
    return expressSession({ store: new MemoryStore({ checkPeriod: 86_400_000 }) });
  },
  'cookie-session': () => peer('cookie-session')({ name: 'session', keys: [SECRET], ...cookie }),
  'iron-session': ironSession,
  'connect-redis 8': (address) => onBackend('redis', 'connect-redis 8', address),
  'connect-redis 9': (address) => onBackend('redis', 'connect-redis 9', address),
  'connect-mongo 6': (address) => onBackend('mongo', 'connect-mongo 6', address),
  'connect-mongo 6, touchAfter': async ({ url }) => {
    const { connectMongo } = await import('../stores/mongo.mjs');
    return expressSession(await connectMongo(url, { touchAfter: 86_400 }));
  },
  'hazelcast-store 1': (address) => onBackend('hazelcast', 'hazelcast-store 1', address),
  'strong-cluster-express-store': () => {
    const Store = peer('strong-cluster-express-store')(peer('express-session'));
    return expressSession({ store: new Store() });
  },
};

/**
 * @param {string} subject a package of packages.mjs for Express
 * @param {object} address that of the server it needs
 * @returns {Promise<import('express').RequestHandler>}
 */
export async function sessionsOf(subject, address) {
  if (subject === 'no session') return (_req, _res, next) => next();
  if (Object.hasOwn(peers, subject)) return peers[subject](address);
  const [name, extra] = subject.split(' + ');
  const { sessionMiddleware } = await import('nestjs-session-stores/express');
  let store = await ours[name](address);
  if (extra === 'encryption') {
    const { EncryptedStore } = await import('nestjs-session-stores/store');
    store = new EncryptedStore(store, { keys: Buffer.alloc(32, 1), groups: Buffer.alloc(32, 2) });
  }
  return sessionMiddleware({ secret: SECRET, store, cookie, cache: extra === 'cache' });
}

function expressSession({ store }) {
  return peer('express-session')({ secret: SECRET, resave: false, saveUninitialized: false, cookie, store });
}

async function onBackend(backend, name, address) {
  const { stores } = await import(`../stores/${backend}.mjs`);
  return expressSession(await stores[name](address));
}

/** A handler saves it, as its README shows. */
async function ironSession() {
  const { getIronSession } = await import(peer.resolve('iron-session'));
  const options = { password: SECRET, cookieName: 'session', cookieOptions: { secure: false } };
  return (req, res, next) => {
    getIronSession(req, res, options).then((session) => {
      req.session = session;
      req.saved = () => session.save();
      next();
    }, next);
  };
}
