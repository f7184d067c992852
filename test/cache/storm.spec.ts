import { fork, type ChildProcess } from 'node:child_process';
import cluster from 'node:cluster';
import { randomInt, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CachedStore, FEED_TIMEOUT } from 'nestjs-session-stores/store';
import { serveSessions } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { connect } from '../hazelcast/client.js';
import { Random } from '../http/random.js';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';
import { TcpProxy } from '../servers/tcp.proxy.mjs';
import { optionsOf, sharedStores } from './shared.stores.js';
import { disagreements, storm, type StormReport } from './storm.mjs';

const isLong = process.env['LONG'] !== undefined;
const DURATION = isLong ? 60_000 : 3000;
const stores = isLong ? sharedStores : sharedStores.filter(([word]) => word === 'redis');

interface Task {
  name: string;
  seed: number;
  duration: number;
}

/** One of two processes with cached stores. */
interface Side {
  storm(task: Task): Promise<StormReport>;
  disagreements(ids: string[]): Promise<{ differ: string[]; cached: number }>;
  /** What may happen to it at random. Each resolves when it is over. */
  faults: ((random: Random) => Promise<void>)[];
}

it.each(stores)(
  'in a storm on the store %s, nothing is served later than the bound after a destroy, and cache and store agree at the end',
  async (word) => {
    const seed = Number(process.env['STORM_SEED'] ?? randomInt(2 ** 31));
    console.log(`storm on ${word}: STORM_SEED=${seed}`);
    const namespace = randomUUID();
    // The sessions of a cluster stay in the primary, which is not stopped.
    const sides =
      word === 'cluster'
        ? [await worker(namespace), await worker(namespace)]
        : [await here(word, namespace), await there(word, namespace)];
    const storms = sides.map((side, at) =>
      side.storm({ name: `p${at}`, seed: seed + at, duration: DURATION }),
    );
    const random = new Random(seed);
    const storming = new AbortController();
    const { signal } = storming;
    const disturbing = Promise.all(
      sides.map(async ({ faults }) => {
        while (!signal.aborted) {
          await wait(random.between(1000, 4000));
          if (faults.length > 0 && !signal.aborted) await random.pick(faults)(random);
        }
      }),
    );
    const reports = await Promise.all(storms);
    storming.abort();
    await disturbing;

    const late = servedLate(reports);
    const hits = reports.map(({ count }) => count);
    expect({ seed, late }).toEqual({ seed, late: [] });
    expect(Math.min(...hits)).toBeGreaterThan(0);
    const ids = reports.flatMap(({ created }) => created.map(([id]) => id).slice(-300));
    for (const side of sides) {
      // Of what the storm has left in the cache, and of what these reads have put there.
      for (let look = 0; look < 2; look++)
        expect({ seed, look, ...(await side.disagreements(ids)) }).toMatchObject({ seed, look, differ: [] });
    }
  },
  DURATION + 60_000,
);

/** The sessions that were found in a cache later than the bound after their end had resolved anywhere. */
function servedLate(reports: StormReport[]): { id: string; after: number }[] {
  const created = new Map(reports.flatMap((report) => report.created));
  const ended = new Map<string, number>();
  const end = (id: string, at: number): void => void ended.set(id, Math.min(at, ended.get(id) ?? Infinity));
  for (const { destroyed, cleared } of reports) {
    for (const [id, at] of destroyed) end(id, at);
    for (const { group, calledAt, doneAt } of cleared)
      for (const [id, at] of created) if (id.startsWith(`${group}-`) && at < calledAt) end(id, doneAt);
  }
  return reports
    .flatMap(({ hits }) => hits)
    .map(([id, at]) => ({ id, after: at - (ended.get(id) ?? Infinity) }))
    .filter(({ after }) => after > FEED_TIMEOUT);
}

/** A side in this process, whose connections are cut and held where there is a proxy for that. */
async function here(word: string, namespace: string): Promise<Side> {
  const faults: Side['faults'] = [];
  let inner = sharedStores.find(([one]) => one === word)![1](namespace);
  const cutAndHold = (proxy: { cut(): unknown; hold(): void; release(): void }): Side['faults'] => [
    async () => void proxy.cut(),
    async (random) => {
      proxy.hold();
      await wait(random.between(0, 3 * FEED_TIMEOUT));
      proxy.release();
    },
  ];
  if (word === 'redis') {
    const { hostname: host, port } = new URL(inject('redis').url);
    const proxy = await TcpProxy.to({ host, port: Number(port) });
    onTestFinished(() => proxy.close());
    inner = new RedisStore({ url: `redis://${proxy.host}:${proxy.port}`, prefix: `${namespace}:` });
    faults.push(...cutAndHold(proxy));
  }
  if (word === 'mongo') {
    const { hostname: host, port } = new URL(inject('mongo').url);
    const proxy = await TcpProxy.to({ host, port: Number(port) });
    onTestFinished(() => proxy.close());
    // Otherwise the driver would contact the server by the address that it has in its replica set.
    const uri = `mongodb://${proxy.host}:${proxy.port}/?directConnection=true`;
    inner = new MongoStore({ uri, collection: namespace });
    faults.push(...cutAndHold(proxy));
  }
  if (word === 'hazelcast') {
    const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
    const client = await connect({ clusterMembers: [proxy.address], smartRouting: false });
    onTestFinished(async () => {
      await client.shutdown();
      await proxy.close();
    });
    inner = new HazelcastStore({ client, prefix: `${namespace}:` });
    faults.push(async () => proxy.cut());
  }
  const store = new CachedStore(inner);
  await store.open();
  onTestFinished(() => store.close());
  return {
    storm: (task) => storm(store, task),
    disagreements: (ids) => disagreements(store, ids),
    faults,
  };
}

/** A side in a process of its own. */
function there(word: string, namespace: string): Promise<Side> {
  return sideOf(fork(program, argumentsOf(word, namespace), { execArgv: [] }));
}

/** A side in a worker of a cluster, of which this process is the primary. */
function worker(namespace: string): Promise<Side> {
  onTestFinished(serveSessions());
  cluster.setupPrimary({ exec: program, args: argumentsOf('cluster', namespace), execArgv: [] });
  return sideOf(cluster.fork().process);
}

const program = join(import.meta.dirname, 'storm.process.mjs');

function argumentsOf(word: string, namespace: string): string[] {
  return [word, JSON.stringify(optionsOf[word]!(namespace))];
}

/** The side that a process is, which is stopped and continued. */
async function sideOf(child: ChildProcess): Promise<Side> {
  onTestFinished(() => void child.kill('SIGKILL'));
  await resultOf(child);
  const ask = async <T>(task: object): Promise<T> => {
    child.send(task);
    return resultOf<T>(child);
  };
  return {
    storm: (task) => ask<StormReport>({ storm: task }),
    disagreements: (ids) => ask({ disagreements: ids }),
    faults: [
      async (random) => {
        child.kill('SIGSTOP');
        await wait(random.between(0, 3 * FEED_TIMEOUT));
        child.kill('SIGCONT');
      },
    ],
  };
}

/** The next result that a process sends. Its other messages are those of the store of a cluster. */
function resultOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => {
    const listener = ({ result }: { result?: T }): void => {
      if (result === undefined) return;
      child.off('message', listener);
      resolve(result);
    };
    child.on('message', listener);
  });
}
