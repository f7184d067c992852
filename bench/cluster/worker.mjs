import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { rate } from '../figures.mjs';
import { aKey, aRecord, session } from '../session.mjs';

const HELD = 1000;
const keys = Array.from({ length: HELD }, aKey);

const contenders = {
  async ours() {
    const store = new ClusterStore();
    await store.open();
    return {
      create: (key) => store.create(aRecord(key)),
      read: (key) => store.read(key),
      async parse(key) {
        const { data } = await store.read(key);
        for (const name in data) JSON.parse(data[name]);
      },
      write: (key, visits) => store.update({ key }, { set: { visits: JSON.stringify(visits) } }),
      destroy: (key) => store.destroy(key),
    };
  },
  async theirs() {
    const require = createRequire(import.meta.resolve('../peers/package.json'));
    const Store = require('strong-cluster-express-store')(require('express-session'));
    const store = new Store();
    const [get, set, destroy] = ['get', 'set', 'destroy'].map((name) => promisify(store[name]).bind(store));
    return {
      create: (key) => set(key, session),
      read: get,
      parse: get,
      write: (key, visits) => set(key, { ...session, visits }),
      destroy,
    };
  },
};

const store = await contenders[process.argv[2]]();
for (const key of keys) await store.create(key);

const works = {
  read: (index) => store.read(keys[index % HELD]),
  'read, all of it parsed': (index) => store.parse(keys[index % HELD]),
  'write one property': (index) => store.write(keys[index % HELD], index),
  create: (index) => store.create(`${index}`),
};

process.on('message', async ({ task }) => {
  if (!task) return;
  const { operation, count, inFlight } = task;
  const before = process.cpuUsage();
  const perSecond = await rate(count, inFlight, works[operation]);
  const { user, system } = process.cpuUsage(before);
  process.send({ figures: { perSecond, worker: user + system } });
  if (operation === 'create') await rate(count, 256, (index) => store.destroy(`${index}`));
  process.send({ done: true });
});
process.send({ done: true });
