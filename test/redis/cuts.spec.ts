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

/** A call during which the connection is cut, and how to tell whether it was run. */
interface Cuttable {
  operation: string;
  /** How many sessions are in the group `g` before. The call works on the first. */
  members?: number;
  /** Whether the script cache is flushed before, so that scripts are sent in full. */
  forgotten?: boolean;
  call(store: SessionStore, record: SessionRecord): Promise<unknown>;
  /** Whether the call was run. Absent if it changes nothing or may be run in part. */
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
  {
    operation: 'regenerate',
    call: (store, record) => store.regenerate(record.id),
    happened: (now) => now === undefined,
  },
  { operation: 'clear', members: 450, call: (store) => store.clear('g') },
  { operation: 'page', members: 2, call: (store) => store.page({ group: 'g', limit: 2 }) },
  { operation: 'count', call: (store) => store.count('g') },
  { operation: 'count', call: (store) => store.count() },
];

/** A store behind a proxy, and one with a direct connection. */
interface Pair {
  proxy: RedisProxy;
  cut: RedisStore;
  intact: RedisStore;
  prefix: string;
  close(): Promise<void>;
}

async function pair(kind: 'url' | 'client'): Promise<Pair> {
  const proxy = await RedisProxy.to(server);
  const prefix = randomUUID();
  const client = kind === 'client' ? new Redis(proxy.url) : undefined;
  client?.on('error', () => {});
  // Reconnects sooner than by default.
  const address = { url: proxy.url, redisOptions: { retryStrategy: () => 10 } };
  const cut = new RedisStore({ ...(client ? { client } : address), prefix, timeout: 3000 });
  const intact = new RedisStore({ url: server.url, prefix });
  await Promise.all([cut.open(), intact.open()]);
  const close = async () => {
    await Promise.all([cut.close(), intact.close()]);
    client?.disconnect();
    await proxy.close();
  };
  return { proxy, cut, intact, prefix, close };
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
    if (members > 0) await Promise.all(records.map((record) => own.intact.create(record)));
    // Reconnected, on both connections.
    await eventually(() => own.cut.read('nobody').then(() => true));
    const probe = aRecord(randomUUID());
    await eventually(() => own.cut.create(probe));
    await own.intact.destroy(probe.id);
    if (forgotten) await direct.script('FLUSH');
    return records[0] as SessionRecord;
  }

  it.each(
    cuttables.map(
      (one) => [`${one.operation}${one.forgotten ? ' with its script sent in full' : ''}`, one] as const,
    ),
  )(
    'in %s leaves consistent lists, rejects the call unless it was done, and reconnects',
    async (_, cuttable) => {
      const { cut, intact, proxy, prefix } = own;
      for (const when of ['before', 'after'] as const) {
        for (let command = 1; ; command++) {
          const record = await prepared(cuttable);
          const before = await intact.read(record.id);
          let wasCut = false;
          void proxy.cut({ command, when }).then(() => (wasCut = true));
          const [outcome] = await Promise.allSettled([cuttable.call(cut, record)]);
          // The latest cut replaces an earlier one, so that an unused cut does not affect later commands.
          if (!wasCut) void proxy.cut({ matching: /^never$/ });

          await agreement(intact, [direct], prefix);
          const now = await intact.read(record.id);
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
          await intact.clear();
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

interface Cut {
  cut: RedisStore;
  intact: RedisStore;
  proxies: RedisProxy[];
}

/** The call for a session, whose connection is cut after its script has reached the server. Rejects as it does. */
async function cutAfter({ cut, proxies }: Cut, id: string, call: () => Promise<unknown>): Promise<void> {
  for (const proxy of proxies) proxy.reset();
  const isCut = Promise.race(
    proxies.map((proxy) => proxy.cut({ matching: new RegExp(`^EVALSHA .*${id}`), when: 'after' })),
  );
  const rejection = expect(call()).rejects.toMatchObject({ name: 'SessionStoreError' });
  await isCut;
  await rejection;
  // Reconnected, on the connection for writes and on the one for reads.
  await eventually(() => cut.create(aRecord(`${id} again`)));
  await eventually(async () => (await cut.read(`${id} again`)) !== undefined);
}

/** An add and a take whose connections are cut have acted once. */
async function actOnce(own: Cut): Promise<void> {
  const { cut, intact } = own;
  const id = randomUUID();
  await intact.create(aRecord(id, { data: { visits: '5', code: '"1"' } }));
  // Each server has the scripts, so that each call is one command.
  const others = Array.from({ length: 64 }, () => aRecord(randomUUID()));
  await Promise.all(
    others.map(async (other) => {
      await cut.create(other);
      await cut.update(other, { add: { name: 'n', by: 1 } });
      await cut.update(other, { take: 'n' });
    }),
  );
  await cutAfter(own, id, () => cut.update({ id }, { add: { name: 'visits', by: 1 } }));
  expect((await intact.read(id))?.data['visits']).toBe('6');
  // Sent again later, it would take this one.
  const setAgain = { set: { code: '"2"' } };
  await cutAfter(own, id, async () => {
    const taking = cut.update({ id }, { take: 'code' });
    void taking.catch(() => {});
    await eventually(async () => (await intact.read(id))?.data['code'] === undefined);
    await intact.update({ id }, setAgain);
    return taking;
  });
  expect((await intact.read(id))?.data).toEqual({ visits: '6', code: '"2"' });
}

describe('an add and a take that reached the server before the cut', () => {
  it.each(['url', 'client'] as const)('are not run again by a store of a %s', async (kind) => {
    const { cut, intact, proxy, close } = await pair(kind);
    try {
      await actOnce({ cut, intact, proxies: [proxy] });
    } finally {
      await close();
    }
  });

  it.each(['cluster', 'client'] as const)(
    'are not run again by a Cluster whose nodes reconnect (%s)',
    async (kind) => {
      const { own, close } = await clusterPair(kind);
      try {
        await actOnce(own);
      } finally {
        await close();
      }
    },
  );
});

describe('a create that reached the server before the cut', () => {
  it.each(['url', 'client'] as const)('is not run again by a store of a %s', async (kind) => {
    const { cut, intact, proxy, close } = await pair(kind);
    try {
      await staysGone({ cut, intact, proxies: [proxy] });
    } finally {
      await close();
    }
  });

  it.each(['cluster', 'client'] as const)(
    'is not run again by a Cluster whose nodes reconnect (%s)',
    async (kind) => {
      const { own, close } = await clusterPair(kind);
      try {
        await staysGone(own);
      } finally {
        await close();
      }
    },
  );

  async function staysGone(own: Cut): Promise<void> {
    const { cut, intact } = own;
    // Each server has the script, so the create is one command.
    await Promise.all(Array.from({ length: 64 }, () => cut.create(aRecord(randomUUID()))));
    const record = aRecord(randomUUID(), { groups: ['g'] });
    await cutAfter(own, record.id, async () => {
      const creating = cut.create(record);
      void creating.catch(() => {});
      await eventually(() => intact.destroy(record.id));
      return creating;
    });
    expect(await cut.read(record.id)).toBeUndefined();
    expect(await intact.count('g')).toBe(0);
  }
});

/** The same as `pair`, for a Cluster. With a retry strategy its connections stay, and would resend what they sent. */
async function clusterPair(kind: 'cluster' | 'client'): Promise<{ own: Cut; close(): Promise<void> }> {
  const nodes = inject('redisCluster').nodes;
  const proxies = await Promise.all(nodes.map((node) => RedisProxy.to(node)));
  const natMap = Object.fromEntries(
    nodes.map(({ host, port }, at) => [`${host}:${port}`, { host, port: (proxies[at] as RedisProxy).port }]),
  );
  const options = { natMap, clusterNodeRetryStrategy: () => 100 };
  const startup = proxies.map(({ host, port }) => ({ host, port }));
  const client = kind === 'client' ? new Cluster(startup, options) : undefined;
  const prefix = randomUUID();
  const cut = new RedisStore({ ...(client ? { client } : { cluster: { nodes: startup, options } }), prefix });
  const intact = new RedisStore({ cluster: { nodes }, prefix });
  const close = async () => {
    await Promise.all([cut.close(), intact.close()]);
    client?.disconnect();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  };
  await Promise.all([cut.open(), intact.open()]);
  return { own: { cut, intact, proxies }, close };
}
