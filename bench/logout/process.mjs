// One task of logout.bench.mjs in a process of its own: `node process.mjs <package> <url> <total> <members>` fills a Redis,
// logs the user with `members` sessions out everywhere, and sends figures.
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { durationOf, rate } from '../figures.mjs';
import { anId, session } from '../session.mjs';
import { stores } from '../stores/redis.mjs';

const GROUP = 'user:42';
const [name, url, ...numbers] = process.argv.slice(2);
const [total, members] = numbers.map(Number);
const contender = await stores[name]({ url });
const reader = await stores[name]({ url });
const isOurs = typeof contender.store.clear === 'function' && typeof contender.store.page === 'function';

const others = Array.from({ length: total - members }, () => anId());
await rate(others.length, 256, (index) => contender.create(others[index]));
await rate(members, 64, isOurs ? () => contender.create(anId(), [GROUP]) : createTheirs());

const reads = readMeanwhile();
const milliseconds = await durationOf(isOurs ? () => contender.store.clear(GROUP) : logOutTheirs);
const slowestRead = await reads.stop();
process.send({ milliseconds, slowestRead, megabytes: process.resourceUsage().maxRSS / 1024 });
await contender.close();
await reader.close();
process.disconnect();

/** A session of express-session names its user in its data. */
function createTheirs() {
  const set = promisify(contender.store.set).bind(contender.store);
  return () => set(anId(), { ...session, user: { ...session.user, id: GROUP } });
}

/** What an app can do with the methods of a store of express-session: load all sessions, and destroy some. */
async function logOutTheirs() {
  const all = await promisify(contender.store.all).bind(contender.store)();
  const ids = all.filter(({ user }) => user.id === GROUP).map(({ id }) => id);
  if (ids.length !== members) throw new Error(`all() found ${ids.length} of ${members} sessions`);
  await rate(ids.length, 256, (index) => contender.destroy(ids[index]));
}

/** Reads sessions of others, one by one on another connection. */
function readMeanwhile() {
  let slowest = 0;
  const stopping = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      const id = others[Math.floor(Math.random() * others.length)];
      slowest = Math.max(slowest, await durationOf(() => reader.read(id)));
      await wait(1);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await loop;
      return slowest;
    },
  };
}
