import { randomUUID } from 'node:crypto';
import { Cluster } from 'ioredis';
import { SessionStoreError, type SessionRecord } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { startRedisCluster } from '../servers/redis.mjs';
import { agreement } from './agreement.js';
import { calls, type Call, type Sessions } from './moving.calls.js';
import { SlotMove } from './slot.move.js';

/** The slot of the first shard, and what is between its prefix and the names of its keys. */
const SLOT = 511;
const SHARD = '{18}:';

const TIMEOUT = 500;

let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
let client: Cluster;
/** The ids of four sessions of the first shard. */
let ids: string[];
beforeAll(async () => {
  cluster = await startRedisCluster();
  client = new Cluster(cluster.nodes, { lazyConnect: true });
  await client.connect();
  const { patient, prefix, close } = await opened();
  await Promise.all(Array.from({ length: 400 }, (_, at) => patient.create(aRecord(`k${at}`))));
  ids = await client.zrange(`${prefix}${SHARD}all`, '0', '3');
  await patient.clear();
  await close();
});
afterAll(async () => {
  client.disconnect();
  await cluster.stop();
});

type Four<T> = [T, T, T, T];

/** Stores with one prefix: one gives up soon, the other one waits as long as a busy machine needs. */
async function opened() {
  const prefix = `${randomUUID()}:`;
  const store = new RedisStore({ client, prefix, timeout: TIMEOUT });
  const patient = new RedisStore({ client, prefix, timeout: 30_000 });
  await Promise.all([eventually(() => store.open()), patient.open()]);
  return { store, patient, prefix, close: () => Promise.all([store.close(), patient.close()]) };
}

/** The sessions that the servers hold with a prefix, after records, index and groups were found to agree. */
async function held(store: RedisStore, prefix: string): Promise<SessionRecord[]> {
  const live = await agreement(store, client.nodes('master'), prefix);
  return inOrder(live.values());
}

function inOrder(records: Iterable<SessionRecord>): SessionRecord[] {
  return [...records]
    .map((record) => Object.assign({}, record, { groups: record.groups.toSorted() }))
    .toSorted((one, other) => ids.indexOf(one.id) - ids.indexOf(other.id));
}

/** Removes the tombstones of sessions whose ids are used again. */
async function forgetTombstones(prefix: string): Promise<void> {
  const names = ['all', 'expiry', 'g:g', 'g:h', ...ids.flatMap((id) => [`s:${id}`, `m:${id}`])];
  await Promise.all(names.map((name) => client.unlink(`${prefix}${SHARD}${name}`)));
}

/** Runs `work` on all items, on a few in parallel. */
async function atATime<T>(count: number, items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

describe('while a slot moves', () => {
  /** The keys of the sessions a, b and d, as the names of the tests call them. */
  const KEYS: Record<string, () => string[]> = {
    session: () => [`s:${ids[0]}`],
    note: () => [`m:${ids[0]}`],
    'other session': () => [`s:${ids[1]}`, `m:${ids[1]}`],
    tombstone: () => [`s:${ids[3]}`, `m:${ids[3]}`],
    index: () => ['all'],
    'order of expiry': () => ['expiry'],
    group: () => ['g:g'],
    'other group': () => ['g:h'],
  };
  const every = Object.keys(KEYS);
  const some = [[], ['note'], ['tombstone'], ['session', 'note', 'other session'], every.slice(3), every];
  const subsets = Array.from({ length: 2 ** every.length }, (_, bits) =>
    every.filter((__, at) => bits & (2 ** at)),
  );

  /** Each call with a store of its own. */
  let cases: ({ name: string } & Call & Awaited<ReturnType<typeof opened>>)[];
  beforeAll(async () => {
    cases = [];
    await atATime(4, Object.entries(calls), async ([name, one]) => {
      cases.push({ name, ...one, ...(await opened()) });
    });
  });
  afterAll(() => Promise.all(cases.map(({ close }) => close())));

  it.each((process.env['LONG'] ? subsets : some).map((moved) => ({ moved, names: moved.join(', ') })))(
    'and these keys have moved: "$names", each call is right, or fails with 503 and changes nothing',
    async ({ moved }) => {
      const isMoved = moved.length === every.length;
      const isTogether = isMoved || moved.length === 0;
      const [a, b, c, d] = ids.map((id) => aRecord(id)) as Four<SessionRecord>;
      const groups = ['g', 'h'];
      const sessions: Sessions = { a: { ...a, groups }, b: { ...b, groups: ['g'] }, c, d: { ...d, groups } };
      await Promise.all(
        cases.map(async ({ patient }) => {
          await patient.create(sessions.a);
          await patient.create(sessions.b);
          await patient.create(sessions.d);
          await patient.regenerate(sessions.d.id);
        }),
      );
      const move = await SlotMove.begin(SLOT, cluster.primaries);
      const names = moved.flatMap((name) => KEYS[name]?.() ?? []);
      await move.keys(...cases.flatMap(({ prefix }) => names.map((name) => `${prefix}${SHARD}${name}`)));
      const outcomes = new Map<string, PromiseSettledResult<unknown>>();
      const call = async ({ name, store, patient, run, works }: (typeof cases)[number]) => {
        const [outcome] = await Promise.allSettled([run(works === 'always' ? patient : store, sessions)]);
        outcomes.set(name, outcome);
      };
      const [quick, others] = [
        cases.filter(({ works }) => works === 'always'),
        cases.filter(({ works }) => works !== 'always'),
      ];
      await atATime(4, quick, call);
      // These may wait for the end of the move, so they wait together.
      await atATime(others.length, others, call);
      await move.finish();

      await atATime(5, cases, async ({ name, patient, prefix, returns, leaves, fails, works }) => {
        const outcome = outcomes.get(name) as PromiseSettledResult<unknown>;
        if (outcome.status === 'fulfilled') {
          expect.soft(fails, `${name} fails`).toBeUndefined();
          expect.soft(outcome.value, name).toEqual(returns);
        } else {
          const mustWork =
            works === 'always' || (works === 'together' && isTogether) || (works === 'moved' && isMoved);
          const message = mustWork ? (fails ?? 'works') : /timed out after 500 ms\. Its slot is moving/;
          expect.soft(outcome.reason, name).toBeInstanceOf(SessionStoreError);
          expect.soft(String(outcome.reason), name).toMatch(message);
        }
        const after = outcome.status === 'fulfilled' ? leaves?.(sessions) : undefined;
        const now = await held(patient, prefix).catch((error: Error) => error);
        expect
          .soft(now, `after ${name}, which was ${outcome.status}`)
          .toEqual(inOrder(after ?? [sessions.a, sessions.b]));
        await patient.clear();
        await forgetTombstones(prefix);
      });
    },
    120_000,
  );

  it.each([
    ['the first session of a shard', 0],
    ['a session in new groups', 1],
  ])('%s is created when the move has ended', async (_, others) => {
    const { store: impatient, patient, prefix, close } = await opened();
    try {
      const [other, created] = ids.map((id) => aRecord(id, { groups: [`of ${id}`, 'new'] })) as [
        SessionRecord,
        SessionRecord,
      ];
      if (others > 0) await patient.create({ ...other, groups: ['g'] });
      const move = await SlotMove.begin(SLOT, cluster.primaries);
      let isCreated = false;
      const create = patient.create(created).then(() => (isCreated = true));
      await move.keys(`${prefix}${SHARD}g:g`);
      // It waits longer than a store that gives up.
      await expect(impatient.create(created)).rejects.toThrow(/slot is moving/);
      expect(isCreated).toBe(false);
      await move.finish();
      await create;
      expect(await held(patient, prefix)).toHaveLength(1 + others);
      expect(await patient.clear('new')).toBe(1);
    } finally {
      await patient.clear();
      await close();
    }
  });
});
