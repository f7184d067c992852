// What sessions cost an Express app: without any, with express-session and its MemoryStore, with ours in memory. Each is
// a process of its own, with the same handlers and the same data; the load comes from this one.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { summary, table, thousands } from './figures.mjs';

const autocannon = createRequire(import.meta.resolve('./peers/package.json'))('autocannon');

export const title = 'HTTP: what a request costs in one Express process, 32 connections';

const ROUNDS = 7;
const SECONDS = 1;
const subjects = ['no session', 'express-session, MemoryStore', 'ours, in memory'];

export async function run() {
  const rows = [];
  for (const size of [300, 3_000, 100_000]) rows.push(...(await measure(size)));
  console.log(
    `CPU is the server process's own time a request, user and system; median of ${ROUNDS} rounds by turns, lowest and highest; Node ${process.version}, ${availableParallelism()} processors.`,
    'Ours reads and writes as the README says: saved before it is answered, the change alone, its cookie renewed with each write;',
    'express-session writes whole sessions, and its cookie is not renewed (`rolling: false`).\n',
  );
  table(
    [
      'session',
      'request',
      ...subjects.flatMap((subject) => [`${subject}: CPU µs`, 'requests/s']),
      'overhead: theirs',
      'ours',
      'ratio',
    ],
    rows,
  );
}

async function measure(size) {
  const servers = [];
  try {
    for (const subject of subjects) servers.push(await start(subject, size));
    const rows = [];
    for (const path of ['read', 'write']) {
      const figures = servers.map(() => ({ cpu: [], rate: [] }));
      for (let round = -1; round < ROUNDS; round++) {
        for (const [index, server] of [...servers.entries()].toSorted(() => (round % 2 ? 1 : -1))) {
          const { cpu, rate } = await load(server, path);
          if (round < 0) continue;
          figures[index].cpu.push(cpu);
          figures[index].rate.push(rate);
        }
      }
      const [none, theirs, ours] = figures.map(({ cpu }) => summary(cpu).median);
      rows.push([
        `${size.toLocaleString('en')} bytes`,
        path,
        ...figures.flatMap(({ cpu, rate }) => [micros(summary(cpu)), thousands(summary(rate).median)]),
        `${(theirs - none).toFixed(0)} µs`,
        `${(ours - none).toFixed(0)} µs`,
        `1 / ${((theirs - none) / (ours - none)).toFixed(1)}`,
      ]);
    }
    return rows;
  } finally {
    for (const { child } of servers) child.kill();
  }
}

async function start(subject, size) {
  const child = fork(`${import.meta.dirname}/http/server.mjs`, [subject, String(size)]);
  const [{ port }] = await once(child, 'message');
  const url = `http://127.0.0.1:${port}`;
  const login = await fetch(`${url}/login`);
  const [cookie = ''] = login.headers.getSetCookie().map((line) => line.split(';')[0]);
  return { child, url, cookie };
}

async function load({ child, url, cookie }, path) {
  const before = await processorTime(child);
  const { requests, errors, non2xx } = await autocannon({
    url: `${url}/${path}`,
    connections: 32,
    duration: SECONDS,
    headers: { cookie },
  });
  if (errors > 0 || non2xx > 0)
    throw new Error(`${path}: ${errors} errors, ${non2xx} answers that are no success`);
  return { cpu: ((await processorTime(child)) - before) / requests.total, rate: requests.total / SECONDS };
}

async function processorTime(child) {
  child.send('cpu');
  const [{ cpu }] = await once(child, 'message');
  return cpu;
}

const micros = ({ median, low, high }) => `${median.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`;
