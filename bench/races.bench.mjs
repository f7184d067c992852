// How many races of each kind go wrong, by package.
import { RACES, racesOf } from './apps/races.mjs';
import { summary } from './figures.mjs';

export const title = 'Races that go wrong';
export const topic = 'races';
export const how =
  'A browser sends two requests at the same time, each to another process of the app if the package can share sessions. The handlers take 0 to 10 ms at random, the same for each package. Whether a session works afterwards is tried with a copy of its cookie. This package keeps changes of different properties; of changes to the same property the later one wins, so a counter needs `add()`.';

const subjects = [
  ['memory', 1, 'MemoryStore', 'memorystore', '@fastify/session'],
  ['cookies', 2, 'cookie-session', 'iron-session'],
  ['cluster', 2, 'strong-cluster-express-store', 'ClusterStore'],
  ['redis', 2, 'connect-redis 8', 'connect-redis 9', 'RedisStore', 'RedisStore + cache'],
  ['mongo', 2, 'connect-mongo 6', 'MongoStore'],
  ['hazelcast', 2, 'hazelcast-store 1', 'HazelcastStore'],
];

export async function run({ scale, step, address }) {
  const count = scale(1_000, 32);
  const rows = new Map(Object.keys(RACES).map((kind) => [kind, []]));
  for (const [backend, processes, ...names] of subjects) {
    for (const name of names) {
      step(name);
      const wrong = await racesOf(name, { address: await address(backend), processes, count });
      for (const [kind, failed] of wrong)
        rows.get(kind).push({ case: '', package: name, ...summary([failed]) });
    }
  }
  return [...rows].map(([kind, ofKind], index) => ({
    name: `kind-${index + 1}`,
    title: kind[0].toUpperCase() + kind.slice(1).replaceAll('`', ''),
    unit: `of ${count.toLocaleString('en')}`,
    better: 'lower',
    chart: 'bars',
    rows: ofKind,
  }));
}
