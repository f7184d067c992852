// The cost of sessions without the cost, and the noise, of sockets: requests are objects that are passed to the app.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { summary, table } from '../figures.mjs';
import { EMPTY } from './apps.mjs';

export const ROUNDS = 15;
export const REQUESTS = 3000;
const WARM_ROUNDS = 5;

const FRAMEWORKS = {
  Express: ['no session', 'express-session', 'middleware'],
  'Nest on Express': ['no session', 'express-session', 'middleware', EMPTY, 'module'],
  'Nest on Fastify': ['no session', 'express-session', 'middleware', EMPTY, 'module'],
};

/**
 * Prints a table. Each app has a process of its own, because the patch of Node's response class would slow down the
 * others. They take turns, and the others wait meanwhile.
 */
export async function compareSocketless() {
  const rows = [];
  for (const [framework, kinds] of Object.entries(FRAMEWORKS)) {
    const processes = [];
    try {
      for (const sessions of kinds) processes.push(await start(framework, sessions));
      for (const path of ['read', 'write']) rows.push([framework, path, ...(await measure(processes, path))]);
    } finally {
      for (const child of processes) child.kill();
    }
  }
  table(
    [
      'framework',
      'request',
      'no session',
      'express-session',
      'middleware',
      EMPTY,
      'module',
      'CPU over no session, express-session / middleware',
      'what the module adds to the middleware, of which Nest itself',
    ],
    rows,
  );
}

async function start(framework, sessions) {
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = fork(`${import.meta.dirname}/socketless.process.mjs`, [framework, sessions], { env });
  await once(child, 'message');
  return child;
}

async function measure(processes, path) {
  const figures = processes.map(() => []);
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
    for (const [index, child] of [...processes.entries()].toSorted(() => (round % 2 ? 1 : -1))) {
      child.send({ path: `/${path}`, count: REQUESTS });
      const [{ cpu }] = await once(child, 'message');
      if (round >= 0) figures[index].push(cpu);
    }
  }
  const all = figures.map(summary);
  const [none, theirs, middleware, empty, module] = all.map(({ median }) => median);
  const ratio = (theirs - none) / (middleware - none);
  return [
    ...all.map(micros),
    ...(module === undefined ? ['-', '-'] : []),
    `${(theirs - none).toFixed(1)} / ${(middleware - none).toFixed(1)} µs = ${ratio.toFixed(1)}`,
    module === undefined
      ? '-'
      : `${(module - middleware).toFixed(1)} µs, ${(empty - middleware).toFixed(1)} µs`,
  ];
}

const micros = ({ median, low, high }) => `${median.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})`;
