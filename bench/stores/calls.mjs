// Measures the calls of stores from one process.
import { alternate, rate, rateWithin, rowsOf } from '../figures.mjs';
import { anId } from '../session.mjs';

const SESSIONS = 1_000;

/** What to know about the calls of the stores of other packages. */
export const DIFFERENCES =
  'The stores of this package return serialized values, which are parsed when a handler reads them. The others parse each session that is read, so the second line compares equal work. To them a write of one property is a write of the whole session.';

const operations = {
  read: 'read',
  'read, all of it parsed': 'parsed',
  'write one property': 'write',
  'read, then write one property': 'revise',
  touch: 'touch',
  create: 'create',
  destroy: 'destroy',
  'log in': 'logIn',
};

/**
 * The measures of the contenders' calls: their rates, and the CPU time of the calling process.
 *
 * @param {Record<string, object>} contenders by their packages
 * @param {string} where what the titles begin with
 */
export async function compareCalls(contenders, where, bench) {
  const { scale } = bench;
  const names = Object.keys(contenders);
  const ids = Array.from({ length: SESSIONS }, () => anId());
  for (const contender of Object.values(contenders))
    await rate(SESSIONS, 64, (index) => contender.create(ids[index]));

  const milliseconds = scale(250, 40);
  const about = {
    operations: Object.keys(operations),
    rounds: scale(7, 3),
    rates: `${where}: calls per second`,
    cost: `${where}: CPU time of the calling process`,
  };
  return measuresOf(names, about, bench, (name, operation, inFlight) =>
    measure(contenders[name], operation, inFlight, ids, milliseconds),
  );
}

/**
 * Measures operations at several numbers of calls in flight.
 *
 * @param {string[]} names packages
 * @param {{ operations: string[], rounds: number, rates: string, cost: string }} about with what the titles begin with
 * @param {(name: string, operation: string, inFlight: number) => Promise<{ perSecond: number, cost: number } | undefined>} figuresOf
 *   `undefined` if a package has no such operation
 * @returns {Promise<import('../frame/results.mjs').Measure[]>} rates and processor times for each number in flight
 */
export async function measuresOf(names, about, { scale, step }, figuresOf) {
  const measures = [];
  for (const inFlight of scale([1, 32, 256], [1, 32])) {
    const rows = { perSecond: [], cost: [] };
    for (const operation of about.operations) {
      step(`${operation}, ${inFlight} in flight`);
      const figures = await alternate(names, { rounds: about.rounds }, (name) =>
        figuresOf(name, operation, inFlight),
      );
      for (const figure in rows) rows[figure].push(...rowsOf(figures, figure, { case: operation }));
    }
    measures.push(
      {
        name: `rates-${inFlight}`,
        title: `${about.rates}, ${inFlight} in flight`,
        unit: 'calls/s',
        better: 'higher',
        ...(inFlight === 32 && { chart: 'bars' }),
        rows: rows.perSecond,
      },
      {
        name: `cost-${inFlight}`,
        title: `${about.cost}, ${inFlight} in flight`,
        unit: 'µs per call',
        better: 'lower',
        rows: rows.cost,
      },
    );
  }
  return measures;
}

async function measure(contender, operation, inFlight, ids, milliseconds) {
  const call = contender[operations[operation]];
  if (!call) return undefined;
  const fresh = [];
  let target = (index) => ids[index % ids.length];
  let most = Infinity;
  // These use up what they work on.
  const prepared = Math.ceil((inFlight === 1 ? 2 : 8) * milliseconds);
  if (operation === 'create') target = () => fresh[fresh.push(anId()) - 1];
  if (operation === 'destroy') {
    most = prepared;
    await rate(most, 64, () => contender.create(fresh[fresh.push(anId()) - 1]));
    target = (index) => fresh[index];
  }
  if (operation === 'log in') {
    most = prepared;
    const logins = Array.from({ length: most }, () => ({ before: undefined, after: anId() }));
    await rate(most, 64, async (index) => {
      const id = anId();
      await contender.create(id);
      logins[index].before = await contender.known(id);
    });
    fresh.push(...logins.map(({ after }) => after));
    target = (index) => logins[index];
  }
  const before = process.cpuUsage();
  const { perSecond, count } = await rateWithin(milliseconds, most, inFlight, (index) => call(target(index)));
  const { user, system } = process.cpuUsage(before);
  if (operation === 'create' || operation === 'log in')
    await rate(fresh.length, 64, (index) => contender.destroy(fresh[index]));
  return { perSecond, cost: (user + system) / count };
}
