import cluster, { type Worker } from 'node:cluster';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FEED_TIMEOUT } from 'nestjs-session-stores/store';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { Audit } from './audit.js';
import { WorkerStore, forkWorker, killWorker } from './worker.store.js';

const LONG = process.env['LONG'] !== undefined;
const TAG = 'nestjs-session-stores/cluster/1';

let stop: () => void;
let worker: Worker;
let store: WorkerStore;
let here: ClusterStore;

beforeEach(async () => {
  stop = serveSessions();
  worker = await forkWorker();
  store = new WorkerStore(worker, { timeout: 300 });
  here = new ClusterStore();
  await Promise.all([store.open(), here.open()]);
  await here.create(aRecord('k'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await killWorker(worker);
  await here.close();
  stop();
});

/** Counts the messages about feeds that the primary sends to the worker. */
function countEvents(): () => number {
  const sent = vi.spyOn(worker, 'send');
  return () => sent.mock.calls.filter(([message]) => typeof (message as unknown[])[2] === 'number').length;
}

async function change(): Promise<void> {
  await here.update(aRecord('k'), { set: { a: '2' } });
  for (let turn = 0; turn < 3; turn++) await setImmediate();
}

async function watching(): Promise<Audit> {
  const audit = new Audit();
  await store.watchReports(audit.add);
  return audit;
}

describe('the primary', () => {
  it('sends nothing to a worker that does not watch', async () => {
    const events = countEvents();
    await change();
    expect(events()).toBe(0);
  });

  it.each([
    ['closes its watch', async (close: () => void) => close()],
    ['closes its store', () => store.close()],
    ['was killed', () => killWorker(worker)],
  ])('forgets the watch of a worker that %s', async (_, end) => {
    const close = await store.watchReports(() => {});
    const events = countEvents();
    await change();
    expect(events()).toBe(1);
    await end(close);
    await eventually(async () => {
      const before = events();
      await change();
      expect(events()).toBe(before);
    });
  });

  it('announces what it did before it acknowledges it or anything later', () => {
    const sent: unknown[] = [];
    vi.spyOn(worker, 'send').mockImplementation((message) => sent.push(message) > 0);
    const deadline = Date.now() + 1000;
    const receive = (...calls: unknown[][]) => cluster.emit('message', worker, [TAG, 'x', 'sessions', calls]);
    receive([1, deadline, 'watch', 7], [2, deadline, 'update', 'k', { join: ['g'] }]);
    void here.update(aRecord('k'), { join: ['h'] });
    receive([3, deadline, 'destroy', 'k'], [4, deadline, 'probe', 7]);
    receive([5, deadline, 'probe', 8], [6, deadline, 'unwatch', 7], [7, deadline, 'probe', 7]);
    expect(sent).toEqual([
      [TAG, 'x', 7, [['k'], [], []]],
      [
        TAG,
        'x',
        [
          [1, undefined],
          [2, [expect.any(Number), 'secretHash']],
        ],
      ],
      [TAG, 'x', 7, [['k'], [], ['k']]],
      [
        TAG,
        'x',
        [
          [3, true],
          [4, undefined],
        ],
      ],
      [
        TAG,
        'x',
        [
          [5, null, 'Error: there is no such feed any more'],
          [6, undefined],
          [7, null, 'Error: there is no such feed any more'],
        ],
      ],
    ]);
  });

  it('announces the changes of a turn of the event loop in one message', async () => {
    await store.watchReports(() => {});
    const events = countEvents();
    for (let time = 0; time < 500; time++) void here.update(aRecord('k'), { set: { a: `${time}` } });
    await change();
    expect(events()).toBe(1);
  });

  it('merges what the channel does not take, and loses the feed if that is too much', async () => {
    const sent: unknown[] = [];
    const written: (() => void)[] = [];
    vi.spyOn(worker, 'send').mockImplementation((message, callback: unknown) => {
      written.push(callback as () => void);
      return sent.push(message) > 0;
    });
    const watch = [1, Date.now() + 1000, 'watch', 7];
    cluster.emit('message', worker, [TAG, 'x', 'sessions', [watch]]);
    for (let turn = 0; turn < 100; turn++) await change();
    expect(sent.length).toBe(1 + 64);
    written.at(-1)?.();
    expect(sent.length).toBe(1 + 65);

    for (let index = 0; index < 10_001; index++) await here.create(aRecord(`k${index}`, { groups: ['g'] }));
    await here.clear('g');
    await change();
    expect(sent.length).toBe(1 + 66);
    expect(sent.at(-1)).toEqual([TAG, 'x', 7, 'the worker does not read what is announced to it']);
  });

  it('opens no feed for a worker that has exited', async () => {
    const dead = worker;
    await killWorker(dead);
    const events = countEvents();
    cluster.emit('message', dead, [TAG, 'x', 'sessions', [[1, Date.now() + 1000, 'watch', 1]]]);
    await change();
    expect(events()).toBe(0);
  });
});

describe('a worker that watches', () => {
  it('hears `lost` when the primary stops serving, and `live` once it serves again', async () => {
    const audit = await watching();
    const finish = audit.keepEnding(here);
    await eventually(() => audit.ends > 5);
    stop();
    await eventually(() => expect(audit.course).toEqual(['live', 'lost']));
    expect(audit.reasons).toEqual(['the primary stopped serving sessions']);
    const ends = audit.ends;
    await eventually(() => audit.ends > ends + 5);
    stop = serveSessions();
    await eventually(() => expect(audit.course).toEqual(['live', 'lost', 'live']));
    await finish();
    await audit.end(here);
    await eventually(() => audit.isComplete);
    expect(audit.missed).toEqual([]);
    expect(audit.heard).toContain(`ended-${audit.ends - 1}`);
  });

  it('hears `lost` if the primary is frozen for longer than a probe may take, and misses nothing', async () => {
    const audit = await watching();
    for (let time = 0; time < 20; time++) await audit.end(here);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * FEED_TIMEOUT);
    await audit.end(here);
    await eventually(() => audit.isComplete);
    expect(audit.course).toEqual(['live', 'lost', 'live']);
    expect(audit.reasons).toEqual([`a probe had no response within ${FEED_TIMEOUT} ms`]);
    expect(audit.missed).toEqual([]);
  });

  it.runIf(LONG)('misses nothing while it is stopped', async () => {
    const audit = await watching();
    const finish = audit.keepEnding(here);
    for (const milliseconds of [FEED_TIMEOUT / 2, 3 * FEED_TIMEOUT, 3 * FEED_TIMEOUT]) {
      await wait(500);
      worker.process.kill('SIGSTOP');
      await wait(milliseconds);
      worker.process.kill('SIGCONT');
    }
    await wait(2 * FEED_TIMEOUT);
    await finish();
    await eventually(() => audit.isComplete);
    expect(audit.ends).toBeGreaterThan(500);
    expect(audit.missed).toEqual([]);
    expect(audit.course.at(-1)).toBe('live');
  });

  it('hears `lost` at once if the primary disconnects it', async () => {
    cluster.setupPrimary({
      exec: `${import.meta.dirname}/watching.worker.mjs`,
      args: [],
      execArgv: [],
      silent: true,
      serialization: 'json',
    });
    const watcher = cluster.fork();
    cluster.setupPrimary({ silent: false });
    let printed = '';
    watcher.process.stdout?.on('data', (text) => (printed += text));
    await eventually(() => printed.includes('live'));
    watcher.disconnect();
    await once(watcher.process, 'close');
    const [live, lost] = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(live).toEqual({ type: 'live' });
    expect(lost).toEqual({
      type: 'lost',
      reason: expect.stringMatching(/^the channel to the primary is closed/),
    });
  });

  it('hears `lost` if a message about its feed is malformed', async () => {
    const seen = once(cluster, 'message') as Promise<[Worker, [string, string, string, unknown[][]]]>;
    const audit = await watching();
    const [, [, from, , [call]]] = await seen;
    const feed = call?.at(-1);
    for (const other of [feed, 99]) worker.send([TAG, from, other, [['k'], 'x', []]]);
    await eventually(() => expect(audit.course).toEqual(['live', 'lost', 'live']));
    expect(audit.reasons).toEqual(['a message of the primary was malformed']);
  });

  it('cannot watch the sessions of a primary with an older version of this package', async () => {
    const serve = cluster.listeners('message').at(-1) as (worker: Worker, message: object) => void;
    cluster.off('message', serve);
    const older = (from: Worker, message: [string, string, string, unknown[][]]) => {
      for (const call of message[3] ?? []) if (call[2] === 'watch') call[2] = 'unheard of';
      serve(from, message);
    };
    cluster.on('message', older);
    try {
      await expect(store.watch(() => {})).rejects.toMatchObject({
        name: 'SessionStoreError',
        message: expect.stringMatching(/^\[session:cluster\] watch: the primary runs an older version/),
      });
      expect(await store.count()).toBe(1);
    } finally {
      cluster.off('message', older);
      cluster.on('message', serve);
    }
  });

  it("has a feed of its own sessions if it is the only instance under PM2's daemon", async () => {
    const env = { pm_id: '3', exec_mode: 'cluster_mode', instances: '1', NODE_APP_INSTANCE: '0' };
    const only = await forkWorker({}, env);
    try {
      const own = new WorkerStore(only);
      await own.open();
      const audit = new Audit();
      await own.watchReports(audit.add);
      await audit.end(own);
      await eventually(() => audit.isComplete);
      expect(audit.missed).toEqual([]);
      expect(audit.heard).toEqual(new Set(['ended-0']));
    } finally {
      await killWorker(only);
    }
  });
});

describe.runIf(LONG)('a worker that is stopped while sessions change 200 000 times', () => {
  const flood = async (sessions: number) => {
    const program = `${import.meta.dirname}/flood.process.mjs`;
    const args = ['--expose-gc', program, `${sessions}`];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return JSON.parse(stdout);
  };

  it('costs the primary little memory, and hears `lost` if too many sessions changed', async () => {
    const { rss, heap, sent, course } = await flood(20_000);
    expect(rss).toBeLessThan(30);
    expect(heap).toBeLessThan(10);
    expect(sent).toBeLessThan(300);
    expect(course).toEqual([
      { type: 'live' },
      { type: 'lost', reason: expect.any(String) },
      { type: 'live' },
    ]);
  });

  it('does not lose its feed if the changes are of few sessions', async () => {
    const { heap, sent, course } = await flood(100);
    expect(heap).toBeLessThan(10);
    expect(sent).toBeLessThan(300);
    expect(course[0]).toEqual({ type: 'live' });
    // On a slow machine a probe may have had no response.
    const reasons = course.map(({ reason }: { reason?: string }) => reason);
    expect(reasons).not.toContain('the worker does not read what is announced to it');
  });
});
