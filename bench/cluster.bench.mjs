// Compares ClusterStore with strong-cluster-express-store, each in a separate primary with one worker that calls it.
import { fork } from 'node:child_process';
import { alternate, rowsOf } from './figures.mjs';
import { messageOf } from './frame/child.mjs';
import { bytes } from './session.mjs';

export const title = 'Cluster';
export const topic = 'calls';
export const how = `One worker calls a store in its primary, with sessions of ${bytes} bytes. Processor time is that of primary and worker together. ClusterStore returns serialized values, which the middleware parses; strong-cluster-express-store parses on every read, and only writes whole sessions.`;

const contenders = { ClusterStore: 'ours', 'strong-cluster-express-store': 'theirs' };
const operations = ['read', 'read, all of it parsed', 'write one property', 'create'];

export async function run(bench) {
  const primaries = new Map(
    Object.entries(contenders).map(([name, word]) => [
      name,
      fork(`${import.meta.dirname}/cluster/primary.mjs`, [word]),
    ]),
  );
  try {
    for (const primary of primaries.values()) await messageOf(primary);
    return await measure(primaries, bench);
  } finally {
    for (const primary of primaries.values()) primary.kill();
  }
}

async function measure(primaries, { scale, step }) {
  const measures = [];
  for (const inFlight of scale([1, 32, 256], [1, 32])) {
    const rows = { perSecond: [], cost: [] };
    for (const operation of operations) {
      step(`${operation}, ${inFlight} in flight`);
      const count = inFlight === 1 ? scale(6_000, 500) : scale(30_000, 3_000);
      const figures = await alternate(primaries.keys(), { rounds: scale(11, 3) }, async (name) => {
        const { perSecond, worker, primary } = await runTask(primaries.get(name), {
          operation,
          inFlight,
          count,
        });
        return { perSecond, cost: (worker + primary) / count };
      });
      for (const figure in rows) rows[figure].push(...rowsOf(figures, figure, { case: operation }));
    }
    measures.push(
      {
        name: `rates-${inFlight}`,
        title: `${title}: calls per second of one worker, ${inFlight} in flight`,
        unit: 'calls/s',
        better: 'higher',
        ...(inFlight === 32 && { chart: 'bars' }),
        rows: rows.perSecond,
      },
      {
        name: `cost-${inFlight}`,
        title: `${title}: processor time of primary and worker, ${inFlight} in flight`,
        unit: 'µs per call',
        better: 'lower',
        rows: rows.cost,
      },
    );
  }
  return measures;
}

async function runTask(primary, task) {
  primary.send(task);
  return messageOf(primary);
}
