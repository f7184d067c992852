// The cache: requests that only read, on each store with and without it, beside no session and sessions in memory.
import { fork } from 'node:child_process';
import { connect } from 'node:net';
import { CachedStore } from 'nestjs-session-stores/store';
import { openStore } from '../test/stores/open.store.mjs';
import { alternate, rateWithin, rowsOf, summary } from './figures.mjs';
import { messageOf } from './frame/child.mjs';
import { aRecord } from './session.mjs';

export const title = 'The cache';
export const topic = 'requests';
export const how =
  'An Express app in a process of its own, whose 32 connections send GET requests of 100 sessions of 500 bytes. A session costs a read when it is first seen, after `maxAge`, and after each change.';

const CONNECTIONS = 32;
const SESSIONS = 100;

const stores = {
  redis: ['RedisStore', ({ url }) => ({ url })],
  mongo: ['MongoStore', ({ url }) => ({ uri: url })],
  hazelcast: [
    'HazelcastStore',
    ({ clusterName, members }) => ({ config: { clusterName, network: { clusterMembers: members } } }),
  ],
};

export async function run(bench) {
  const measures = [];
  for (const [word, [name, optionsOf]] of Object.entries(stores)) {
    const options = optionsOf(await bench.address(word));
    measures.push(...(await compare(word, name, options, bench)));
    bench.step(`${name}: how soon writes are heard of`);
    measures.push(await hear(word, name, options, bench));
  }
  return measures;
}

async function compare(word, name, options, { scale, step }) {
  const subjects = {};
  try {
    subjects['no session'] = await App.start('none', {}, '');
    subjects.ClusterStore = await App.start('cluster', {}, '');
    subjects[name] = await App.start(word, options, '');
    subjects[`${name} + cache`] = await App.start(word, options, 'cache');
    step(`${name}: requests`);
    const figures = await alternate(Object.keys(subjects), { rounds: scale(5, 3) }, (subject) =>
      subjects[subject].load(scale(1_500, 80)),
    );
    const about = { case: 'GET, a session that is read' };
    return [
      {
        name: `${word}-rates`,
        title: `${name} with the cache`,
        unit: 'requests/s',
        better: 'higher',
        chart: 'bars',
        rows: rowsOf(figures, 'perSecond', about),
      },
      {
        name: `${word}-cost`,
        title: `${name} with the cache: CPU time of the app`,
        unit: 'µs per request',
        better: 'lower',
        rows: rowsOf(figures, 'cpu', about),
      },
      {
        name: `${word}-calls`,
        title: `${name} with the cache: calls of the store`,
        unit: 'calls per 1,000 requests',
        better: 'lower',
        rows: rowsOf(figures, 'callsPer1000', about),
      },
    ];
  } finally {
    for (const app of Object.values(subjects)) app.stop();
  }
}

/** Measures how long a process serves a cached session after a write by another connection had resolved. */
async function hear(word, name, options, { scale }) {
  const open = async () => {
    const store = new CachedStore(await openStore(word, JSON.stringify(options)));
    await store.open();
    return store;
  };
  const [reader, writer] = await Promise.all([open(), open()]);
  const writes = {
    'a change': (id) => writer.update({ id }, { set: { visits: '1' } }),
    'a destroy': (id) => writer.destroy(id),
  };
  const rows = [];
  try {
    for (const [what, write] of Object.entries(writes)) {
      const figures = [];
      for (let time = 0; time < scale(500, 5); time++) {
        const record = aRecord();
        await writer.create(record);
        while (!reader.cached(record.id)) await reader.read(record.id);
        await write(record.id);
        const written = performance.now();
        while (reader.cached(record.id)) await new Promise(setImmediate);
        figures.push(performance.now() - written);
      }
      const sorted = figures.toSorted((one, other) => one - other);
      for (const share of [0.5, 0.99, 1]) {
        const value = sorted[Math.ceil(share * sorted.length) - 1];
        const about = { case: what, package: `${name} + cache`, variant: `${share * 100} % of writes` };
        rows.push({ ...about, ...summary([value]) });
      }
    }
  } finally {
    for (const store of [reader, writer]) await store.close();
  }
  return {
    name: `${word}-heard`,
    title: `${name} with the cache: until a write by another store is seen`,
    about:
      'Two stores in one process without load: how long the cache of one still has a session after a write by the other was acknowledged. Processes that are busy hear of it later.',
    unit: 'ms',
    better: 'lower',
    rows,
  };
}

/** An app in a process of its own, and its clients. */
class App {
  #cookies = [];
  #clients = [];

  static async start(word, options, cache) {
    const args = [word, JSON.stringify(options), cache];
    const env = { ...process.env, NODE_ENV: 'production' };
    const child = fork(`${import.meta.dirname}/http/cached.server.mjs`, args, { env });
    const { port } = await messageOf(child);
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

  async load(milliseconds) {
    const before = await this.#ask();
    const { count, perSecond } = await rateWithin(milliseconds, Infinity, CONNECTIONS, (index, lane) =>
      this.#clients[lane].get('/read', this.#cookies[index % SESSIONS]),
    );
    const after = await this.#ask();
    return {
      perSecond,
      callsPer1000: (1000 * (after.calls - before.calls)) / count,
      cpu: (after.cpu - before.cpu) / count,
    };
  }

  async #ask() {
    this.child.send('calls');
    return messageOf(this.child);
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
