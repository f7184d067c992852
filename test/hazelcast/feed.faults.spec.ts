import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { startHazelcast } from '../servers/hazelcast.mjs';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';
import { connect, type HazelcastClient } from './client.js';
import { listening, opened, type Ear } from './ear.js';
import { twoClients } from './two.clients.js';

const LONG = process.env['LONG'] !== undefined;
const { config, withStores } = twoClients();

/** Destroys sessions one after another, and tells ears of each that was acknowledged. */
class Endings {
  acknowledged = 0;
  #isOver = false;
  readonly #done: Promise<unknown>;

  constructor(
    private readonly store: HazelcastStore,
    private readonly ears: Ear[],
  ) {
    this.#done = Promise.all([1, 2, 3, 4].map(() => this.#client()));
  }

  /** Waits for some more. */
  async more(count: number): Promise<void> {
    const before = this.acknowledged;
    await eventually(() => this.acknowledged >= before + count, { within: 60_000 });
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
        for (const ear of this.ears) ear.ended(id, begun);
      } catch {
        await wait(1);
        continue;
      }
      this.acknowledged++;
    }
  }
}

/** Asserts that watchers miss no acknowledged end during a fault, unless they have lost the feed. */
async function missNothing(
  writer: HazelcastStore,
  ears: Ear[],
  fault: (endings: Endings) => Promise<void>,
): Promise<void> {
  const endings = new Endings(writer, ears);
  const complete = (): Promise<unknown> => Promise.all(ears.map((ear) => ear.complete()));
  try {
    await endings.more(20);
    await fault(endings);
    await complete();
    await endings.more(20);
  } finally {
    await endings.stop();
  }
  await complete();
  expect(ears.flatMap(({ skipped }) => skipped)).toEqual([]);
  const id = randomUUID();
  await writer.create(aRecord(id));
  await writer.destroy(id);
  await complete();
  expect(ears.map((ear) => ear.hasHeard(id))).toEqual(ears.map(() => true));
}

describe('a watcher misses no end, unless it loses the feed,', () => {
  it('when one of its two connections breaks', () =>
    withStores(async ([writer], prefix) => {
      const client = await connect();
      onTestFinished(() => client.shutdown());
      const ear = await listening(await opened({ client, prefix }));
      const rounds = LONG ? 20 : 1;
      await missNothing(writer, [ear], async (endings) => {
        for (let round = 0; round < rounds; round++) {
          connectionsOf(client)[round % 2]!.close('cut', new Error('cut'));
          await endings.more(20);
          await ear.complete();
        }
      });
      expect(ear.reasons.length).toBeGreaterThanOrEqual(rounds);
      expect(ear.reasons).toContain('a connection to a member was lost');
    }));

  it('when the connection of a client with one connection is cut', () =>
    withStores(async ([writer], prefix) => {
      const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
      const client = await connect({ clusterMembers: [proxy.address], smartRouting: false });
      onTestFinished(async () => {
        await client.shutdown();
        await proxy.close();
      });
      const ear = await listening(await opened({ client, prefix }));
      await missNothing(writer, [ear], async (endings) => {
        proxy.cut();
        await endings.more(20);
        await eventually(() => ear.reasons.length > 0);
      });
      expect(ear.reasons).toContain('a connection to a member was lost');
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
  async function aStage(): Promise<{ writer: HazelcastStore; ears: Ear[] }> {
    const { clusterName, addresses: clusterMembers } = cluster;
    const prefix = randomUUID();
    const options = { config: { ...config, clusterName, network: { clusterMembers } }, prefix };
    const writer = await opened(options);
    return {
      writer,
      ears: [await listening(await opened(options)), await listening(await opened(options))],
    };
  }

  it.each([1, 2, 3])(
    'when one is killed and comes back: time %i',
    async () => {
      const { writer, ears } = await aStage();
      const [, member] = cluster.members;
      await missNothing(writer, ears, async (endings) => {
        await member!.kill();
        await endings.more(100);
        await Promise.all(ears.map((ear) => ear.complete()));
        await member!.start({ empty: true });
        await endings.more(200);
        await eventually(() => ears.every(({ reasons }) => reasons.includes('a member joined')));
      });
      for (const ear of ears) expect(ear.reasons.length).toBeGreaterThanOrEqual(2);
    },
    90_000,
  );

  it.each([1, 2])(
    'when one is frozen: time %i',
    async () => {
      const { writer, ears } = await aStage();
      const [, member] = cluster.members;
      await missNothing(writer, ears, async (endings) => {
        await member!.freeze();
        try {
          await eventually(() => ears.every(({ reasons }) => reasons.length > 0));
        } finally {
          await member!.thaw();
        }
        await endings.more(50);
      });
    },
    90_000,
  );
});
