import { randomUUID } from 'node:crypto';
import mongoose from 'mongoose';
import { SessionStoreError, NEVER, type SessionRecord } from 'nestjs-session-stores/store';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, firstAnswer } from '../eventually.js';
import { aRecord } from '../record.js';
import { command, startMongoSet } from '../servers/mongo.mjs';
import type { Server } from '../servers/server.mjs';
import type { MongoSet } from '../servers/mongo.set.mjs';

const LONG = process.env['LONG'] !== undefined;
const TIMEOUT = 400;
/** How much later than its deadline a call may end on a busy machine. */
const SLACK = 1_500;

let set: MongoSet;
let store: MongoStore;

async function start(size: number, timeout: number): Promise<void> {
  set = await startMongoSet({ size });
  store = new MongoStore({ uri: set.url, timeout });
  await store.open();
}
afterEach(async () => {
  await store.close();
  await set.stop();
});

/** A call of each kind, on the session `id`. */
const operations: Record<string, (id: string) => Promise<unknown>> = {
  create: () => store.create(aRecord(`new-${randomUUID()}`, { groups: ['new'] })),
  read: (id) => store.read(id),
  update: (id) => store.update(aRecord(id), { set: { late: '1' } }),
  rotate: (id) => store.rotate(aRecord(id), 'secretHash', 'late', 1_000),
  destroy: (id) => store.destroy(id),
  page: () => store.page({ limit: 10 }),
  count: () => store.count('g'),
  clear: () => store.clear('g'),
};

/** Asserts that each operation fails by its deadline with an error that names it. */
async function allFailInTime(id = 'k'): Promise<void> {
  await Promise.all(
    Object.entries(operations).map(async ([operation, call]) => {
      const begun = performance.now();
      const error: unknown = await call(id).then(
        () => `${operation} did not fail`,
        (reason: unknown) => reason,
      );
      expect(performance.now() - begun).toBeLessThan(TIMEOUT + SLACK);
      expect(error).toBeInstanceOf(SessionStoreError);
      expect(error).toMatchObject({ store: 'mongo', operation, statusCode: 503 });
      expect((error as Error).message).toMatch(new RegExp(`^\\[session:mongo\\] ${operation}: .+\\. .+\\?$`));
    }),
  );
}

describe('a server', () => {
  beforeEach(() => start(1, TIMEOUT));

  it('that is stopped makes each call fail in time, and keeps all acknowledged writes', async () => {
    const [server] = set.nodes;
    await store.create(aRecord('kept'));
    await store.create(aRecord('ended'));
    await store.destroy('ended');
    for (const end of ['stop', 'kill'] as const) {
      await server![end]();
      await allFailInTime();
      await server!.start();
      expect(await firstAnswer(() => store.read('kept'))).toMatchObject({ data: { a: '1' } });
      expect(await firstAnswer(() => store.read('ended'))).toBeUndefined();
    }
    expect(await firstAnswer(() => store.count('new'))).toBe(0);
  });

  it('that is frozen makes each call fail in time, and runs none of them later', async () => {
    const [server] = set.nodes;
    const record = aRecord('k', { groups: ['g'] });
    await store.create(record);
    // Opens as many connections as there are calls, or some would not reach the server.
    await Promise.all(Object.keys(operations).map(() => store.page({ limit: 1 })));
    await server!.freeze();
    await allFailInTime();
    await server!.thaw();
    await firstAnswer(() => store.count());
    await isIdle(server!.url);
    expect(await firstAnswer(() => store.read('k'))).toEqual(record);
    expect(await firstAnswer(() => store.count('new'))).toBe(0);
  });
});

/** Waits until the server has processed all operations on sessions that reached it. */
async function isIdle(url: string): Promise<void> {
  await eventually(async () => {
    const { inprog } = (await command(url, { currentOp: 1, ns: /[.]sessions$/ })) as {
      inprog: unknown[];
    };
    return inprog.length === 0;
  });
}

describe('a replica set of two', () => {
  beforeEach(() => start(2, TIMEOUT));

  it('is rejected on a direct connection, own or given, which could read from a secondary', async () => {
    const { url } = await set.primary();
    const connection = await mongoose.createConnection(url).asPromise();
    for (const options of [{ uri: url }, { connection }]) {
      const direct = new MongoStore({ ...options, timeout: 10_000 });
      await expect(direct.open()).rejects.toThrow(/open: a direct connection would read from a secondary/);
    }
    await connection.destroy();
  });

  it('whose primary has lost the majority acknowledges neither a clear nor a destroy, not even repeated ones', async () => {
    for (const id of ['cleared', 'destroyed']) {
      await eventually(() => store.create(aRecord(id, { groups: [id] })));
    }
    const primary = await set.primary();
    const secondary = set.nodes.find((node) => node !== primary)!;
    await secondary.freeze();
    try {
      await Promise.all(
        [() => store.clear('cleared'), () => store.destroy('destroyed')].map(async (end) => {
          for (let time = 0; time < 2; time++) await expect(end()).rejects.toThrow(SessionStoreError);
        }),
      );
    } finally {
      await secondary.thaw();
    }
  });
});

const frozen: [string, number, (primary: Server) => Promise<unknown>] = [
  'is frozen',
  1,
  (primary) => primary.freeze(),
];

const killed: [string, number, (primary: Server) => Promise<unknown>] = [
  'is killed',
  1,
  (primary) => primary.kill(),
];

describe('a replica set of three', () => {
  beforeEach(() => start(3, 2_000));

  it.each<[string, number, (primary: Server) => Promise<unknown>]>([
    ['steps down', LONG ? 10 : 1, stepDown],
    ...(LONG ? [frozen, killed] : []),
  ])(
    'keeps all acknowledged writes when its primary %s under load, %i time(s)',
    async (_, times, fail) => {
      const load = new Load();
      const working = load.run();
      try {
        await eventually(() => load.acknowledged > 100);
        for (let time = 0; time < times; time++) {
          const failed = await set.primary();
          try {
            await fail(failed);
            const before = load.acknowledged;
            await eventually(() => load.acknowledged > before + 100, { within: 25_000 });
          } finally {
            await failed.thaw();
            if (failed.pid === undefined) await failed.start();
            await set.ready();
          }
        }
      } finally {
        load.stop();
        await working;
      }

      expect(load.slowest).toBeLessThan(2_000 + SLACK);
      expect(load.strangeErrors).toEqual([]);
      expect(load.ended.size).toBeGreaterThan(0);
      for (const id of load.ended) expect(await firstAnswer(() => store.read(id))).toBeUndefined();
      for (const [id, count] of load.counts) {
        const record = await firstAnswer(() => store.read(id));
        expect(record, id).toBeDefined();
        expect(Number(record!.data['count'])).toBeGreaterThanOrEqual(count);
      }
    },
    LONG ? 300_000 : 60_000,
  );
});

function stepDown(primary: Server): Promise<unknown> {
  // The command waits for a secondary to catch up, and fails if none does.
  const order = { replSetStepDown: 3, secondaryCatchUpPeriodSecs: 2 };
  return eventually(() => command(primary.url, order, 'admin', 10_000), { within: 30_000 });
}

/** Eight clients, each of which creates sessions, changes them and destroys every second one. */
class Load {
  acknowledged = 0;
  slowest = 0;
  readonly strangeErrors: unknown[] = [];
  readonly ended = new Set<string>();
  /** The last count whose write was acknowledged, by session id. */
  readonly counts = new Map<string, number>();
  #stopped = false;

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: 8 }, () => this.#client()));
  }

  stop(): void {
    this.#stopped = true;
  }

  async #client(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      const record = aRecord(randomUUID(), { groups: ['load'], expiresAt: NEVER });
      if (!(await this.#did(store.create(record)))) continue;
      await this.#change(record);
      if (turn % 2 === 0 && (await this.#did(store.destroy(record.id)))) this.#end(record.id);
      else if (turn % 2 === 0) this.counts.delete(record.id);
    }
  }

  async #change(record: SessionRecord): Promise<void> {
    for (let count = 1; count <= 3; count++) {
      if (await this.#did(store.update(record, { set: { count: String(count) } })))
        this.counts.set(record.id, count);
    }
  }

  #end(id: string): void {
    this.ended.add(id);
    this.counts.delete(id);
  }

  async #did(call: Promise<unknown>): Promise<boolean> {
    const begun = performance.now();
    try {
      await call;
      this.acknowledged++;
      return true;
    } catch (error) {
      if (!(error instanceof SessionStoreError) || error.store !== 'mongo') this.strangeErrors.push(error);
      return false;
    } finally {
      this.slowest = Math.max(this.slowest, performance.now() - begun);
    }
  }
}
