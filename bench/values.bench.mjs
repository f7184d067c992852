// The rate of `add` and `take` beside that of a write of one property, on every store.
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { alternate, rate, summary } from './figures.mjs';
import { chosen } from './frame/chosen.mjs';
import { aRecord, anId } from './session.mjs';

export const title = 'Adding and taking values';
export const topic = 'calls';
export const how = '`add` and `take` beside a write of one property, 32 in flight.';

const IN_FLIGHT = 32;

const stores = {
  cluster: ['ClusterStore', () => new ClusterStore({ name: anId() })],
  redis: ['RedisStore', ({ url }) => new RedisStore({ url, prefix: anId() })],
  mongo: ['MongoStore', ({ url }) => new MongoStore({ uri: url, collection: anId() })],
  hazelcast: [
    'HazelcastStore',
    ({ clusterName, members }) =>
      new HazelcastStore({ config: { clusterName, network: { clusterMembers: members } }, prefix: anId() }),
  ],
};

/** STORE=redis measures only that one. */
export async function run(bench) {
  const measures = [];
  for (const [word, [name, make]] of chosen(stores)) {
    bench.step(name);
    const store = make(await bench.address(word));
    try {
      await store.open();
      const rows = [];
      for (const way of ['of its own session', 'of one session'])
        rows.push(...(await measure(store, name, way, bench)));
      measures.push({
        name: word,
        title: `Values in ${name}`,
        unit: 'calls/s',
        better: 'higher',
        chart: 'bars',
        rows,
      });
      await store.clear();
    } finally {
      await store.close();
    }
  }
  return measures;
}

async function measure(store, name, way, { scale }) {
  const sessions = scale(500, 100);
  const ids = Array.from({ length: way === 'of one session' ? 1 : sessions }, () => anId());
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
  const figures = await alternate(
    Object.keys(calls),
    { rounds: scale(7, 3), warmUp: scale(2, 1) },
    async (call) => {
      if (call === 'take') await rate(sessions, IN_FLIGHT, set);
      return { perSecond: await rate(sessions, IN_FLIGHT, calls[call]) };
    },
  );
  return [...figures].map(([call, { perSecond }]) =>
    Object.assign(summary(perSecond), { case: `each ${way}`, package: name, variant: call }),
  );
}
