// Compares apps by their requests.
import { alternate, rateWithin, rowsOf } from '../figures.mjs';
import { chosen } from '../frame/chosen.mjs';
import { App } from './app.mjs';
import { Browser } from './browser.mjs';

const CONNECTIONS = 32;
const BODY = '{"user":"ann"}';

/** The subjects of groups that `--quick` does not measure. */
const LEFT_OUT = / \+ encryption$|, touchAfter$|^connect-redis 8$/;

/** What the connections of an app do. */
export const SCENARIOS = {
  read: { path: '/read' },
  write: { path: '/write' },
  'new session': { path: '/login', isNew: true },
  'read, one session for all': { path: '/read', isShared: true },
  'write, one session for all': { path: '/write', isShared: true },
};

/**
 * Compares apps on each backend. STORE=redis measures only that one.
 *
 * @param {Record<string, { title: string, subjects: string[] }>} groups by backend
 * @param {{ processes?: 1 | 2, scenarios?: string[] }} where
 * @returns {Promise<import('../frame/results.mjs').Measure[]>}
 */
export async function compareGroups(groups, where, bench) {
  const measures = [];
  for (const [name, { title, subjects }] of chosen(groups)) {
    const address = await bench.address(name);
    const some = bench.scale(
      subjects,
      subjects.filter((subject) => !LEFT_OUT.test(subject)),
    );
    measures.push(...(await compareApps(some, { ...where, name, title, address }, bench)));
  }
  return measures;
}

/**
 * Starts an app with each package, and measures them by turns.
 *
 * @param {string[]} subjects packages
 * @param {{ name: string, title: string, address?: object, processes?: 1 | 2, scenarios?: string[] }} about
 * @returns {Promise<import('../frame/results.mjs').Measure[]>} their rates, and their CPU time
 */
export async function compareApps(subjects, about, { scale, step }) {
  const { name, title, scenarios = Object.keys(SCENARIOS), ...where } = about;
  const loads = new Map();
  const rows = { perSecond: [], cost: [] };
  try {
    step(`${title}: the apps start`);
    // In milliseconds for each path. Without it, the first figures are those of code that is not yet compiled.
    const warmUp = scale(100, 30);
    for (const subject of subjects) loads.set(subject, await Load.on(subject, warmUp, where));
    for (const scenario of scenarios) {
      step(`${title}: ${scenario}`);
      const times = { rounds: scale(7, 3) };
      const figures = await alternate(subjects, times, (subject) =>
        loads.get(subject).run(SCENARIOS[scenario], scale(1_000, 60)),
      );
      for (const figure in rows) rows[figure].push(...rowsOf(figures, figure, { case: scenario }));
    }
  } finally {
    for (const load of loads.values()) await load.stop();
  }
  return [
    { name, title, unit: 'requests/s', better: 'higher', chart: 'bars', rows: rows.perSecond },
    {
      name: `${name}-cost`,
      title: `${title}: CPU time of the app`,
      unit: 'µs per request',
      better: 'lower',
      rows: rows.cost,
    },
  ];
}

/** An app with its browsers: 32 that have a session each, and 32 that share one. */
class Load {
  static async on(subject, warmUp, where) {
    const app = await App.start(subject, { size: 700, ...where });
    const own = Array.from({ length: CONNECTIONS }, () => new Browser(app.urls));
    const shared = own.map(() => new Browser(app.urls, own[0].cookies));
    const load = new Load(app, own, shared);
    try {
      for (const browser of own) await browser.get('/login');
      for (const path of ['/read', '/write', '/login']) await load.run({ path }, warmUp);
      return load;
    } catch (error) {
      await load.stop();
      throw error;
    }
  }

  constructor(app, own, shared) {
    Object.assign(this, { app, own, shared });
  }

  async run({ path, isNew = false, isShared = false }, milliseconds) {
    const browsers = isShared ? this.shared : this.own;
    const before = await this.app.figures();
    const { count, perSecond } = await rateWithin(milliseconds, Infinity, CONNECTIONS, async (_, lane) => {
      const { status, body } = await browsers[lane].get(path, { isNew });
      if (status !== 200 || body !== BODY)
        throw new Error(`${path} was responded to with ${status}: ${body}`);
    });
    const { cpu } = await this.app.figures();
    return { perSecond, cost: (cpu - before.cpu) / count };
  }

  async stop() {
    await Promise.all([...this.own, ...this.shared].map((browser) => browser.close()));
    this.app.stop();
  }
}
