import { randomUUID } from 'node:crypto';
import { Cluster } from 'ioredis';
import { SessionStoreError, type SessionRecord, type SessionStore } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { Random } from '../http/random.js';
import { aRecord } from '../record.js';
import { call, redisCli, startRedisCluster } from '../servers/redis.mjs';
import type { Server } from '../servers/server.mjs';
import { agreement, paged } from './agreement.js';
import { SlotMove } from './slot.move.js';

const LONG = process.env['LONG'] !== undefined;
const WORKERS = 16;

let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
let client: Cluster;
/** The start of ids that are in the first shard if 16 times `Aa` or `BB` follow, which have the same hash. */
let start: string;
beforeAll(async () => {
  cluster = await startRedisCluster();
  client = new Cluster(cluster.nodes, { lazyConnect: true });
  await client.connect();
  const store = new RedisStore({ cluster: { nodes: cluster.nodes }, prefix: 'ids:' });
  await store.open();
  await Promise.all(Array.from({ length: 100 }, (_, at) => store.create(aRecord(`k${at}${pairs(0)}`))));
  const [id] = (await client.zrange('ids:{18}:all', '0', '0')) as [string];
  start = id.slice(0, -pairs(0).length);
  await store.clear();
  await store.close();
});
afterAll(async () => {
  client.disconnect();
  await cluster.stop();
});

function pairs(number: number): string {
  return Array.from({ length: 16 }, (_, bit) => (number & (2 ** bit) ? 'Aa' : 'BB')).join('');
}

let last = 0;
/** A new id: of any shard with LONG, and otherwise of the first one, which moves. */
const newId = () => (LONG ? `k${++last}` : `${start}${pairs(++last)}`);

/** Calls a store until it is stopped, on sessions that no one else changes, and checks each result. */
class Worker {
  private readonly mine = new Map<string, SessionRecord>();
  private readonly group: string;
  private isStopped = false;
  readonly done: Promise<void>;
  /** How many calls resolved, and how many failed because a slot was moving. */
  readonly calls = { resolved: 0, failed: 0 };

  constructor(
    private readonly store: SessionStore,
    private readonly random: Random,
    private readonly name: number,
  ) {
    this.group = `worker:${name}`;
    this.done = this.run();
    // Whoever stops it learns of a failure.
    this.done.catch(() => {});
  }

  get live(): SessionRecord[] {
    return [...this.mine.values()];
  }

  stop(): Promise<void> {
    this.isStopped = true;
    return this.done;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) await this.step(newId());
  }

  private async step(fresh: string): Promise<void> {
    const { store, random, mine, group } = this;
    const roll = random.next();
    const record = mine.size > 0 ? random.pick(this.live) : undefined;
    if (!record || roll < 0.2) {
      const groups = random.chance(0.8) ? [group, random.pick(['tenant', `alone:${fresh}`])] : [];
      const created = aRecord(fresh, { groups });
      await this.on(created, async () => {
        await store.create(created);
        mine.set(fresh, created);
      });
    } else if (roll < 0.4) {
      const read = await this.on(record, () => store.read(record.id));
      if (read !== FAILED) expect(read, 'a live session is read').toMatchObject({ id: record.id });
    } else if (roll < 0.55) {
      const to = record.expiresAt + 1000;
      const touch = { from: record.expiresAt, to };
      const touched = await this.on(record, () => store.update(record, { set: { n: fresh }, touch }));
      if (touched !== FAILED) {
        expect(touched, 'a live session is touched').toMatchObject({ expiresAt: to });
        mine.set(record.id, { ...record, expiresAt: to });
      }
    } else if (roll < 0.7) {
      const leave = record.groups.filter(() => random.chance(0.5));
      const join = [group, `also:${this.name}`].filter((one) => !leave.includes(one) && random.chance(0.5));
      const changed = await this.on(record, () => store.update(record, { join, leave }));
      if (changed !== FAILED) {
        expect(changed, 'a live session is changed').toBeDefined();
        const groups = new Set([...record.groups.filter((one) => !leave.includes(one)), ...join]);
        mine.set(record.id, { ...record, groups: [...groups] });
      }
    } else if (roll < 0.85 && mine.size > 5) {
      const wasLive = await this.on(record, () =>
        random.chance(0.5) ? store.destroy(record.id) : store.regenerate(record.id),
      );
      if (wasLive !== FAILED) {
        expect(wasLive, 'a live session is destroyed or regenerated').toBe(true);
        mine.delete(record.id);
      }
    } else if (roll < 0.92) {
      const count = await this.on(undefined, () => store.count(group));
      if (count !== FAILED) expect(count, 'the count of its group').toBe(this.members.length);
    } else {
      const page = await this.on(undefined, () => paged(store, group));
      if (page !== FAILED) expect(page.toSorted(), 'the pages of its group').toEqual(this.members);
    }
  }

  private get members(): string[] {
    const members = this.live.filter(({ groups }) => groups.includes(this.group));
    return members.map(({ id }) => id).toSorted();
  }

  /** Calls the store. If the call fails, finds out whether it has changed the session nevertheless. */
  private async on<T>(record: SessionRecord | undefined, work: () => Promise<T>): Promise<T | typeof FAILED> {
    try {
      const result = await work();
      this.calls.resolved++;
      return result;
    } catch (error) {
      if (!(error instanceof SessionStoreError)) throw error;
      this.calls.failed++;
      if (!record) return FAILED;
      const now = await eventually(() => this.store.read(record.id).then((one) => one ?? null));
      if (now) this.mine.set(record.id, now);
      else this.mine.delete(record.id);
      return FAILED;
    }
  }
}

const FAILED = Symbol('failed');

const many = LONG ? 20_000 : 1500;

it.each(LONG ? ['without', 'with'] : ['without'])(
  'a reshard under load ends, no call is wrong, and then records, index and groups agree (%s --cluster-replace)',
  async (replace) => {
    // The lowest slot of a primary moves first. So the second one gets the slot of the first shard while it is empty.
    if (!LONG) await (await SlotMove.begin(511, cluster.primaries)).finish();
    const prefix = `${randomUUID()}:`;
    const store = new RedisStore({ cluster: { nodes: cluster.nodes }, prefix });
    await store.open();
    try {
      const records = Array.from({ length: many }, (_, at) =>
        aRecord(newId(), { groups: [`user:${at % 99}`, 'tenant'] }),
      );
      const queue = records.values();
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          for (const record of queue) await store.create(record);
        }),
      );
      const workers = Array.from({ length: WORKERS }, (_, at) => new Worker(store, new Random(at), at));
      try {
        await reshard(replace === 'with' ? ['--cluster-replace'] : []);
      } finally {
        await Promise.all(workers.map((worker) => worker.stop()));
      }
      const resolved = workers.reduce((sum, worker) => sum + worker.calls.resolved, 0);
      const failed = workers.reduce((sum, worker) => sum + worker.calls.failed, 0);
      expect(resolved).toBeGreaterThan(10 * failed);

      const live = await agreement(store, client.nodes('master'), prefix);
      const expected = [...records, ...workers.flatMap((worker) => worker.live)];
      expect([...live.keys()].toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
      const groups = new Set(expected.flatMap((record) => record.groups));
      for (const group of groups) await store.clear(group);
      expect(await store.count()).toBe(expected.filter((record) => record.groups.length === 0).length);
    } finally {
      await store.close();
    }
  },
  600_000,
);

/**
 * Moves the slot of the first shard to another primary, or with LONG those of five shards to another one and back. A
 * primary without a slot would become a replica.
 */
async function reshard(flags: string[]): Promise<void> {
  const [first, second] = cluster.primaries as [Server, Server];
  const moves: [from: Server, to: Server, slots: number][] = LONG
    ? [
        [first, second, 4700],
        [second, first, 4700],
      ]
    : [[second, first, 1]];
  const id = async ({ url }: Server) => (await call(url, 'CLUSTER', 'MYID')) as string;
  for (const [from, to, slots] of moves) {
    const printed = await redisCli(
      '--cluster',
      'reshard',
      `${first.host}:${first.port}`,
      '--cluster-from',
      await id(from),
      '--cluster-to',
      await id(to),
      '--cluster-slots',
      slots,
      '--cluster-yes',
      ...flags,
    );
    expect(printed).not.toMatch(/\bERR\b|error/i);
  }
}
