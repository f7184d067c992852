// Measures the calls of stores from one process, alternating between the contenders.
import { availableParallelism } from 'node:os';
import { rate, rateWithin, summary, table, thousands } from '../figures.mjs';
import { anId, bytes } from '../session.mjs';

const ROUNDS = 7;
const MILLISECONDS = 250;
const SESSIONS = 1_000;
const operations = [
  'read',
  'read, all of it parsed',
  'write one property',
  'touch',
  'create',
  'destroy',
  'log in',
];
const methods = { 'read, all of it parsed': 'parsed', 'write one property': 'write', 'log in': 'logIn' };

/** Prints a table of the contenders' calls. The first contender is ours. */
export async function compareCalls(contenders) {
  const names = Object.keys(contenders);
  const ids = Array.from({ length: SESSIONS }, () => anId());
  for (const contender of Object.values(contenders)) for (const id of ids) await contender.create(id);

  const rows = [];
  for (const operation of operations) {
    for (const inFlight of [1, 32, 256]) {
      const figures = names.map(() => ({ rates: [], costs: [] }));
      for (let round = -1; round < ROUNDS; round++) {
        for (const [index, name] of [...names.entries()].toSorted(() => (round % 2 ? 1 : -1))) {
          const figure = await measure(contenders[name], operation, inFlight, ids);
          if (round < 0 || !figure) continue;
          figures[index].rates.push(figure.perSecond);
          figures[index].costs.push(figure.cost);
        }
      }
      rows.push([operation, inFlight, ...figures.flatMap(shown), ...ratios(figures)]);
    }
  }
  console.log(
    `${bytes} bytes per session; calls per second, and CPU time of the calling process per call in µs; median (lowest–highest) of ${ROUNDS} alternating rounds; Node ${process.version}, ${availableParallelism()} processors.\n`,
  );
  const head = names.flatMap((name) => [`${name}: calls/s`, 'CPU µs']);
  table(['call', 'in flight', ...head, ...names.slice(1).map((name) => `calls/s, ours / ${name}`)], rows);
}

async function measure(contender, operation, inFlight, ids) {
  const call = contender[methods[operation] ?? operation];
  if (!call) return undefined;
  const fresh = [];
  let target = (index) => ids[index % ids.length];
  let most = Infinity;
  if (operation === 'create') target = () => fresh[fresh.push(anId()) - 1];
  if (operation === 'destroy') {
    most = inFlight === 1 ? 500 : 2_000;
    await rate(most, 64, () => contender.create(fresh[fresh.push(anId()) - 1]));
    target = (index) => fresh[index];
  }
  if (operation === 'log in') {
    most = inFlight === 1 ? 500 : 2_000;
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
  const { perSecond, count } = await rateWithin(MILLISECONDS, most, inFlight, (index) => call(target(index)));
  const { user, system } = process.cpuUsage(before);
  if (operation === 'create' || operation === 'log in')
    await rate(fresh.length, 64, (index) => contender.destroy(fresh[index]));
  return { perSecond, cost: (user + system) / count };
}

function shown({ rates, costs }) {
  if (rates.length === 0) return ['none', 'none'];
  return [spread(rates, thousands), spread(costs, (figure) => figure.toFixed(1))];
}

function spread(figures, unit) {
  const { median, low, high } = summary(figures);
  return `${unit(median)} (${unit(low)}–${unit(high)})`;
}

function ratios([first, ...others]) {
  return others.map(({ rates }) =>
    rates.length === 0 ? 'none' : (summary(first.rates).median / summary(rates).median).toFixed(2),
  );
}
