// Two requests of one browser at the same time, and how to tell that they have gone wrong.
import { rate } from '../figures.mjs';
import { App } from './app.mjs';
import { Browser } from './browser.mjs';

const LANES = 32;
/** The handlers take up to this long, in milliseconds, as if they queried a database. */
const SLOWEST = 10;

/**
 * By what they are about: whether a race went wrong. Each is given `one` and `other`, connections of a browser, and
 * `times`, how long the handlers take.
 */
export const RACES = {
  'changes of different properties: one is lost': async (lane) => {
    await race(lane, '/set/a', '/set/b');
    const { a, b } = await sessionOf(lane.one);
    return a === undefined || b === undefined;
  },
  'a counter: an increment is lost': (lane) => losesCount(lane, '/count'),
  'a counter with `add()`: an increment is lost': (lane) => losesCount(lane, '/add'),
  'a logout beside another request: the session works afterwards': (lane) => survives(lane, '/logout'),
  'a login with `regenerate` beside another request: the old session works afterwards': (lane) =>
    survives(lane, '/regenerate'),
  'two logins at once, as by a double click: the user is logged out afterwards': async (lane) => {
    await race(lane, '/regenerate', '/regenerate');
    return (await sessionOf(lane.one)).user !== 'ben';
  },
  'a redirect that is followed when its headers come: the session is not saved yet': async ({
    one,
    other,
  }) => {
    const whole = one.get('/redirect');
    await one.headers;
    const { user } = await sessionOf(other);
    await whole;
    return user === undefined;
  },
};

/**
 * Runs races of all kinds that a package has the means for.
 *
 * @param {string} subject a package
 * @returns {Promise<Map<string, number>>} how many went wrong, by kind
 */
export async function racesOf(subject, { address, processes, count }) {
  const app = await App.start(subject, { address, processes, size: 700 });
  const lanes = Array.from({ length: LANES }, () => {
    const one = new Browser(app.urls.slice(0, 1));
    return { one, other: new Browser(app.urls.slice(-1), one.cookies) };
  });
  try {
    const wrong = new Map();
    for (const [kind, goesWrong] of Object.entries(RACES)) {
      if (kind.includes('add()') && !/^(Cluster|Redis|Mongo|Hazelcast)Store/.test(subject)) continue;
      const random = generator(1);
      let failed = 0;
      await rate(count, LANES, async (_, lane) => {
        const { one, other } = lanes[lane];
        one.cookies.clear();
        const times = [0, 1].map(() => Math.round(random() * SLOWEST));
        if (await goesWrong({ one, other, times })) failed++;
      });
      wrong.set(kind, failed);
    }
    return wrong;
  } finally {
    await Promise.all(lanes.flatMap(({ one, other }) => [one.close(), other.close()]));
    app.stop();
  }
}

/** Begins a session, and sends two of its requests at the same time. Resolves to the cookies from before them. */
async function race({ one, other, times }, path, otherPath) {
  await one.get('/login');
  const cookies = new Map(one.cookies);
  await Promise.all([one.get(`${path}?after=${times[0]}`), other.get(`${otherPath}?after=${times[1]}`)]);
  return cookies;
}

async function losesCount(lane, path) {
  await race(lane, path, path);
  return (await sessionOf(lane.one)).visits !== 2;
}

/** Whether a session works after a request that ends it. */
async function survives(lane, path) {
  const copy = await race(lane, path, '/set/a');
  return (await sessionOf(lane.one, copy)).user !== undefined;
}

/** The data of the session of a browser, or of one with a copy of its cookies. */
async function sessionOf(browser, cookies) {
  const { status, body } = await browser.get('/session', { cookies });
  if (status !== 200) throw new Error(`/session was responded to with ${status}: ${body}`);
  return JSON.parse(body);
}

/** Numbers from 0 to 1, the same for each package: mulberry32. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
