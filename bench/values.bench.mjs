// The rate of `add` and `take` beside that of a write of one property, on every store.
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { sharedHazelcast, sharedMongo, sharedRedis } from '../test/servers/shared.mjs';
import { rate, summary, table, thousands } from './figures.mjs';
import { aRecord, anId } from './session.mjs';

export const title = 'Values: the rate of add and take beside a write';

const ROUNDS = 7;
const SESSIONS = 500;
const IN_FLIGHT = 32;

const stores = {
  cluster: [() => ({ address: {}, stop: async () => {} }), () => new ClusterStore({ name: anId() })],
  redis: [sharedRedis, ({ url }) => new RedisStore({ url, prefix: anId() })],
  mongo: [sharedMongo, ({ url }) => new MongoStore({ uri: url, collection: anId() })],
  hazelcast: [
    sharedHazelcast,
    ({ clusterName, members }) =>
      new HazelcastStore({ config: { clusterName, network: { clusterMembers: members } }, prefix: anId() }),
  ],
};

/** STORE=redis measures only that one. */
export async function run() {
  const { STORE: only } = process.env;
  const rows = [];
  for (const [word, [start, make]] of Object.entries(stores).filter(([name]) => !only || name === only)) {
    const server = await start();
    const store = make(server.address);
    try {
      await store.open();
      for (const way of ['of its own session', 'of one session'])
        rows.push([word, way, ...(await measure(store, way))]);
    } finally {
      await store.close();
      await server.stop();
    }
  }
  console.log(`Calls per second, ${IN_FLIGHT} in flight, medians of ${ROUNDS} alternating rounds.\n`);
  table(['store', 'each call', 'write', 'add', 'add / write', 'take', 'take / write'], rows);
}

async function measure(store, way) {
  const ids = Array.from({ length: way === 'of one session' ? 1 : SESSIONS }, () => anId());
  for (const id of ids) await store.create(aRecord(id));
  const ref = (index) => ({ id: ids[index % ids.length] });
  let written = 0;
  const set = (index) => store.update(ref(index), { set: { code: '"123456"' } });
  const calls = {
    write: (index) => store.update(ref(index), { set: { visits: String(written++) } }),
    add: (index) => store.update(ref(index), { add: { name: 'visits', by: 1 } }),
    // Each needs a value of its own.
    ...(ids.length > 1 && { take: (index) => store.update(ref(index), { take: 'code' }) }),
  };
  const rates = { write: [], add: [], take: [] };
  for (let round = -2; round < ROUNDS; round++) {
    for (const name of Object.keys(calls).toSorted(() => (round % 2 ? 1 : -1))) {
      if (name === 'take') await rate(SESSIONS, IN_FLIGHT, set);
      const figure = await rate(SESSIONS, IN_FLIGHT, calls[name]);
      if (round >= 0) rates[name].push(figure);
    }
  }
  const [write, add, take] = Object.values(rates).map(
    (figures) => figures.length > 0 && summary(figures).median,
  );
  const ratio = (figure) => (figure / write).toFixed(2);
  const taken = take ? [thousands(take), ratio(take)] : ['none', 'none'];
  return [thousands(write), thousands(add), ratio(add), ...taken];
}
