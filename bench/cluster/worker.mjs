import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { rate } from '../figures.mjs';
import { anId, aRecord, session } from '../session.mjs';

const HELD = 1000;
const ids = Array.from({ length: HELD }, anId);

const contenders = {
  async ours() {
    const store = new ClusterStore();
    await store.open();
    return {
      create: (id) => store.create(aRecord(id)),
      read: (id) => store.read(id),
      async parse(id) {
        const { data } = await store.read(id);
        for (const name in data) JSON.parse(data[name]);
      },
      write: (id, visits) => store.update({ id }, { set: { visits: JSON.stringify(visits) } }),
      destroy: (id) => store.destroy(id),
    };
  },
  async theirs() {
    const require = createRequire(import.meta.resolve('../peers/package.json'));
    const Store = require('strong-cluster-express-store')(require('express-session'));
    const store = new Store();
    const [get, set, destroy] = ['get', 'set', 'destroy'].map((name) => promisify(store[name]).bind(store));
    return {
      create: (id) => set(id, session),
      read: get,
      parse: get,
      write: (id, visits) => set(id, { ...session, visits }),
      destroy,
    };
  },
};

const store = await contenders[process.argv[2]]();
for (const id of ids) await store.create(id);

// The id of a session that was destroyed cannot be used again soon.
let round = 0;
const works = {
  read: (index) => store.read(ids[index % HELD]),
  'read, all of it parsed': (index) => store.parse(ids[index % HELD]),
  'write one property': (index) => store.write(ids[index % HELD], index),
  create: (index) => store.create(`${round} ${index}`),
};

process.on('message', async ({ task }) => {
  if (!task) return;
  const { operation, count, inFlight } = task;
  const before = process.cpuUsage();
  const perSecond = await rate(count, inFlight, works[operation]);
  const { user, system } = process.cpuUsage(before);
  process.send({ figures: { perSecond, worker: user + system } });
  if (operation === 'create') {
    await rate(count, 256, (index) => store.destroy(`${round} ${index}`));
    round++;
  }
  process.send({ done: true });
});
process.send({ done: true });
