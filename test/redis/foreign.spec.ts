import { randomUUID } from 'node:crypto';
import { Cluster } from 'ioredis';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';
import { call } from '../servers/redis.mjs';
import { RedisProxy } from '../servers/redis.proxy.mjs';
import { agreement, paged } from './agreement.js';
import { ownServer } from './own.server.js';
import { withoutTombstones } from './tombstones.js';

const { server, direct } = await ownServer();

/** Calls every method of a store. Leaves no session. */
async function everything(store: RedisStore): Promise<void> {
  const [one, two] = [aRecord('1', { groups: ['g', ''] }), aRecord('2', { groups: ['g'], from: ['0'] })];
  await store.create(one);
  await store.create(two);
  await store.create(two);
  await store.read('1');
  await store.update(one, { set: { b: '2' }, remove: ['a'], join: ['h', '*'], leave: ['g'] });
  await store.update(one, { touch: { from: one.expiresAt, to: one.expiresAt + 1 } });
  await store.update(one, { expiresAt: one.expiresAt + 2 });
  await store.rotate(one, one.secretHash, 'next', 1000);
  await store.update(one, { retirePrevious: { secretHash: 'next', validUntil: Date.now() } });
  await paged(store);
  await paged(store, 'h');
  await store.count();
  await store.count('*');
  await store.clear('g', ['1']);
  await store.clear('*');
  await store.regenerate('2');
  await store.haveEnded(['2']);
  await store.create(aRecord('4', { groups: ['g'] }));
  await store.update({ id: '4' }, { expiresAt: 0 });
  await store.destroy('1');
  await store.clear();
}

/** How often each command was run, by its name. */
async function commands(): Promise<Map<string, number>> {
  const stats: string = await call(server.url, 'INFO', 'commandstats');
  return new Map(
    [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, calls]) => [
      name as string,
      Number(calls),
    ]),
  );
}

describe('keys of other programs', () => {
  it('stay unchanged, however similar their names, and the database is never scanned', async () => {
    const strangers = [
      'session:',
      'session',
      'session:1',
      'session:{18}',
      'session:{18}:',
      'session:{18}:s:',
      'session:{18}:s:3',
      'session:{18}:t:1',
      'session:{18}:g',
      'session:{18}:g:other',
      'session:{18}:all:1',
      'session:{19}:s:1',
      'session:{455}:s:1',
      'sessions:{18}:s:1',
      'x:session:{18}:s:1',
      '{18}:s:1',
      '1',
      'g',
      '*',
    ];
    for (const key of strangers) await direct.set(key, `of ${key}`);
    const before = await commands();
    const store = new RedisStore({ url: server.url });
    await store.open();
    await everything(store);
    await store.close();
    const after = await commands();

    const run = [...after].filter(([name, calls]) => calls > (before.get(name) ?? 0)).map(([name]) => name);
    // The client's handshake and this spec's INFO, the commands of the store, and those of its scripts.
    const handshake = 'hello client|setinfo info'.split(' ');
    const sent = 'evalsha eval hgetall hmget'.split(' ');
    const scripted =
      'time pttl pexpireat exists unlink get set incr publish hget hset hdel zadd zrem zrange zrangebyscore zscore zcount zrandmember'.split(
        ' ',
      );
    expect(run.filter((name) => !handshake.concat(sent, scripted).includes(name))).toEqual([]);
    expect(run).toEqual(expect.arrayContaining(sent));

    for (const key of strangers) expect(await direct.get(key)).toBe(`of ${key}`);
    expect(await withoutTombstones(direct)).toEqual(strangers.toSorted());
  });

  it('include those of stores whose prefix starts with the prefix of this store', async () => {
    const prefixes = ['p:', 'p:p:', 'p:{18}:', 'p:{18}:s:'];
    const stores = prefixes.map((prefix) => new RedisStore({ url: server.url, prefix }));
    try {
      for (const store of stores) {
        await store.open();
        await store.create(aRecord('k', { groups: ['g', 'all'] }));
      }
      for (const [at, store] of stores.entries()) {
        expect(await store.clear()).toBe(1);
        for (const other of stores.slice(at + 1)) expect(await other.count('g')).toBe(1);
      }
    } finally {
      for (const store of stores) await store.close();
    }
  });
});

describe('a prefix with characters that are special in Redis', () => {
  const odd = `${randomUUID()}*?[a-z]\\{x}{18}{}%25:`;
  const encoded = odd.replace(/[%{}]/g, encodeURIComponent);

  it('works on one server', async () => {
    const store = new RedisStore({ url: server.url, prefix: odd });
    try {
      await store.open();
      await store.create(aRecord('k', { groups: ['{g}', '*'] }));
      expect((await agreement(store, [direct], encoded)).size).toBe(1);
      await everything(store);
    } finally {
      await store.close();
    }
  });

  it('works on a Cluster, with each shard in a separate slot', async () => {
    const store = new RedisStore({ cluster: inject('redisCluster'), prefix: odd });
    const cluster = new Cluster(inject('redisCluster').nodes, { lazyConnect: true });
    try {
      await Promise.all([store.open(), cluster.connect()]);
      const records = Array.from({ length: 200 }, (_, at) => aRecord(`{${at}}`, { groups: ['{g}', '*'] }));
      await Promise.all(records.map((record) => store.create(record)));
      const primaries = cluster.nodes('master');
      expect((await agreement(store, primaries, encoded)).size).toBe(200);
      const keys = (await Promise.all(primaries.map((node) => node.keys('*'))))
        .flat()
        .filter((key) => key.startsWith(encoded));
      const slots = new Map<string, Set<number>>();
      for (const key of keys) {
        const shard = key.slice(0, key.indexOf('}:', encoded.length));
        if (!slots.has(shard)) slots.set(shard, new Set());
        slots.get(shard)?.add(Number(await cluster.cluster('KEYSLOT', key)));
      }
      expect([...slots.values()].map((all) => all.size)).toEqual(Array(16).fill(1));
      expect(new Set([...slots.values()].flatMap((all) => Array.from(all))).size).toBe(16);
      expect(await store.clear('*')).toBe(200);
    } finally {
      await store.close();
      cluster.disconnect();
    }
  });
});

describe('the cost of a call', () => {
  it('is one command, groups included, with bytes only for what changed', async () => {
    const proxy = await RedisProxy.to(server);
    const store = new RedisStore({ url: proxy.url, prefix: randomUUID() });
    try {
      await store.open();
      const groups = ['user:42', 'tenant:acme'];
      const large = aRecord('k', {
        groups,
        data: { large: JSON.stringify('x'.repeat(100_000)), small: '1' },
      });
      const cost = async (call_: () => Promise<unknown>) => {
        await call_();
        proxy.reset();
        await call_();
        const { commands: count, bytesToServer, bytesToClients } = proxy.counted();
        return { count, bytes: bytesToServer + bytesToClients };
      };
      let n = 0;
      const create = await cost(() => store.create({ ...large, id: `created ${n++}` }));
      expect(create.count).toBe(1);
      await store.create(large);
      expect((await cost(() => store.read('k'))).count).toBe(1);

      const small = await cost(() => store.update(large, { set: { small: String(n++) } }));
      expect(small.count).toBe(1);
      expect(small.bytes).toBeLessThan(1000);

      let { expiresAt } = large;
      const touching = await cost(async () => {
        const touch = { from: expiresAt, to: expiresAt + 1000 };
        const result = await store.update(large, { set: { small: String(n++) }, touch });
        expect(result?.expiresAt).toBe(expiresAt + 1000);
        expiresAt += 1000;
      });
      expect(touching.count).toBe(1);
      expect(touching.bytes).toBeLessThan(1000);

      const moving = await cost(() => store.update(large, { join: [`g${n}`], leave: [`g${n++ - 1}`] }));
      expect(moving.count).toBe(1);
      expect(moving.bytes).toBeLessThan(1000);

      const rotating = await cost(async () => {
        const secretHash = (await store.read('k'))?.secretHash ?? '';
        proxy.reset();
        await store.rotate(large, secretHash, `secret hash ${n++}`, 0);
      });
      expect(rotating.count).toBe(1);
      expect(rotating.bytes).toBeLessThan(1000);

      n = 0;
      const ending = await cost(() => store.destroy(`created ${n++}`));
      expect(ending.count).toBe(1);
      expect(ending.bytes).toBeLessThan(1000);
      n = 0;
      for (const id of ['old 0', 'old 1']) await store.create({ ...large, id });
      const regenerating = await cost(() => store.regenerate(`old ${n++}`));
      expect(regenerating.count).toBe(1);
      expect(regenerating.bytes).toBeLessThan(1000);
      // One to create the session, and one for each session that it came from.
      n = 0;
      const succeeding = await cost(() =>
        store.create({ ...large, id: `new ${n++}`, from: ['old 0', 'old 1'] }),
      );
      expect(succeeding.count).toBe(3);
      expect((await cost(() => store.page({ group: 'user:42', limit: 10 }))).count).toBe(1);
      expect((await cost(() => store.count('user:42'))).count).toBe(1);
      expect((await cost(() => store.count())).count).toBe(1);
    } finally {
      await store.close();
      await proxy.close();
    }
  });
});
