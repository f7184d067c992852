import { randomUUID } from 'node:crypto';
import type { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { startHazelcast } from '../servers/hazelcast.mjs';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';
import { expectNothingSkipped } from '../stores/endings.js';
import type { FeedLedger } from '../stores/feed.ledger.js';
import { connect, type HazelcastClient } from './client.js';
import { listening, opened } from './opened.js';
import { twoClients } from './two.clients.js';

const LONG = process.env['LONG'] !== undefined;
const { config, withStores } = twoClients();

describe('a watcher misses no end, unless it loses the feed,', () => {
  it('when one of its two connections breaks', () =>
    withStores(async ([writer], prefix) => {
      const client = await connect();
      onTestFinished(() => client.shutdown());
      const ledger = await listening(await opened({ client, prefix }));
      const rounds = LONG ? 20 : 1;
      await expectNothingSkipped(writer, [ledger], async (endings) => {
        for (let round = 0; round < rounds; round++) {
          connectionsOf(client)[round % 2]!.close('cut', new Error('cut'));
          await endings.more(20);
          await ledger.complete();
        }
      });
      expect(ledger.losses.length).toBeGreaterThanOrEqual(rounds);
      expect(ledger.losses).toContain('a connection to a member was lost');
    }));

  it('when the connection of a client with one connection is cut', () =>
    withStores(async ([writer], prefix) => {
      const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
      const client = await connect({ clusterMembers: [proxy.address], smartRouting: false });
      onTestFinished(async () => {
        await client.shutdown();
        await proxy.close();
      });
      const ledger = await listening(await opened({ client, prefix }));
      await expectNothingSkipped(writer, [ledger], async (endings) => {
        proxy.cut();
        await endings.more(20);
        await eventually(() => ledger.losses.length > 0);
      });
      expect(ledger.losses).toContain('a connection to a member was lost');
    }));
});

/** The connections of a client to members. */
function connectionsOf(client: HazelcastClient): { close(reason: string, cause: Error): void }[] {
  const { connectionManager } = client as unknown as {
    connectionManager: {
      getConnectionRegistry(): { getConnections(): { close(reason: string, cause: Error): void }[] };
    };
  };
  return connectionManager.getConnectionRegistry().getConnections();
}

describe.runIf(LONG)('a watcher misses no end, unless it loses the feed, in a cluster of two members', () => {
  let cluster: Awaited<ReturnType<typeof startHazelcast>>;
  beforeAll(async () => {
    cluster = await startHazelcast({ members: 2 });
  });
  afterAll(() => cluster?.stop());

  /** A writer, and two watchers with their own clients. */
  async function aStage(): Promise<{ writer: HazelcastStore; ledgers: FeedLedger[] }> {
    const { clusterName, addresses: clusterMembers } = cluster;
    const prefix = randomUUID();
    const options = { config: { ...config, clusterName, network: { clusterMembers } }, prefix };
    const writer = await opened(options);
    return {
      writer,
      ledgers: [await listening(await opened(options)), await listening(await opened(options))],
    };
  }

  it.each([1, 2, 3])(
    'when one is killed and comes back: time %i',
    async () => {
      const { writer, ledgers } = await aStage();
      const [, member] = cluster.members;
      await expectNothingSkipped(writer, ledgers, async (endings) => {
        await member!.kill();
        await endings.more(100);
        await Promise.all(ledgers.map((ledger) => ledger.complete()));
        await member!.start({ empty: true });
        await endings.more(200);
        await eventually(() => ledgers.every(({ losses }) => losses.includes('a member joined')));
      });
      for (const ledger of ledgers) expect(ledger.losses.length).toBeGreaterThanOrEqual(2);
    },
    90_000,
  );

  it.each([1, 2])(
    'when one is frozen: time %i',
    async () => {
      const { writer, ledgers } = await aStage();
      const [, member] = cluster.members;
      await expectNothingSkipped(writer, ledgers, async (endings) => {
        await member!.freeze();
        try {
          await eventually(() => ledgers.every(({ losses }) => losses.length > 0));
        } finally {
          await member!.thaw();
        }
        await endings.more(50);
      });
    },
    90_000,
  );
});
