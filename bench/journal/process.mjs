// One task of journal.bench.mjs in a process of its own. Prints its figures as JSON.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { rate } from '../figures.mjs';
import { aRecord, anId } from '../session.mjs';

const [task, kind, directory, ...args] = process.argv.slice(2);
// A million of these sessions take more than a quarter of the heap.
serveSessions({ maxSessions: Infinity, maxBytes: Infinity });
const store = new ClusterStore(kind === 'memory' ? {} : { directory, durability: kind, timeout: 600_000 });
const tasks = { rate: measureRate, fill, load };
console.log(JSON.stringify(await tasks[task](...args)));
await store.close();
process.exit();

async function measureRate(operation, inFlight, most) {
  await store.open();
  const count = Number(most) / (Number(inFlight) === 1 ? 10 : 1);
  const ids = Array.from({ length: count }, () => anId());
  if (operation !== 'create') await rate(count, 256, (index) => store.create(aRecord(ids[index])));
  const calls = {
    create: (index) => store.create(aRecord(ids[index])),
    'write one property': (index) =>
      store.update({ id: ids[index] }, { set: { __proto__: null, visits: `${index}` } }),
    destroy: (index) => store.destroy(ids[index]),
  };
  return { perSecond: await rate(count, Number(inFlight), calls[operation]) };
}

async function fill(size) {
  await store.open();
  await rate(Number(size), 256, (index) =>
    store.create({ ...aRecord(), groups: [`user:${index % 100_000}`] }),
  );
  return { megabytes: (await stat(join(directory, 'journal'))).size / 1e6 };
}

async function load(size) {
  const start = performance.now();
  await store.open();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage();
  const count = await store.count();
  if (count !== Number(size)) throw new Error(`${count} of ${size} sessions were read`);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}
