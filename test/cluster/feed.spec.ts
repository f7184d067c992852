import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import { FEED_TIMEOUT, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { Endings } from '../stores/endings.js';
import { FeedLedger } from '../stores/feed.ledger.js';
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

/** A watcher in a worker, and what ends sessions of the same store. */
async function watching(
  watched = store,
  writer: SessionStore = here,
): Promise<{ ledger: FeedLedger; endings: Endings }> {
  const ledger = await FeedLedger.ofReports((report) => watched.watchReports(report), watched.capabilities);
  return { ledger, endings: new Endings(writer, [ledger]) };
}

/** Leaves the primary time for its worker. */
const PACE = { pause: 5 };

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
    const { ledger, endings } = await watching();
    const stopAndServe = async () => {
      await endings.more(5);
      stop();
      await eventually(() => expect(ledger.course).toEqual(['live', 'lost']));
      expect(ledger.losses).toEqual(['the primary stopped serving sessions']);
      await endings.more(5);
      stop = serveSessions();
      await eventually(() => expect(ledger.course).toEqual(['live', 'lost', 'live']));
    };
    await endings.during(stopAndServe(), PACE);
    const last = await endings.end();
    await ledger.expectNothingSkipped();
    expect(ledger.hasHeard(last)).toBe(true);
  });

  it('hears `lost` if the primary is frozen for longer than a probe may take, and misses nothing', async () => {
    const { ledger, endings } = await watching();
    for (let time = 0; time < 20; time++) await endings.end();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * FEED_TIMEOUT);
    await endings.end();
    await ledger.expectNothingSkipped();
    expect(ledger.course).toEqual(['live', 'lost', 'live']);
    expect(ledger.losses).toEqual([`a probe had no response within ${FEED_TIMEOUT} ms`]);
  });

  it.runIf(LONG)('misses nothing while it is stopped', async () => {
    const { ledger, endings } = await watching();
    const stopAndContinue = async () => {
      for (const milliseconds of [FEED_TIMEOUT / 2, 3 * FEED_TIMEOUT, 3 * FEED_TIMEOUT]) {
        await wait(500);
        worker.process.kill('SIGSTOP');
        await wait(milliseconds);
        worker.process.kill('SIGCONT');
      }
      await wait(2 * FEED_TIMEOUT);
    };
    await endings.during(stopAndContinue(), PACE);
    await ledger.expectNothingSkipped();
    expect(endings.acknowledged).toBeGreaterThan(500);
    expect(ledger.course.at(-1)).toBe('live');
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
    const { ledger } = await watching();
    const [, [, from, , [call]]] = await seen;
    const feed = call?.at(-1);
    for (const other of [feed, 99]) worker.send([TAG, from, other, [['k'], 'x', []]]);
    await eventually(() => expect(ledger.course).toEqual(['live', 'lost', 'live']));
    expect(ledger.losses).toEqual(['a message of the primary was malformed']);
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
      const { ledger, endings } = await watching(own, own);
      const last = await endings.end();
      await ledger.expectNothingSkipped();
      expect(ledger.events).toEqual([{ type: 'live' }, { type: 'ended', ids: [last] }]);
    } finally {
      await killWorker(only);
    }
  });
});
