// Logging a user out everywhere, among many sessions of others.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { startRedis } from '../test/servers/redis.mjs';
import { summary } from './figures.mjs';
import { stores } from './stores/redis.mjs';

export const title = 'Logging out everywhere';
export const topic = 'growth';
export const how =
  'One user has many sessions in a Redis that holds those of others, too. RedisStore clears the group of the user. connect-redis has no means for that: an app loads all sessions by `all()`, and destroys those of the user. An app may also keep the ids of each user itself, which is not measured. Another connection reads sessions of others meanwhile, one by one, from the same process.';

/** For a process that loads every session, in milliseconds. */
const DEADLINE = 900_000;

export async function run({ scale, step }) {
  const total = scale(1_000_000, 10_000);
  const members = scale(10_000, 500);
  const rows = { milliseconds: [], slowestRead: [], megabytes: [] };
  for (const name of Object.keys(stores)) {
    const some = { milliseconds: [], slowestRead: [], megabytes: [] };
    let note;
    for (let round = 0; round < scale(3, 1) && !note; round++) {
      step(`${name}, round ${round + 1}`);
      const figures = await logOut(name, total, members);
      note = figures.note;
      for (const figure in some) if (!note) some[figure].push(figures[figure]);
    }
    for (const figure in rows)
      rows[figure].push({ case: '', package: name, ...(note ? { note } : summary(some[figure])) });
  }
  const about = `${members.toLocaleString('en')} sessions of one user among ${total.toLocaleString('en')}.`;
  return [
    {
      name: 'duration',
      title: 'The time of logging a user out everywhere',
      about,
      unit: 'ms',
      better: 'lower',
      chart: 'bars',
      rows: rows.milliseconds,
    },
    {
      name: 'slowest-read',
      title: 'The slowest read in the same process meanwhile',
      about,
      unit: 'ms',
      better: 'lower',
      rows: rows.slowestRead,
    },
    {
      name: 'process',
      title: 'The memory of the process that does it, at most',
      about: `${about} The process has also made the sessions, and holds all of their ids.`,
      unit: 'MB',
      better: 'lower',
      rows: rows.megabytes,
    },
  ];
}

/** Each has a server and a process of its own, because some do not survive it. */
async function logOut(name, total, members) {
  const server = await startRedis();
  const args = [name, server.url, String(total), String(members)];
  const child = fork(`${import.meta.dirname}/logout/process.mjs`, args, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    timeout: DEADLINE,
    killSignal: 'SIGKILL',
  });
  try {
    const exited = once(child, 'exit').then(([code, signal]) => {
      const reason = signal === 'SIGKILL' ? `not done within ${DEADLINE / 60_000} minutes` : 'out of memory';
      return [{ note: signal === null && code !== 134 ? `failed with exit code ${code}` : reason }];
    });
    const [figures] = await Promise.race([once(child, 'message'), exited]);
    return figures;
  } finally {
    child.kill('SIGKILL');
    await server.stop();
  }
}
