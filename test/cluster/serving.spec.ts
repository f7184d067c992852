import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { SessionStoreError } from 'nestjs-session-stores';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { WorkerStore, forkWorker, killWorker } from './worker.store.js';

const missing = (operation: string, timeout: number) => ({
  name: 'SessionStoreError',
  message: `[session:cluster] ${operation}: timed out after ${timeout} ms. Does the primary call serveSessions() before it forks?`,
  status: 503,
});

describe('a worker whose primary', () => {
  const workers: Worker[] = [];
  const stops: (() => void)[] = [];
  afterEach(async () => {
    for (const worker of workers.splice(0)) await killWorker(worker);
    for (const stop of stops.splice(0)) stop();
  });
  const fork = async (settings = {}, env = {}) => {
    const worker = await forkWorker(settings, env);
    workers.push(worker);
    return worker;
  };

  it('never serves rejects the open at its deadline, naming the missing call', async () => {
    const store = new WorkerStore(await fork(), { timeout: 150 });
    const start = performance.now();
    await expect(store.open()).rejects.toMatchObject(missing('open', 150));
    expect(performance.now() - start).toBeGreaterThan(140);
    await expect(store.read('k')).rejects.toMatchObject({ message: expect.stringMatching(/not open/) });
  });

  /** As PM2 7 sets the environment of an instance in its cluster mode. */
  const underPm2 = (instances: number, instance: number) =>
    fork(
      {},
      { pm_id: '3', exec_mode: 'cluster_mode', instances: `${instances}`, NODE_APP_INSTANCE: `${instance}` },
    );

  it("is PM2's daemon has its own sessions, if it is the only instance", async () => {
    const worker = await underPm2(1, 0);
    const [store, other] = [new WorkerStore(worker, { timeout: 150 }), new WorkerStore(worker)];
    await Promise.all([store.open(), other.open()]);
    await store.create(aRecord('k'));
    expect(await other.read('k')).toMatchObject({ id: 'k' });
    await other.close();
    expect(await store.count()).toBe(1);
  });

  it.each([
    [2, 0],
    [1, 1],
  ])(
    "is PM2's daemon rejects the open at once, with what to do, if %i instances were started and it is number %i",
    async (instances, instance) => {
      const store = new WorkerStore(await underPm2(instances, instance), { timeout: 20_000 });
      await expect(store.open()).rejects.toMatchObject({
        message: expect.stringMatching(/^\[session:cluster\] open: the primary is PM2's daemon.+RedisStore/),
      });
    },
  );

  it('starts serving later resolves an earlier open and runs earlier calls once', async () => {
    const heard: unknown[] = [];
    const listen = (_: unknown, message: unknown) => heard.push(message);
    const calls = () => heard.flatMap((message) => (Array.isArray(message) ? message[3] : []));
    cluster.on('message', listen);
    const store = new WorkerStore(await fork());
    const results = [store.open(), store.create(aRecord('k')), store.count()];
    // Two turns: anything that the calls sent in the first would have arrived in the second.
    for (const word of ['one', 'two']) {
      store.say(word);
      await eventually(() => heard.includes(word));
    }
    expect(heard.filter(Array.isArray), 'a greeting').toHaveLength(1);
    expect(calls()).toEqual([]);
    stops.push(serveSessions());
    expect(await Promise.all(results)).toEqual([undefined, true, 1]);
    expect(calls()).toHaveLength(2);
    cluster.off('message', listen);
  });

  it('stops serving and serves again works again, without running a call twice or late', async () => {
    const worker = await fork();
    const stop = serveSessions();
    const store = new WorkerStore(worker, { timeout: 150 });
    const keeper = new ClusterStore();
    await keeper.open();
    await store.open();
    stop();
    await expect(store.create(aRecord('k'))).rejects.toMatchObject(missing('create', 150));
    stops.push(serveSessions());
    expect(await store.read('k')).toBeUndefined();
    await store.create(aRecord('k'));
    expect(await keeper.count()).toBe(1);
    await keeper.close();
  });

  it('disconnects it rejects its calls at once, pending and new ones', async () => {
    stops.push(serveSessions());
    cluster.setupPrimary({
      exec: `${import.meta.dirname}/let-go.worker.mjs`,
      args: [],
      execArgv: [],
      silent: true,
      serialization: 'json',
    });
    const worker = cluster.fork();
    workers.push(worker);
    let printed = '';
    worker.process.stdout?.on('data', (text) => (printed += text));
    const heard: object[] = [];
    worker.on('message', (message: object) => heard.push(message));
    await eventually(() => heard.some((message) => 'ready' in message));
    for (const stop of stops.splice(0)) stop();
    worker.send('ask');
    await eventually(() => heard.some((message) => 'asked' in message));
    worker.disconnect();
    await once(worker.process, 'close');

    const reports = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(reports.map(({ call }) => call).toSorted()).toEqual(['new', 'pending']);
    for (const { name, message } of reports) {
      expect(name).toBe(SessionStoreError.name);
      expect(message).toMatch(/read: the channel to the primary is closed/);
    }
    cluster.setupPrimary({ silent: false });
  });

  it('does not serve cannot serve in its place', async () => {
    const store = new WorkerStore(await fork(), { timeout: 150 });
    await expect(store.serve()).rejects.toMatchObject({
      message: expect.stringMatching(/Call it in the primary/),
    });
  });
});
