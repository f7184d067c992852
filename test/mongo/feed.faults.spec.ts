import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { FEED_TIMEOUT, type SessionFeedEvent } from 'nestjs-session-stores/store';
import type { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { command, startMongoSet } from '../servers/mongo.mjs';
import type { MongoSet } from '../servers/mongo.set.mjs';
import type { Server } from '../servers/server.mjs';
import { listening, opened, type Ear } from './ear.js';
import { SlowMongoSet, fetches, roleOf } from './slow.set.js';

const LONG = process.env['LONG'] !== undefined;
const { url } = inject('mongo');

/** Destroys sessions one after another, and tells an ear of each that was acknowledged. */
class Endings {
  acknowledged = 0;
  #isOver = false;
  readonly #done: Promise<unknown>;

  constructor(
    private readonly store: MongoStore,
    private readonly ear: Ear,
  ) {
    this.#done = Promise.all([1, 2].map(() => this.#client()));
  }

  /** Waits for some more. */
  async more(count: number): Promise<void> {
    const before = this.acknowledged;
    await eventually(() => this.acknowledged >= before + count, { within: 30_000 });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #client(): Promise<void> {
    while (!this.#isOver) {
      const id = randomUUID();
      try {
        await this.store.create(aRecord(id));
        const begun = performance.now();
        await this.store.destroy(id);
        this.ear.ended(id, begun);
      } catch {
        continue;
      }
      this.acknowledged++;
    }
  }
}

/** Asserts that a watcher misses no acknowledged end during a fault, unless it has lost the feed. */
async function missesNothing(
  uri: string,
  fault: (endings: Endings, ear: Ear) => Promise<void>,
): Promise<Ear> {
  const writer = await opened({ uri });
  const ear = await listening(await opened({ uri }));
  const endings = new Endings(writer, ear);
  try {
    await endings.more(20);
    await fault(endings, ear);
    await ear.complete();
    await endings.more(20);
  } finally {
    await endings.stop();
  }
  await ear.complete();
  expect(ear.skipped).toEqual([]);
  const id = randomUUID();
  await writer.create(aRecord(id));
  await writer.destroy(id);
  await ear.complete();
  expect(ear.hasHeard(id)).toBe(true);
  return ear;
}

async function aSet(size: number): Promise<MongoSet> {
  const set = await startMongoSet({ size });
  onTestFinished(() => set.stop());
  return set;
}

const faults: [string, (primary: Server) => Promise<unknown>][] = [
  ['steps down', stepDown],
  ['is killed', (primary) => primary.kill()],
  ['is frozen', (primary) => primary.freeze()],
];

describe('a watcher misses no end, unless it loses the feed,', () => {
  it.runIf(LONG).each(faults)(
    'when the primary of three %s',
    async (_, fail) => {
      const set = await aSet(3);
      for (let time = 0; time < 3; time++) {
        await missesNothing(set.url, async (endings) => {
          const primary = await set.primary();
          try {
            await fail(primary);
            await endings.more(50);
          } finally {
            await primary.thaw();
            if (primary.pid === undefined) await primary.start();
          }
          await set.ready();
        });
      }
    },
    240_000,
  );

  it.runIf(LONG).each([
    ['is killed', (server: Server) => server.kill()],
    ['is frozen', (server: Server) => server.freeze()],
  ])(
    'when the only server %s',
    async (_, fail) => {
      const set = await aSet(1);
      const [server] = set.nodes;
      const ear = await missesNothing(set.url, async (_endings, watcher) => {
        await fail(server!);
        await eventually(() => watcher.reasons.length > 0);
        await server!.thaw();
        if (server!.pid === undefined) await server!.start();
        await set.ready();
      });
      expect(ear.reasons.length).toBeGreaterThan(0);
    },
    60_000,
  );

  it.runIf(LONG)(
    'when all connections are cut',
    async () => {
      const set = await SlowMongoSet.start();
      onTestFinished(() => set.stop());
      const { primary } = await set.roles();
      const ear = await missesNothing(set.url, async (endings, watcher) => {
        for (let time = 1; time <= 5; time++) {
          primary.link.cut();
          await endings.more(10);
          await watcher.complete();
        }
      });
      expect(ear.reasons.length).toBeGreaterThan(0);
    },
    60_000,
  );

  it.runIf(LONG)(
    'when the primary steps down and then lags',
    async () => {
      const set = await SlowMongoSet.start();
      onTestFinished(() => set.stop());
      const { primary } = await set.roles();
      const ear = await missesNothing(set.url, async (endings) => {
        await fetches(primary, false);
        await stepDown(primary.server);
        await eventually(async () => (await roleOf(primary)) === 'secondary', { within: 20_000 });
        await endings.more(100);
        await fetches(primary, true);
      });
      expect(ear.reasons.length).toBeGreaterThan(0);
    },
    60_000,
  );
});

it.runIf(LONG)(
  'a watcher loses the feed when the primary has lost its majority, even if the primary does not know it yet',
  async () => {
    const set = await aSet(3);
    const primary = await set.primary();
    const { config } = await command(primary.url, { replSetGetConfig: 1 });
    config.version++;
    config.settings.electionTimeoutMillis = 30_000;
    await command(primary.url, { replSetReconfig: config });
    const ear = await listening(await opened({ uri: set.url }));
    await ear.complete();
    const secondaries = set.nodes.filter((node) => node !== primary);
    // Without writes there is nothing that only the primary has.
    for (const secondary of secondaries) await secondary.freeze();
    await eventually(() => ear.reasons.length > 0, { within: 5_000 });
    expect(await command(primary.url, { hello: 1 })).toMatchObject({ isWritablePrimary: true });
    for (const secondary of secondaries) await secondary.thaw();
    await ear.complete();
  },
  60_000,
);

function stepDown({ url: address }: Server): Promise<unknown> {
  // The command waits for a secondary to catch up, and fails if none does.
  const order = { replSetStepDown: 5, secondaryCatchUpPeriodSecs: 2 };
  return eventually(() => command(address, order, 'admin', 10_000), { within: 30_000 });
}

describe('a process that watches', () => {
  it.runIf(LONG)(
    'and is stopped for a while never counts as complete beyond what it has heard',
    async () => {
      const collection = randomUUID();
      const writer = await opened({ uri: url, collection });
      const file = new URL('watch.process.mjs', import.meta.url);
      const child = fork(file, [JSON.stringify({ uri: url, collection })], { execArgv: [] });
      onTestFinished(() => void child.kill('SIGKILL'));
      const heard = new Set<string>();
      const ends = new Map<string, { begun: number; acknowledged: number }>();
      const skipped = new Set<string>();
      let liveSince = Infinity;
      let completeUntil = -Infinity;
      child.on('message', (report: Report) => {
        for (const { event, at } of report.news) {
          if (event.type === 'live') liveSince = at;
          if (event.type === 'ended') for (const id of event.ids) heard.add(id);
        }
        // JSON has no -Infinity.
        completeUntil = report.completeUntil ?? -Infinity;
        for (const [id, { begun, acknowledged }] of ends)
          if (begun > liveSince && completeUntil > acknowledged + CLOCKS && !heard.has(id)) skipped.add(id);
      });
      const end = async (): Promise<void> => {
        const id = randomUUID();
        await writer.create(aRecord(id));
        const begun = epoch();
        await writer.destroy(id);
        ends.set(id, { begun, acknowledged: epoch() });
      };
      await eventually(() => completeUntil > -Infinity);
      for (let time = 0; time < 3; time++) {
        child.kill('SIGSTOP');
        const until = epoch() + 3 * FEED_TIMEOUT;
        while (epoch() < until) await end();
        child.kill('SIGCONT');
        const continuedAt = epoch();
        await eventually(async () => {
          await end();
          return completeUntil > continuedAt;
        });
      }
      expect([...skipped]).toEqual([]);
    },
    60_000,
  );
});

/** What the process reports. Instants are epoch milliseconds. */
interface Report {
  completeUntil: number | null;
  news: { at: number; event: SessionFeedEvent }[];
}

/** By how much the clocks of two processes may differ, in milliseconds. */
const CLOCKS = 5;

const epoch = (): number => performance.timeOrigin + performance.now();
