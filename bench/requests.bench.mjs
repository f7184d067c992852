// The requests of apps: with each package, on each backend, and under Fastify.
import { compareGroups } from './apps/compare.mjs';

export const title = 'Requests per second';
export const topic = 'requests';
export const how =
  'An app in a process of its own, with sessions of 700 bytes and 32 connections: each with a session of its own, all with one as the tabs of a browser have, or each request without one, so that it begins one (a storm of logins). This package writes only changes, saves before the response, and renews the cookie with each write. express-session writes whole sessions, and does not renew its cookie here (`rolling: false`).';

const express = ['no session'];

const groups = {
  memory: {
    title: 'Sessions in memory or in cookies',
    subjects: [
      ...express,
      'MemoryStore',
      'memorystore',
      'cookie-session',
      'iron-session',
      ...variants('ClusterStore'),
    ],
  },
  fastify: {
    title: 'Sessions in memory, in Nest on Fastify',
    subjects: ['no session, Fastify', '@fastify/session', 'ClusterStore, Fastify'],
  },
  redis: {
    title: 'Sessions in Redis',
    subjects: [...express, 'connect-redis 8', 'connect-redis 9', ...variants('RedisStore', 'cache')],
  },
  mongo: {
    title: 'Sessions in MongoDB',
    subjects: [
      ...express,
      'connect-mongo 6',
      'connect-mongo 6, touchAfter',
      ...variants('MongoStore', 'cache'),
    ],
  },
  hazelcast: {
    title: 'Sessions in Hazelcast',
    subjects: [...express, 'hazelcast-store 1', ...variants('HazelcastStore', 'cache')],
  },
};

export function run(bench) {
  const scenarios = bench.scale(undefined, ['read', 'write', 'new session']);
  return compareGroups(groups, { scenarios }, bench);
}

/** A store, and the same with what may be put around it. */
function variants(name, ...extras) {
  return [name, ...[...extras, 'encryption'].map((extra) => `${name} + ${extra}`)];
}
