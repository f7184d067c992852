// The cost of sessions without the cost, and the noise, of sockets: requests are objects that are passed to the app.
import { fork } from 'node:child_process';
import { alternate, summary } from '../figures.mjs';
import { messageOf } from '../frame/child.mjs';
import { EMPTY } from './apps.mjs';

const FRAMEWORKS = {
  Express: ['no session', 'express-session', 'middleware'],
  'Nest on Express': ['no session', 'express-session', 'middleware', EMPTY, 'module'],
  'Nest on Fastify': ['no session', 'express-session', 'middleware', EMPTY, 'module'],
};

/** What a kind of sessions is in tables. */
const KINDS = {
  'no session': { package: 'no session' },
  'express-session': { package: 'MemoryStore' },
  middleware: { package: 'ClusterStore', variant: 'ClusterStore, middleware' },
  [EMPTY]: { package: 'ClusterStore', variant: `ClusterStore, ${EMPTY}` },
  module: { package: 'ClusterStore', variant: 'ClusterStore, module' },
};

/**
 * The CPU time of a request, by framework. Each app has a process of its own, because the patch of Node's response
 * class would slow down the others. They take turns, and the others wait meanwhile.
 *
 * @returns {Promise<import('../frame/results.mjs').Measure[]>}
 */
export async function compareSocketless({ scale, step }) {
  const rows = [];
  for (const framework of scale(Object.keys(FRAMEWORKS), ['Express', 'Nest on Fastify'])) {
    const kinds = FRAMEWORKS[framework];
    step(`${framework}, without sockets`);
    const children = new Map();
    try {
      for (const sessions of kinds) children.set(sessions, await start(framework, sessions));
      for (const path of ['read', 'write']) {
        const times = { rounds: scale(15, 3), warmUp: scale(5, 1) };
        const figures = await alternate(kinds, times, (sessions) =>
          processorTimeOf(children.get(sessions), path, scale(3_000, 500)),
        );
        for (const [sessions, { cpu }] of figures)
          rows.push(Object.assign({ case: `${framework}, ${path}` }, KINDS[sessions], summary(cpu)));
      }
    } finally {
      for (const child of children.values()) child.kill();
    }
  }
  return [
    {
      name: 'socketless',
      title: 'CPU time of a request without sockets',
      about:
        'Sessions of 300 bytes. Requests are objects that are passed to the app, which takes the cost and the noise of sockets out of the figures. The middleware alone is `sessionMiddleware()`. The module is `SessionModule`, whose guard and interceptor run too.',
      unit: 'µs',
      better: 'lower',
      chart: 'bars',
      rows,
    },
  ];
}

async function start(framework, sessions) {
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = fork(`${import.meta.dirname}/socketless.process.mjs`, [framework, sessions], { env });
  await messageOf(child);
  return child;
}

async function processorTimeOf(child, path, count) {
  child.send({ path: `/${path}`, count });
  return messageOf(child);
}
