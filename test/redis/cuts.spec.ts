import { randomUUID } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import { SessionStoreError, type SessionStore, type SessionRecord } from 'nestjs-session-stores/store';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import { agreement } from './agreement.js';
import { ownServer } from './own.server.js';

const { server, direct } = await ownServer();

/** What a call is cut in, and what it must have left behind when it was not run, and when it was. */
interface Cuttable {
  operation: string;
  /** How many sessions are in the group `g` before; the first is the call's. */
  members?: number;
  /** Whether the server has forgotten the scripts, so that they are sent whole. */
  forgotten?: boolean;
  call(store: SessionStore, record: SessionRecord): Promise<unknown>;
  /** Whether it has happened. Undefined: it changes nothing, or may have gone half of its way. */
  happened?(now: SessionRecord | undefined, before: SessionRecord): boolean;
}

const create: Cuttable = {
  operation: 'create',
  members: 0,
  call: (store, record) => store.create(record),
  happened: (now) => now !== undefined,
};
const update: Cuttable = {
  operation: 'update',
  call: (store, record) =>
    store.update(record, {
      set: { b: '2' },
      remove: ['a'],
      join: ['h', 'i'],
      leave: ['g'],
      touch: { from: record.expiresAt, to: record.expiresAt + 1000 },
    }),
  happened: (now, before) => {
    if (now?.data['b'] === undefined) {
      expect(now).toEqual(before);
      return false;
    }
    expect(now).toMatchObject({ data: { b: '2' }, expiresAt: before.expiresAt + 1000 });
    expect(now.groups.toSorted()).toEqual(['h', 'i']);
    expect(now.data['a']).toBeUndefined();
    return true;
  },
};
const cuttables: Cuttable[] = [
  create,
  { ...create, forgotten: true },
  update,
  { ...update, forgotten: true },
  {
    operation: 'rotate',
    call: (store, record) => store.rotate(record, record.secretHash, 'next', 1000),
    happened: (now) => now?.secretHash === 'next',
  },
  {
    operation: 'destroy',
    call: (store, record) => store.destroy(record.id),
    happened: (now) => now === undefined,
  },
  { operation: 'clear', members: 450, call: (store) => store.clear('g') },
  { operation: 'page', members: 2, call: (store) => store.page({ group: 'g', limit: 2 }) },
  { operation: 'count', call: (store) => store.count('g') },
  { operation: 'count', call: (store) => store.count() },
];

/** A store behind a proxy, and one beside it. */
interface Pair {
  proxy: RedisProxy;
  cut: RedisStore;
  beside: RedisStore;
  prefix: string;
  close(): Promise<void>;
}

async function pair(kind: 'url' | 'client'): Promise<Pair> {
  const proxy = await RedisProxy.to(server);
  const prefix = randomUUID();
  const client = kind === 'client' ? new Redis(proxy.url) : undefined;
  client?.on('error', () => {});
  // Only how soon it connects again is not as by default.
  const address = { url: proxy.url, redisOptions: { retryStrategy: () => 10 } };
  const cut = new RedisStore({ ...(client ? { client } : address), prefix, timeout: 3000 });
  const beside = new RedisStore({ url: server.url, prefix });
  await Promise.all([cut.open(), beside.open()]);
  const close = async () => {
    await Promise.all([cut.close(), beside.close()]);
    client?.disconnect();
    await proxy.close();
  };
  return { proxy, cut, beside, prefix, close };
}

describe.each(['url', 'client'] as const)('a store of a %s whose connection is cut', (kind) => {
  let own: Pair;
  beforeAll(async () => {
    own = await pair(kind);
  });
  afterAll(() => own.close());

  async function prepared({ members = 1, forgotten = false }: Cuttable): Promise<SessionRecord> {
    const records = Array.from({ length: Math.max(1, members) }, () =>
      aRecord(randomUUID(), { groups: ['g'] }),
    );
    if (members > 0) await Promise.all(records.map((record) => own.beside.create(record)));
    // Connected anew, on both of its connections.
    await eventually(() => own.cut.read('nobody').then(() => true));
    const probe = aRecord(randomUUID());
    await eventually(() => own.cut.create(probe));
    await own.beside.destroy(probe.id);
    if (forgotten) await direct.script('FLUSH');
    return records[0] as SessionRecord;
  }

  it.each(cuttables.map((one) => [`${one.operation}${one.forgotten ? ', sent whole' : ''}`, one] as const))(
    'in %s: all lists agree after, the caller is told, and it works again',
    async (_, cuttable) => {
      const { cut, beside, proxy, prefix } = own;
      for (const when of ['before', 'after'] as const) {
        for (let command = 1; ; command++) {
          const record = await prepared(cuttable);
          const before = await beside.read(record.id);
          let wasCut = false;
          void proxy.cut({ command, when }).then(() => (wasCut = true));
          const [outcome] = await Promise.allSettled([cuttable.call(cut, record)]);
          // The last cut that was asked for counts: one that was not needed must not meet what comes.
          if (!wasCut) void proxy.cut({ matching: /^never$/ });

          await agreement(beside, [direct], prefix);
          const now = await beside.read(record.id);
          const happened = cuttable.happened?.(now, before ?? record);
          if (outcome.status === 'rejected') {
            expect(outcome.reason).toBeInstanceOf(SessionStoreError);
            expect(outcome.reason).toMatchObject({ store: 'redis', operation: cuttable.operation });
            if (when === 'before' && !cuttable.forgotten && command === 1)
              expect(happened ?? false).toBe(false);
            if (when === 'after' && !cuttable.forgotten) expect(happened ?? true).toBe(true);
          } else {
            expect(happened ?? true).toBe(true);
            if (cuttable.operation === 'destroy') expect(outcome.value).toBe(true);
            if (cuttable.operation === 'clear') expect(outcome.value).toBe(cuttable.members);
          }
          await eventually(async () => (await cut.read(record.id))?.secretHash === now?.secretHash);
          await beside.clear();
          if (!wasCut) {
            expect(outcome.status).toBe('fulfilled');
            expect(command).toBeGreaterThan(1);
            break;
          }
        }
      }
    },
  );
});

describe('a create that reached the server before the cut', () => {
  it.each(['url', 'client'] as const)('is not run again by a store of a %s', async (kind) => {
    const { cut, beside, proxy, close } = await pair(kind);
    try {
      await staysGone(cut, beside, [proxy]);
    } finally {
      await close();
    }
  });

  // With a retry strategy of their own the connections of a Cluster stay, and would send again what they sent.
  it.each(['cluster', 'client'] as const)(
    'is not run again by a Cluster whose nodes connect again (%s)',
    async (kind) => {
      const nodes = inject('redisCluster').nodes;
      const proxies = await Promise.all(nodes.map((node) => RedisProxy.to(node)));
      const natMap = Object.fromEntries(
        nodes.map(({ host, port }, at) => [
          `${host}:${port}`,
          { host, port: (proxies[at] as RedisProxy).port },
        ]),
      );
      const options = { natMap, clusterNodeRetryStrategy: () => 100 };
      const startup = proxies.map(({ host, port }) => ({ host, port }));
      const client = kind === 'client' ? new Cluster(startup, options) : undefined;
      const prefix = randomUUID();
      const cut = new RedisStore({
        ...(client ? { client } : { cluster: { nodes: startup, options } }),
        prefix,
      });
      const beside = new RedisStore({ cluster: { nodes }, prefix });
      try {
        await Promise.all([cut.open(), beside.open()]);
        await staysGone(cut, beside, proxies);
      } finally {
        await Promise.all([cut.close(), beside.close()]);
        client?.disconnect();
        await Promise.all(proxies.map((proxy) => proxy.close()));
      }
    },
  );

  async function staysGone(cut: RedisStore, beside: RedisStore, proxies: RedisProxy[]): Promise<void> {
    // Each shard's server has seen the script: the create is one command.
    const record = aRecord(randomUUID(), { groups: ['g'] });
    await cut.create(record);
    await cut.destroy(record.id);
    for (const proxy of proxies) proxy.reset();
    const isCut = Promise.race(
      proxies.map((proxy) => proxy.cut({ matching: new RegExp(`^EVALSHA .*${record.id}`), when: 'after' })),
    );
    const creating = cut.create(record);
    const told = expect(creating).rejects.toMatchObject({ name: 'SessionStoreError', operation: 'create' });
    await isCut;
    expect(await beside.destroy(record.id)).toBe(true);
    await told;
    // Back, on the connection that creates and on the one that reads.
    await eventually(() => cut.create(aRecord(`${record.id} again`)));
    await eventually(async () => (await cut.read(`${record.id} again`)) !== undefined);
    expect(await cut.read(record.id)).toBeUndefined();
    expect(await beside.count('g')).toBe(0);
  }
});
