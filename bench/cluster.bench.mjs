// Compares ClusterStore with strong-cluster-express-store, each in a separate primary with one worker that calls it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { summary, table, thousands } from './figures.mjs';
import { bytes } from './session.mjs';

export const title = 'Cluster: calls per second from one worker';

const ROUNDS = 11;
const contenders = ['ours', 'theirs'];
const operations = ['read', 'read, all of it parsed', 'write one property', 'create'];
const tasks = operations.flatMap((operation) =>
  [1, 32, 256].map((inFlight) => ({ operation, inFlight, count: inFlight === 1 ? 6_000 : 30_000 })),
);

export async function run() {
  const primaries = new Map(
    contenders.map((contender) => [
      contender,
      fork(`${import.meta.dirname}/cluster/primary.mjs`, [contender]),
    ]),
  );
  try {
    for (const primary of primaries.values()) await once(primary, 'message');
    await measure(primaries);
  } finally {
    for (const primary of primaries.values()) primary.kill();
  }
}

async function measure(primaries) {
  const rows = [];
  for (const task of tasks) {
    const rates = { ours: [], theirs: [] };
    const costs = { ours: [], theirs: [] };
    for (let round = -1; round < ROUNDS; round++) {
      for (const contender of round % 2 ? contenders : contenders.toReversed()) {
        const { perSecond, worker, primary } = await runTask(primaries.get(contender), task);
        if (round < 0) continue;
        rates[contender].push(perSecond);
        costs[contender].push((worker + primary) / task.count);
      }
    }
    rows.push([task.operation, task.inFlight, ...compared(rates, thousands), ...compared(costs, micros)]);
  }
  console.log(
    `${bytes} bytes per session; median (lowest–highest) of ${ROUNDS} alternating rounds; Node ${process.version}, ${availableParallelism()} processors.`,
    'CPU time is that of primary and worker together, which depends less on other load.',
    'ClusterStore returns serialized values, which the middleware parses; strong-cluster-express-store parses on every read, and only writes whole sessions.\n',
  );
  const peer = 'strong-cluster-express-store';
  table(
    [
      'call',
      'in flight',
      'ClusterStore, calls/s',
      peer,
      'ratio',
      'ClusterStore, CPU µs per call',
      peer,
      'ratio',
    ],
    rows,
  );
}

function compared(figures, unit) {
  const [ours, theirs] = [summary(figures.ours), summary(figures.theirs)];
  const show = ({ median, low, high }) => `${unit(median)} (${unit(low)}–${unit(high)})`;
  return [show(ours), show(theirs), (ours.median / theirs.median).toFixed(2)];
}

const micros = (figure) => figure.toFixed(1);

async function runTask(primary, task) {
  primary.send(task);
  const [figures] = await once(primary, 'message');
  return figures;
}
