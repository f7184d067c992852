import { randomUUID } from 'node:crypto';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { command, startMongoSet } from '../servers/mongo.mjs';
import type { MongoSet } from '../servers/mongo.set.mjs';
import type { Server } from '../servers/server.mjs';
import { expectNothingSkipped, type Endings } from '../stores/endings.js';
import { FeedLedger } from '../stores/feed.ledger.js';
import { expectNothingSkippedWhileStopped } from '../stores/stopped.watcher.js';
import { opened } from './opened.js';
import { SlowMongoSet, fetches, roleOf } from './slow.set.js';

const LONG = process.env['LONG'] !== undefined;
const { url } = inject('mongo');

/** Asserts that a watcher skips nothing during a fault. Resolves to its ledger. */
async function skipsNothing(
  uri: string,
  fault: (endings: Endings, ledger: FeedLedger) => Promise<void>,
): Promise<FeedLedger> {
  const writer = await opened({ uri });
  const ledger = await FeedLedger.of(await opened({ uri }));
  await expectNothingSkipped(writer, [ledger], (endings) => fault(endings, ledger));
  return ledger;
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
        await skipsNothing(set.url, async (endings) => {
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
      const ledger = await skipsNothing(set.url, async (_endings, watcher) => {
        await fail(server!);
        await eventually(() => watcher.losses.length > 0);
        await server!.thaw();
        if (server!.pid === undefined) await server!.start();
        await set.ready();
      });
      expect(ledger.losses.length).toBeGreaterThan(0);
    },
    60_000,
  );

  it.runIf(LONG)(
    'when all connections are cut',
    async () => {
      const set = await SlowMongoSet.start();
      onTestFinished(() => set.stop());
      const { primary } = await set.roles();
      const ledger = await skipsNothing(set.url, async (endings, watcher) => {
        for (let time = 1; time <= 5; time++) {
          primary.link.cut();
          await endings.more(10);
          await watcher.complete();
        }
      });
      expect(ledger.losses.length).toBeGreaterThan(0);
    },
    60_000,
  );

  it.runIf(LONG)(
    'when the primary steps down and then lags',
    async () => {
      const set = await SlowMongoSet.start();
      onTestFinished(() => set.stop());
      const { primary } = await set.roles();
      const ledger = await skipsNothing(set.url, async (endings) => {
        await fetches(primary, false);
        await stepDown(primary.server);
        await eventually(async () => (await roleOf(primary)) === 'secondary', { within: 20_000 });
        await endings.more(100);
        await fetches(primary, true);
      });
      expect(ledger.losses.length).toBeGreaterThan(0);
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
    const ledger = await FeedLedger.of(await opened({ uri: set.url }));
    await ledger.complete();
    const secondaries = set.nodes.filter((node) => node !== primary);
    // Without writes there is nothing that only the primary has.
    for (const secondary of secondaries) await secondary.freeze();
    await eventually(() => ledger.losses.length > 0, { within: 5_000 });
    expect(await command(primary.url, { hello: 1 })).toMatchObject({ isWritablePrimary: true });
    for (const secondary of secondaries) await secondary.thaw();
    await ledger.complete();
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
      await expectNothingSkippedWhileStopped('mongo', { uri: url, collection }, writer);
    },
    60_000,
  );
});
