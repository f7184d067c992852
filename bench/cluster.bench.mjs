// Compares ClusterStore with strong-cluster-express-store, each in a separate primary with one worker that calls it.
import { fork } from 'node:child_process';
import { messageOf } from './frame/child.mjs';
import { bytes } from './session.mjs';
import { measuresOf } from './stores/calls.mjs';

export const title = 'Node.js cluster';
export const topic = 'calls';
export const how = `One worker calls a store in its primary, with sessions of ${bytes} bytes. CPU time is that of primary and worker together. ClusterStore returns serialized values, which the middleware parses; strong-cluster-express-store parses on every read, and only writes whole sessions.`;

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

async function measure(primaries, bench) {
  const { scale } = bench;
  const about = {
    operations,
    rounds: scale(11, 3),
    rates: `${title}: calls per second of one worker`,
    cost: `${title}: CPU time of primary and worker`,
  };
  return measuresOf([...primaries.keys()], about, bench, async (name, operation, inFlight) => {
    const count = inFlight === 1 ? scale(6_000, 500) : scale(30_000, 3_000);
    const { perSecond, worker, primary } = await runTask(primaries.get(name), { operation, inFlight, count });
    return { perSecond, cost: (worker + primary) / count };
  });
}

async function runTask(primary, task) {
  primary.send(task);
  return messageOf(primary);
}
