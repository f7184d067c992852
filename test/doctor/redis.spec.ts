import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { examine } from 'nestjs-session-stores/doctor';
import { CachedStore, EncryptedStore } from 'nestjs-session-stores/store';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
  vi,
} from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { ownServer } from '../redis/own.server.js';
import { startRedis } from '../servers/redis.mjs';
import type { Server } from '../servers/server.mjs';
import { examined, RIGHT_OPTIONS } from './examined.js';

const { server, direct } = await ownServer();

const storeOf = (options: Partial<RedisStoreOptions> = {}) =>
  new RedisStore({ url: server.url, ...options } as RedisStoreOptions);

const set = (settings: Record<string, string>) =>
  Promise.all(Object.entries(settings).map(([name, value]) => direct.config('SET', name, value)));

/** A server as the page on the store recommends it. */
const RIGHT = { appendonly: 'yes', appendfsync: 'everysec', 'maxmemory-policy': 'noeviction', save: '' };

beforeEach(() => set({ ...RIGHT, maxmemory: '0', 'min-replicas-to-write': '0' }));
afterEach(async () => {
  expect(await direct.keys('*')).toEqual([]);
});

describe('a Redis with an append-only file, without eviction and replicas', () => {
  it('has no risk, with options that have none, and everything could be seen', async () => {
    const findings = await examined({ store: storeOf(), options: RIGHT_OPTIONS });
    expect(findings.all.filter(({ outcome }) => outcome !== 'ok').map(({ subject }) => subject)).toEqual([
      'Sessions per user',
    ]);
    expect(findings.with('ok').filter((subject) => subject.startsWith('Redis'))).toEqual([
      'Redis version',
      'Redis eviction',
      'Redis memory',
      'Redis persistence',
      'Redis replication',
      'Redis clock',
      'Redis rights',
      'Redis feed',
    ]);
  });

  it('keeps its keys and its settings, and the store stays closed, or open', async () => {
    const settings = async () => ((await direct.config('GET', '*')) as string[]).toSorted();
    const before = await settings();
    const store = storeOf();
    await examined({ store });
    await expect(store.read('k')).rejects.toThrow('the store is not open');
    await store.open();
    const record = aRecord('k');
    try {
      await store.create(record);
      await examined({ store });
      expect(await store.read('k')).toEqual(record);
      expect(await direct.keys('*')).toHaveLength(3);
    } finally {
      await direct.flushdb();
      await store.close();
    }
    expect(await settings()).toEqual(before);
  });

  it('is examined through a cache and encryption', async () => {
    const inner = storeOf();
    const sealed = new EncryptedStore(inner, { keys: [randomBytes(32)] });
    const findings = await examined({ store: new CachedStore(sealed) });
    expect(findings.with('ok')).toEqual((await examined({ store: inner })).with('ok'));
    expect(findings.with('ok')).toContain('Redis rights');
  });

  it('is examined by the options of a client of the app, which stays as it is', async () => {
    const client = new Redis(server.url);
    try {
      const findings = await examined({ store: storeOf({ url: undefined, client }) });
      expect(findings.risks).toEqual([]);
      expect(findings.of('Redis rights').outcome).toBe('ok');
      expect(client.status).toBe('ready');
    } finally {
      client.disconnect();
    }
  });

  it('leaves no key when the examination is ended early', async () => {
    for await (const { subject } of examine({ store: storeOf() })) if (subject === 'Redis rights') break;
    expect(await direct.keys('*')).toEqual([]);
  });
});

describe('a Redis has a risk if', () => {
  it.each([
    ['allkeys-lru', '0'],
    ['volatile-ttl', '100mb'],
  ])('its maxmemory-policy is %s', async (policy, maxmemory) => {
    await set({ 'maxmemory-policy': policy, maxmemory });
    const findings = await examined({ store: storeOf() });
    expect(findings.risks).toEqual(['Redis eviction']);
    expect(findings.of('Redis eviction')).toMatchObject({
      found: expect.stringContaining(policy) as string,
      risk: expect.stringContaining('removes live sessions') as string,
      remedy: 'Set maxmemory-policy noeviction.',
    });
  });

  it('its memory is nearly full', async () => {
    const [, used] = /^used_memory:(\d+)/m.exec(await direct.info('memory'))!;
    await set({ maxmemory: String(Number(used) + 50_000) });
    expect((await examined({ store: storeOf() })).risks).toContain('Redis memory');
  });

  it.each([
    ['nothing', '', 'saves nothing to disk', 'loses all sessions'],
    ['snapshots only', '3600 1', 'only snapshots', 'sessions that were destroyed since are live again'],
  ])('it keeps %s', async (_, save, found, risk) => {
    await set({ appendonly: 'no', save });
    const findings = await examined({ store: storeOf() });
    expect(findings.risks).toEqual(['Redis persistence']);
    expect(findings.of('Redis persistence').found).toContain(found);
    expect(findings.of('Redis persistence').risk).toContain(risk);
  });

  it('it never waits for the disk', async () => {
    await set({ appendfsync: 'no' });
    expect((await examined({ store: storeOf() })).risks).toEqual(['Redis persistence']);
  });
});

describe('a Redis with a replica', () => {
  let replica: Server;
  beforeAll(async () => {
    const args = ['--replicaof', server.host, String(server.port)];
    replica = await startRedis({ args });
    await eventually(async () => (await direct.info('replication')).includes('state=online'));
  });
  afterAll(() => replica.stop());

  it('has a risk, and none once a primary that is cut off stops accepting writes', async () => {
    const findings = await examined({ store: storeOf() });
    expect(findings.risks).toEqual(['Redis replication']);
    expect(findings.of('Redis replication')).toMatchObject({
      found: 'The server is a primary with one replica, and min-replicas-to-write is 0.',
      risk: expect.stringContaining('a logout may be undone') as string,
      remedy: expect.stringContaining('Set min-replicas-to-write 1') as string,
    });

    await set({ 'min-replicas-to-write': '1' });
    const limited = await examined({ store: storeOf() });
    expect(limited.risks).toEqual([]);
    expect(limited.of('Redis replication').found).toContain('stops accepting writes after 10 s');
  });

  it('has the risk that the store does not open, if the store is connected to the replica', async () => {
    const findings = await examined({ store: storeOf({ url: replica.url }) });
    expect(findings.of('Redis replication').found).toBe('The server is a replica.');
    expect(findings.of('Redis rights').found).toBe('The store failed to open: The server is a replica.');
    // Nothing was written, so nothing stays.
    expect(findings.about('Redis traces')).toEqual([]);
  });
});

describe('a user of Redis', () => {
  const page = readFileSync(new URL('../../docs/stores/redis.md', import.meta.url), 'utf8');
  const [, documented] = /^ACL SETUSER shop on >password (.*?)^```/ms.exec(page) as unknown as [
    string,
    string,
  ];
  const users: string[] = [];
  /** A store of a user with the rights in the documentation, and others. */
  async function storeWith(...rights: string[]): Promise<RedisStore> {
    const username = `u-${randomUUID()}`;
    users.push(username);
    await direct.acl(
      'SETUSER',
      username,
      'on',
      '>password',
      ...documented.split(/\s+/).filter(Boolean),
      ...rights,
    );
    return storeOf({ redisOptions: { username, password: 'password' } });
  }
  afterAll(() => direct.acl('DELUSER', ...users));

  it('with the rights in the documentation has all that the store needs, but is not allowed to look at settings', async () => {
    const findings = await examined({ store: await storeWith() });
    expect(findings.risks).toEqual([]);
    expect(findings.with('not allowed to look')).toEqual(['Redis persistence']);
    expect(findings.about('Redis persistence')[0]).toEqual({
      outcome: 'not allowed to look',
      subject: 'Redis persistence',
      found: 'The user may not run CONFIG GET.',
      remedy: 'Allow it with ACL SETUSER: +config|get. Or check the server yourself.',
    });
  });

  it('without TIME is told so by name', async () => {
    const findings = await examined({ store: await storeWith('-time') });
    expect(findings.of('Redis rights')).toEqual({
      outcome: 'risk',
      subject: 'Redis rights',
      found: 'The store failed to open: The user may not run TIME.',
      risk: 'The store does not open, so the app does not start.',
      remedy: 'Allow it with ACL SETUSER: +time.',
    });
    expect(findings.of('Redis clock').outcome).toBe('not allowed to look');
  });

  it('without INFO is told that nothing could be seen of each subject', async () => {
    // ioredis warns of it, too.
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    onTestFinished(() => void vi.restoreAllMocks());
    const findings = await examined({ store: await storeWith('-info') });
    expect(findings.risks).toEqual([]);
    expect(findings.with('not allowed to look')).toEqual([
      'Redis persistence',
      'Redis version',
      'Redis eviction',
      'Redis memory',
      'Redis replication',
    ]);
  });

  it.each([['-publish'], ['-subscribe'], ['resetchannels']])(
    'has the risk of no feed with %s',
    async (right) => {
      const findings = await examined({ store: await storeWith(right) });
      expect(findings.risks).toEqual(['Redis feed']);
    },
  );
});

describe('a Redis Cluster', () => {
  const { nodes } = inject('redisCluster');
  const cluster = new Redis.Cluster(nodes);
  afterAll(() => cluster.disconnect());

  it('is examined on each primary, and has no key of it afterwards', async () => {
    const prefix = `${randomUUID()}:`;
    const findings = await examined({ store: storeOf({ url: undefined, cluster: { nodes }, prefix }) });
    const primaries = cluster.nodes('master').length || 3;
    for (const subject of ['Redis Cluster', 'Redis version', 'Redis clock', 'Redis replication']) {
      const hosts = findings.about(subject).map(({ found }) => found.slice(0, found.indexOf(': ')));
      expect(new Set(hosts).size, subject).toBe(primaries);
    }
    expect(new Set(findings.about('Redis Cluster').map(({ outcome }) => outcome))).toEqual(new Set(['ok']));
    expect(findings.of('Redis rights').outcome).toBe('ok');
    for (const node of cluster.nodes('master')) expect(await node.keys(`${prefix}*`)).toEqual([]);
  });

  it('has a risk if the store uses one of its nodes as a single server', async () => {
    const url = `redis://${nodes[0]!.host}:${nodes[0]!.port}`;
    expect((await examined({ store: storeOf({ url }) })).risks).toContain('Redis Cluster');
  });
});

describe('a Redis that does not respond', () => {
  it('is a risk that names the address', async () => {
    const { all } = await examined({ store: storeOf({ url: 'redis://127.0.0.1:1' }) });
    expect(all).toEqual([
      {
        outcome: 'risk',
        subject: 'Redis connection',
        found: 'No connection to 127.0.0.1:1.',
        risk: 'The app cannot use its sessions.',
        remedy: 'Is Redis running, and is the address right?',
      },
    ]);
  });

  it('from the middle of the examination on delays each further step by no more than the timeout', async () => {
    const examination = examine({ store: storeOf({ timeout: 200 }) });
    await examination.next();
    await server.freeze();
    try {
      const begun = performance.now();
      const outcomes: string[] = [];
      for await (const { outcome } of examination) outcomes.push(outcome);
      expect(performance.now() - begun).toBeLessThan(3000);
      expect(outcomes).not.toContain('not allowed to look');
      expect(outcomes.at(-1)).toBe('unknown');
    } finally {
      await server.thaw();
    }
  });
});
