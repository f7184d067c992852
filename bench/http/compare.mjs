// The cost of sessions in an Express app. Each subject is a separate process with the same handlers and data. The load
// comes from this process.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { summary, table, thousands } from '../figures.mjs';
import { peer } from '../stores/theirs.mjs';

const autocannon = peer('autocannon');

export const ROUNDS = 7;
const SECONDS = 1;
const CONNECTIONS = 32;

/**
 * Prints a table. The first subject must be without sessions, the last ours.
 *
 * @param {string[]} subjects by their names in `server.mjs`
 * @param {{ sizes: number[], isShared?: boolean, backend?: string, address?: object }} about the sizes of the sessions
 *   in bytes, whether all connections share one session, and the server they need
 */
export async function compareHttp(subjects, { sizes, ...where }) {
  const rows = [];
  for (const size of sizes) rows.push(...(await measure(subjects, size, where)));
  const peers = subjects.slice(1, -1);
  table(
    [
      'session',
      'request',
      ...subjects.flatMap((subject) => [`${subject}: CPU µs`, 'requests/s']),
      ...peers.flatMap((subject) => [
        `requests/s, ours / ${subject}`,
        `CPU, ${subject} / ours`,
        `CPU over no session, ${subject} / ours`,
      ]),
    ],
    rows,
  );
}

async function measure(subjects, size, where) {
  const servers = [];
  try {
    for (const subject of subjects) servers.push(await start(subject, size, where));
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
      rows.push([
        `${size.toLocaleString('en')} bytes`,
        path,
        ...figures.flatMap(({ cpu, rate }) => [micros(summary(cpu)), thousands(summary(rate).median)]),
        ...ratios(figures),
      ]);
    }
    return rows;
  } finally {
    for (const { child } of servers) child.kill();
  }
}

function ratios(figures) {
  const medians = figures.map(({ cpu, rate }) => ({ cpu: summary(cpu).median, rate: summary(rate).median }));
  const [none, ours] = [medians[0], medians.at(-1)];
  return medians
    .slice(1, -1)
    .flatMap(({ cpu, rate }) => [
      (ours.rate / rate).toFixed(2),
      (cpu / ours.cpu).toFixed(2),
      `${(cpu - none.cpu).toFixed(0)} / ${(ours.cpu - none.cpu).toFixed(0)} µs = ${((cpu - none.cpu) / (ours.cpu - none.cpu)).toFixed(1)}`,
    ]);
}

async function start(subject, size, { backend = '', address, isShared = false }) {
  const args = [subject, String(size), backend, JSON.stringify(address ?? {})];
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = fork(`${import.meta.dirname}/server.mjs`, args, { env });
  const [{ port }] = await once(child, 'message');
  const url = `http://127.0.0.1:${port}`;
  const logins = Array.from({ length: isShared ? 1 : CONNECTIONS }, () => login(url));
  const [first, ...others] = await Promise.all(logins);
  return { child, url, cookies: isShared ? Array(CONNECTIONS).fill(first) : [first, ...others] };
}

/** Starts a session. Resolves to its cookie. */
async function login(url) {
  const { headers } = await fetch(`${url}/login`);
  const [cookie = ''] = headers.getSetCookie().map((line) => line.split(';')[0]);
  return cookie;
}

async function load({ child, url, cookies }, path) {
  const before = await processorTime(child);
  let clients = 0;
  const { requests, errors, non2xx, mismatches } = await autocannon({
    url: `${url}/${path}`,
    connections: CONNECTIONS,
    duration: SECONDS,
    expectBody: JSON.stringify({ user: 'ann' }),
    setupClient: (client) => keepCookie(client, cookies, clients++),
  });
  if (errors > 0 || non2xx > 0 || mismatches > 0)
    throw new Error(`${path}: ${errors} errors, ${non2xx} unsuccessful responses, ${mismatches} wrong ones`);
  return { cpu: ((await processorTime(child)) - before) / requests.total, rate: requests.total / SECONDS };
}

/** Lets a client present the last cookie that it was sent, as browsers do. */
function keepCookie(client, cookies, at) {
  client.setHeaders({ cookie: cookies[at] });
  client.on('headers', ({ headers }) => {
    const name = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === 'set-cookie');
    if (name < 0) return;
    const [cookie] = headers[name + 1].split(';');
    if (cookie === cookies[at]) return;
    cookies[at] = cookie;
    client.setHeaders({ cookie });
  });
}

async function processorTime(child) {
  child.send('cpu');
  const [{ cpu }] = await once(child, 'message');
  return cpu;
}

const micros = ({ median, low, high }) => `${median.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`;
