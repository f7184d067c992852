// The memory that a session takes: in the process that holds the sessions of an app, in its workers, and in servers.
import mongoose from 'mongoose';
import { Redis } from 'ioredis';
import { startHazelcast } from '../test/servers/hazelcast.mjs';
import { App } from './apps/app.mjs';
import { Browser } from './apps/browser.mjs';
import { rate, summary } from './figures.mjs';
import { anId, bytes } from './session.mjs';
import { javaHeap, mongoMemory, redisMemory } from './stores/memory.mjs';

export const title = 'Memory of a session';
export const topic = 'memory';
export const how = `In processes of an app: what the heap grows by after a collection, per session of 700 bytes. In servers: what they report per session, which is in the group of its user, of ${bytes} bytes, indexes included; for MongoDB uncompressed; for Hazelcast, the heaps of both members after a collection, with the backup.`;

export async function run(bench) {
  return [await inProcesses(bench), await inServers(bench)];
}

/** The package, the number of the app's processes, the backend, and whether each session is read once. */
const apps = [
  ['MemoryStore', 1, 'memory'],
  ['memorystore', 1, 'memory'],
  ['@fastify/session', 1, 'memory'],
  ['ClusterStore', 1, 'memory'],
  ['strong-cluster-express-store', 2, 'memory'],
  ['ClusterStore', 2, 'memory'],
  ['RedisStore', 1, 'redis'],
  ['RedisStore + cache', 1, 'redis'],
];

async function inProcesses({ scale, step, address }) {
  const count = scale(9_000, 1_000);
  const rows = { alone: [], primary: [], worker: [], none: [] };
  for (const [name, processes, backend] of apps) {
    step(`${name}, ${processes === 1 ? 'one process' : 'two workers'}`);
    const about = { address: await address(backend), size: 700, processes, heap: true };
    const heaps = [];
    for (let round = 0; round < scale(3, 1); round++) heaps.push(await heapsOf(name, about, count, scale));
    const row = (which) => ({ package: name, ...summary(heaps.map(({ [which]: each }) => each)) });
    if (backend !== 'memory')
      rows.none.push({ ...row('heap'), case: 'a process whose sessions are in Redis' });
    else if (processes === 1) rows.alone.push({ ...row('heap'), case: 'a process that holds its sessions' });
    else {
      rows.primary.push({ ...row('heap'), case: 'a primary' });
      rows.worker.push({ ...row('workerHeap'), case: 'the larger of its workers' });
    }
  }
  return {
    name: 'processes',
    title: 'In the processes of an app',
    about: `After ${count.toLocaleString('en')} sessions began and each was read once. By default the cache keeps 10,000 at most.`,
    unit: 'bytes per session',
    better: 'lower',
    chart: 'bars',
    rows: Object.values(rows).flat(),
  };
}

async function heapsOf(name, about, count, scale) {
  const app = await App.start(name, about);
  const browsers = Array.from({ length: 32 }, () => new Browser(app.urls));
  const begin = (many) =>
    rate(many, browsers.length, async (_, lane) => {
      const cookies = new Map();
      await browsers[lane].get('/login', { cookies });
      await browsers[lane].get('/read', { cookies });
    });
  try {
    // What the first sessions make it allocate is not theirs.
    await begin(scale(1_000, 200));
    const before = await app.figures();
    await begin(count);
    const after = await app.figures();
    const per = (key) => Math.max(0, (after[key] - before[key]) / count);
    return { heap: per('heap'), workerHeap: after.workerHeap === undefined ? undefined : per('workerHeap') };
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
    app.stop();
  }
}

async function inServers({ scale, step, address }) {
  const count = scale(50_000, 2_000);
  const rows = [];
  for (const { where, open } of [
    { where: 'Redis', open: async () => inRedis((await address('redis')).url) },
    { where: 'MongoDB', open: async () => inMongo((await address('mongo')).url) },
    { where: 'two members of Hazelcast', open: inHazelcast },
  ]) {
    const { stores, at, size, close } = await open();
    try {
      for (const [name, start] of Object.entries(stores)) {
        step(name);
        const contender = await start(at);
        try {
          await contender.clear?.();
          const empty = await size();
          await rate(count, 64, (index) => contender.create(anId(), [`user ${index}`]));
          const each = ((await size()) - empty) / count;
          rows.push({ case: where, package: name, ...summary([each]) });
          await contender.clear?.();
        } finally {
          await contender.close();
        }
      }
    } finally {
      await close();
    }
  }
  return {
    name: 'servers',
    title: 'In the servers',
    about: `${count.toLocaleString('en')} sessions.`,
    unit: 'bytes per session',
    better: 'lower',
    chart: 'bars',
    rows,
  };
}

async function inRedis(url) {
  const { stores } = await import('./stores/redis.mjs');
  const client = new Redis(url);
  const size = () => redisMemory(client);
  return { stores, at: { url }, size, close: async () => client.disconnect() };
}

async function inMongo(url) {
  const { stores } = await import('./stores/mongo.mjs');
  const client = await mongoose.mongo.MongoClient.connect(url);
  const size = () => mongoMemory(client.db());
  return { stores, at: { url }, size, close: () => client.close() };
}

/** On members of its own, whose processes are known. */
async function inHazelcast() {
  const { stores } = await import('./stores/hazelcast.mjs');
  const { clusterName, addresses, members, stop } = await startHazelcast({ members: 2, heap: '1000m' });
  const size = async () => {
    const heaps = await Promise.all(members.map(({ pid }) => javaHeap(pid)));
    return heaps.reduce((sum, heap) => sum + heap);
  };
  return { stores, at: { clusterName, members: addresses }, size, close: stop };
}
