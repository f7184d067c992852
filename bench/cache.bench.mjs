// The cache: requests that only read, on each store with and without it, beside no session and sessions in memory.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { startHazelcast } from '../test/servers/hazelcast.mjs';
import { startMongoSet } from '../test/servers/mongo.mjs';
import { startRedis } from '../test/servers/redis.mjs';
import { CachedStore } from 'nestjs-session-stores/store';
import { openStore } from '../test/stores/open.store.mjs';
import { rateWithin, summary, table, thousands } from './figures.mjs';
import { aRecord } from './session.mjs';

export const title = 'Cache: GET requests of 100 sessions in one Express process, 32 connections';

const ROUNDS = 5;
const MILLISECONDS = 1500;
const CONNECTIONS = 32;
const SESSIONS = 100;
const WRITES = 500;

const backends = {
  async redis() {
    const server = await startRedis();
    return { options: { url: server.url }, stop: () => server.stop() };
  },
  async mongo() {
    const server = await startMongoSet();
    return { options: { uri: server.url }, stop: () => server.stop() };
  },
  async hazelcast() {
    const cluster = await startHazelcast({ members: 2 });
    const network = { clusterMembers: cluster.addresses };
    return {
      options: { config: { clusterName: cluster.clusterName, network } },
      stop: () => cluster.stop(),
    };
  },
};

export async function run() {
  console.log(
    `Median (lowest–highest) of ${ROUNDS} alternating rounds; the load comes from another process; Node ${process.version}, ${availableParallelism()} processors.\n`,
  );
  for (const [word, start] of Object.entries(backends)) {
    const { options, stop } = await start();
    try {
      await compare(word, options);
      await hear(word, options);
    } finally {
      await stop();
    }
  }
}

async function compare(word, options) {
  const subjects = {
    'no session': await App.start('none', {}, ''),
    'ClusterStore in memory': await App.start('cluster', {}, ''),
    [word]: await App.start(word, options, ''),
    [`${word}, cache`]: await App.start(word, options, 'cache'),
  };
  const figures = new Map(Object.keys(subjects).map((name) => [name, { rates: [], calls: [], cpus: [] }]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, app] of Object.entries(subjects).toSorted(() => (round % 2 ? 1 : -1))) {
      const { perSecond, callsPer1000, cpu } = await app.load();
      if (round < 0) continue;
      figures.get(name).rates.push(perSecond);
      figures.get(name).calls.push(callsPer1000);
      figures.get(name).cpus.push(cpu);
    }
  }
  const median = (name) => summary(figures.get(name).rates).median;
  table(
    ['app', 'requests/s', '/ in memory', '/ no session', 'CPU µs', 'store calls per 1 000 requests'],
    [...figures].map(([name, { rates, calls, cpus }]) => {
      const { median: own, low, high } = summary(rates);
      return [
        name,
        `${thousands(own)} (${thousands(low)}–${thousands(high)})`,
        (own / median('ClusterStore in memory')).toFixed(2),
        (own / median('no session')).toFixed(2),
        summary(cpus).median.toFixed(0),
        summary(calls).median.toFixed(1),
      ];
    }),
  );
  console.log('');
  for (const app of Object.values(subjects)) app.stop();
}

/** Prints how long a process serves a cached session after a write by another connection had resolved. */
async function hear(word, options) {
  const stores = [0, 1].map(async () => {
    const store = new CachedStore(await openStore(word, JSON.stringify(options)));
    await store.open();
    return store;
  });
  const [reader, writer] = await Promise.all(stores);
  const writes = {
    'a change': (id) => writer.update({ id }, { set: { visits: '1' } }),
    'a destroy': (id) => writer.destroy(id),
  };
  const rows = [];
  for (const [name, write] of Object.entries(writes)) {
    const figures = [];
    for (let time = 0; time < WRITES; time++) {
      const record = aRecord();
      await writer.create(record);
      while (!reader.cached(record.id)) await reader.read(record.id);
      await write(record.id);
      const written = performance.now();
      while (reader.cached(record.id)) await new Promise(setImmediate);
      figures.push(performance.now() - written);
    }
    const sorted = figures.toSorted((one, other) => one - other);
    const at = (share) => sorted[Math.ceil(share * sorted.length) - 1].toFixed(1);
    rows.push([name, at(0.5), at(0.99), at(1)]);
  }
  console.log(`How long a cached session is served after a write to ${word} by another connection, in ms.\n`);
  table(['write', 'median', '99 %', `most of ${WRITES}`], rows);
  console.log('');
  for (const store of [reader, writer]) await store.close();
}

/** An app in a process of its own, and its clients. */
class App {
  #cookies = [];
  #clients = [];

  static async start(word, options, cache) {
    const args = [word, JSON.stringify(options), cache];
    const env = { ...process.env, NODE_ENV: 'production' };
    const child = fork(`${import.meta.dirname}/http/cached.server.mjs`, args, { env });
    const [{ port }] = await once(child, 'message');
    const app = new App(child);
    for (let session = 0; session < SESSIONS; session++) {
      const { headers } = await fetch(`http://127.0.0.1:${port}/login`, { method: 'POST' });
      app.#cookies.push(headers.getSetCookie()[0]?.split(';')[0] ?? '');
    }
    app.#clients = Array.from({ length: CONNECTIONS }, () => new Client(port));
    return app;
  }

  constructor(child) {
    this.child = child;
  }

  async load() {
    const before = await this.#ask();
    const free = [...this.#clients];
    const { count, perSecond } = await rateWithin(MILLISECONDS, Infinity, CONNECTIONS, async (index) => {
      const client = free.pop();
      await client.get('/read', this.#cookies[index % SESSIONS]);
      free.push(client);
    });
    const after = await this.#ask();
    return {
      perSecond,
      callsPer1000: (1000 * (after.calls - before.calls)) / count,
      cpu: (after.cpu - before.cpu) / count,
    };
  }

  async #ask() {
    this.child.send('calls');
    const [answer] = await once(this.child, 'message');
    return answer;
  }

  stop() {
    for (const client of this.#clients) client.close();
    this.child.kill();
  }
}

const BODY = '{"user":"ann"}';

/** A connection that sends one request after another. Node's own client takes as much time as the app. */
class Client {
  #text = '';
  #done;

  constructor(port) {
    this.socket = connect(port, '127.0.0.1').setNoDelay();
    this.socket.setEncoding('latin1').on('data', (text) => {
      this.#text += text;
      if (!this.#text.endsWith(BODY)) return;
      this.#text = '';
      this.#done();
    });
  }

  get(path, cookie) {
    return new Promise((resolve) => {
      this.#done = resolve;
      this.socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nCookie: ${cookie}\r\n\r\n`);
    });
  }

  close() {
    this.socket.destroy();
  }
}
