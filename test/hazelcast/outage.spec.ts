import { randomUUID } from 'node:crypto';
import { Client, type ClientConfig } from 'hazelcast-client';
import { SessionStoreError } from 'nestjs-session-stores';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { eventually, firstAnswer } from '../eventually.js';
import { plainClient } from '../servers/hazelcast.client.mjs';
import { startHazelcast } from '../servers/hazelcast.mjs';

const TIMEOUT = 1000;
/** How much later than its deadline a call may end on a busy machine. */
const SLACK = 500;
/** Includes a whole heartbeat timeout of a member that is gone, and the wait before the next attempt to connect. */
const RECOVERED = { within: 30_000 };

let cluster: Awaited<ReturnType<typeof startHazelcast>>;
let config: ClientConfig;
let store: HazelcastStore;

beforeAll(async () => {
  cluster = await startHazelcast({ members: 2 });
  const { clusterName, addresses } = cluster;
  config = {
    clusterName,
    network: { clusterMembers: addresses },
    properties: { 'hazelcast.logging.level': 'OFF' },
  };
});
afterAll(() => cluster?.stop());

beforeEach(async () => {
  store = new HazelcastStore({ config, prefix: `${randomUUID()}:`, timeout: TIMEOUT });
  await eventually(() => store.open(), RECOVERED);
  onTestFinished(() => store.close());
});

function someIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `k${index}`);
}

/** Waits until both members own partitions. */
async function bothServe(): Promise<void> {
  const client = await plainClient({ clusterName: cluster.clusterName, members: cluster.addresses });
  try {
    await eventually(() => {
      const partitions = client.getPartitionService();
      const numbers = Array.from({ length: partitions.getPartitionCount() }, (_, number) => number);
      const owners = numbers.map((number) => partitions.getPartitionOwner(number)?.toString());
      return new Set(owners.filter(Boolean)).size === 2;
    }, RECOVERED);
  } finally {
    await client.shutdown();
  }
}

/** Makes each kind of call on some sessions. Resolves to their errors and durations in milliseconds. */
async function everyCall(ids: string[]): Promise<{ name: string; took: number; error: unknown }[]> {
  const calls: Record<string, (id: string) => Promise<unknown>> = {
    create: (id) => store.create(aRecord(`${id} new`)),
    read: (id) => store.read(id),
    update: (id) => store.update(aRecord(id), { set: { b: '2' } }),
    rotate: (id) => store.rotate(aRecord(id), 'secretHash', 'another', 0),
    destroy: (id) => store.destroy(`${id} that never was`),
    page: () => store.page({ limit: 10 }),
    'page of a group': () => store.page({ group: 'g', limit: 10 }),
    count: () => store.count(),
    clear: () => store.clear('nobody is in'),
  };
  const made = ids.flatMap((id) =>
    Object.entries(calls).map(async ([name, call]) => {
      const begun = performance.now();
      const error: unknown = await call(id).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return { name, took: performance.now() - begun, error };
    }),
  );
  return Promise.all(made);
}

describe('a cluster of two members', () => {
  it('ends each call in time while one member is frozen, and works again when it thaws', async () => {
    await bothServe();
    const ids = someIds(8);
    await Promise.all(ids.map((id) => store.create(aRecord(id, { groups: ['g'] }))));
    const patient = new HazelcastStore({ config, prefix: `${randomUUID()}:`, timeout: 2500 });
    await patient.open();
    onTestFinished(() => patient.close());
    const [, frozen] = cluster.members;
    await frozen!.freeze();
    try {
      // Each session is on the frozen member, or has its backup there.
      const writing = Promise.allSettled(ids.map((id) => patient.create(aRecord(id))));
      const outcomes = await everyCall(ids);
      for (const { name, took, error } of outcomes) {
        // A page and a clear make more than one call, each with its own deadline.
        expect(took, name).toBeLessThan(3 * TIMEOUT + SLACK);
        if (error !== undefined) expect(error, name).toBeInstanceOf(SessionStoreError);
      }
      expect(outcomes.map(({ error }) => (error as Error | undefined)?.message)).toContain(
        '[session:hazelcast] read: timed out after 1000 ms. Are the members reachable and not overloaded?',
      );
      const written = await writing;
      expect(written.filter(({ status }) => status === 'fulfilled')).toEqual([]);
      expect(written.map((one) => String((one as PromiseRejectedResult).reason))).toContainEqual(
        expect.stringContaining('create: a member acted, but its backup did not respond'),
      );

      const network = { clusterMembers: cluster.addresses.toReversed() };
      const late = new HazelcastStore({ config: { ...config, network }, prefix: `${randomUUID()}:` });
      await late.open();
      onTestFinished(() => late.close());
      await Promise.any(ids.map((id) => late.read(id)));
    } finally {
      await frozen!.thaw();
    }
    await eventually(async () => {
      expect((await everyCall(ids)).map(({ error }) => error)).not.toContainEqual(expect.anything());
    }, RECOVERED);
    for (const id of ids) expect(await firstAnswer(() => store.read(id))).toBeDefined();
  });

  it('loses no acknowledged write and brings back no destroyed session when one member is killed', async () => {
    await bothServe();
    const ids = someIds(60);
    const [dead, live] = [ids.slice(0, 20), ids.slice(20)];
    await Promise.all(ids.map((id) => store.create(aRecord(id, { groups: ['g'] }))));
    await Promise.all(dead.map((id) => store.destroy(id)));

    const acknowledged = new Map<string, number>();
    const over = new AbortController();
    const writers = live.slice(0, 10).map(async (id) => {
      for (let count = 1; !over.signal.aborted; count++) {
        const result = await store.update(aRecord(id), { set: { count: String(count) } }).catch(() => null);
        // A failed update may have been done or not. For a live session `undefined` would mean that it is lost.
        if (result === undefined) throw new Error(`${id} is lost`);
        if (result) acknowledged.set(id, count);
      }
    });
    await eventually(() => acknowledged.size === 10);
    await cluster.members[1]!.kill();
    const before = new Map(acknowledged);
    await eventually(() => [...before].every(([id, count]) => acknowledged.get(id)! > count + 5), RECOVERED);
    over.abort();
    await Promise.all(writers);

    for (const id of dead) expect(await firstAnswer(() => store.read(id)), id).toBeUndefined();
    for (const id of live) {
      const record = await firstAnswer(() => store.read(id));
      expect(record, id).toBeDefined();
      expect(Number(record!.data['count'] ?? 0), id).toBeGreaterThanOrEqual(acknowledged.get(id) ?? 0);
    }
    expect(await firstAnswer(() => store.count())).toBe(40);
    expect(await firstAnswer(() => store.count('g'))).toBe(40);
    for (const id of dead) {
      const updated = await firstAnswer(() => store.update(aRecord(id), { set: { b: '2' } }));
      expect(updated, id).toBeUndefined();
    }
    await cluster.members[1]!.start();
  });

  it('with one backup loses no create or change when a member is killed right after acknowledging it', async () => {
    await bothServe();
    const ids = someIds(200);
    const records = ids.map((id) => aRecord(id));
    await Promise.all(records.map((record) => store.create(record)));
    await Promise.all(records.map((record) => store.update(record, { set: { b: '2' } })));
    await cluster.members[1]!.kill();
    const found = await firstAnswer(() => Promise.all(ids.map((id) => store.read(id))), RECOVERED);
    const lost = ids.filter((_, index) => found[index]?.data['b'] !== '2');
    expect(lost).toEqual([]);
    await cluster.members[1]!.start();
  });

  it('fails calls at once while both members are down, and works again by itself when they are back', async () => {
    const waiting = await Client.newHazelcastClient(config);
    onTestFinished(() => waiting.shutdown());
    const handedIn = new HazelcastStore({ client: waiting, prefix: randomUUID(), timeout: TIMEOUT });
    await handedIn.open();
    await Promise.all(cluster.members.map((member) => member.kill()));

    for (const unreachable of [store, handedIn]) {
      await eventually(async () => {
        const begun = performance.now();
        await expect(unreachable.read('k')).rejects.toThrow(
          'read: no connection to the cluster. Are members running? The client continues to reconnect',
        );
        expect(performance.now() - begun).toBeLessThan(TIMEOUT);
      }, RECOVERED);
    }

    for (const member of cluster.members) await member.start({ empty: true });
    for (const back of [store, handedIn]) {
      await eventually(() => back.create(aRecord('k', { groups: ['g'] })), RECOVERED);
      expect(await firstAnswer(() => back.count('g'))).toBe(1);
      expect((await firstAnswer(() => back.page({ limit: 10 }))).records).toHaveLength(1);
      expect(await firstAnswer(() => back.clear())).toBe(1);
    }
  });

  it('fails calls with a clear error when both members are down and a given client gave up', async () => {
    const connectionRetry = { clusterConnectTimeoutMillis: 100, initialBackoffMillis: 50 };
    const client = await Client.newHazelcastClient({ ...config, connectionStrategy: { connectionRetry } });
    const doomed = new HazelcastStore({ client, timeout: TIMEOUT });
    await doomed.open();
    await cluster.stop();
    await eventually(
      () =>
        expect(doomed.read('k')).rejects.toThrow(
          'read: the client has shut down and does not reconnect. Create a new one that reconnects forever',
        ),
      RECOVERED,
    );
  });
});
