import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5';
import type { SessionRecord } from 'nestjs-session-stores/store';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { eventually } from '../../../test/eventually.js';

const server = { url: inject('redis').url };
const cluster = { cluster: inject('redisCluster') };

function keepsTheLaws(options: () => RedisStoreOptions): void {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, async () => {
      const prefix = `${randomUUID()}:`;
      const stores = [
        new RedisStore({ ...options(), prefix }),
        new RedisStore({ ...options(), prefix }),
      ] as const;
      try {
        for (const store of stores) await store.open();
        await law.holds(stores);
      } finally {
        for (const store of stores) await store.close();
      }
    });
  }
}

describe('two stores on one server keep the law', () => {
  keepsTheLaws(() => server);
});

describe('two stores on a Redis Cluster keep the law', () => {
  keepsTheLaws(() => cluster);
});

describe('two stores with one given client of ioredis 5 keep the law', () => {
  let client: Redis;
  beforeAll(() => {
    client = anIoredis5();
  });
  afterAll(() => client.disconnect());
  keepsTheLaws(() => ({ client }));
});

/** A client of ioredis 5. The methods that the store calls are the same. */
function anIoredis5(): Redis {
  return new Redis5(server.url) as unknown as Redis;
}

function aRecord(id: string): SessionRecord {
  const now = Date.now();
  return {
    id,
    secretHash: 'secretHash',
    data: {},
    groups: ['g'],
    createdAt: now,
    expiresAt: now + 60_000,
  };
}

describe('options', () => {
  const invalid: [options: unknown, reason: RegExp][] = [
    [
      undefined,
      /needs one of url, redisOptions, cluster and client: none is set\. Is the environment variable loaded\?/,
    ],
    [{}, /none is set/],
    [{ url: undefined }, /none is set/],
    [{ url: server.url, cluster: cluster.cluster }, /leave the others out/],
    [{ redisOptions: {}, cluster: cluster.cluster }, /leave the others out/],
    [{ url: 6379 }, /^url must be a URL for Redis: write redis:\/\//],
    [{ url: '' }, /^url must be a URL for Redis: write redis:\/\//],
    [{ url: 'http://127.0.0.1:6379' }, /^url must be a URL for Redis: write redis:\/\//],
    [{ url: 'redis://:pass word@bad host:1' }, /^url must be a URL for Redis: write redis:\/\//],
    [{ url: 'redis://:100%@127.0.0.1' }, /percent-encoded$/],
    [{ url: 'redis://127.0.0.1/abc' }, /^url must be a URL for Redis: write redis:\/\//],
    [
      { url: `${server.url}?keyPrefix=x` },
      /no options after a `\?` but family: write them into redisOptions/,
    ],
    [{ url: `${server.url}?family=six` }, /no options after a `\?` but family/],
    [{ url: 'unix://tmp/redis.sock' }, /^url must be a URL for Redis/],
    ['redis://localhost', /^RedisStore takes an object: write new RedisStore\(\{ url \}\)$/],
    [{ host: 'localhost' }, /^Unknown RedisStore option "host"\. Write redisOptions: \{ host, port \}\.$/],
    [{ redisOptions: 'localhost' }, /redisOptions must be an object/],
    [{ ...server, prefx: 'x' }, /^Unknown RedisStore option "prefx"\. Valid options: client, url/],
    [{ cluster: [] }, /cluster must be an object: write \{ nodes: \[/],
    [{ client: {} }, /client must be a Redis or a Cluster of ioredis/],
    [{ ...server, prefix: null }, /prefix must be a well-formed string/],
    [{ ...server, prefix: '\ud800' }, /prefix must be a well-formed string/],
    [{ ...server, timeout: 0 }, /timeout must be a whole number of milliseconds/],
    [{ ...server, timeout: '2000' }, /timeout must be a whole number of milliseconds/],
    [{ redisOptions: { keyPrefix: 'x' } }, /keyPrefix must not be set, .*: write the store's `prefix`/],
    [{ cluster: { nodes: [], options: { keyPrefix: 'x' } } }, /keyPrefix/],
    [{ cluster: { nodes: [], options: { redisOptions: { keyPrefix: 'x' } } } }, /keyPrefix/],
    [{ redisOptions: { readOnly: true } }, /must be read from primaries, because replicas lag behind/],
    [{ redisOptions: { sentinels: [], name: 'x', role: 'slave' } }, /must be read from primaries/],
    [{ cluster: { nodes: [], options: { scaleReads: 'slave' } } }, /must be read from primaries/],
    [{ cluster: { nodes: [], options: { scaleReads: 'all' } } }, /must be read from primaries/],
    [
      { cluster: { nodes: [], options: { scaleReads: () => [] } } },
      /leave out scaleReads, readOnly and role/,
    ],
  ];

  it.each(invalid)('%j are rejected', (options, reason) => {
    const make = () => new RedisStore(options as RedisStoreOptions);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(reason);
  });

  it('of a given client are checked too', () => {
    const clients = [
      new Redis({ lazyConnect: true, keyPrefix: 'x' }),
      new Redis({ lazyConnect: true, readOnly: true }),
      new Redis5({ lazyConnect: true, keyPrefix: 'x' }) as unknown as Redis,
      new Cluster(cluster.cluster.nodes, { lazyConnect: true, scaleReads: 'all' }),
      new Cluster5(cluster.cluster.nodes, { lazyConnect: true, scaleReads: 'slave' }) as unknown as Cluster,
      new Cluster(cluster.cluster.nodes, { lazyConnect: true, redisOptions: { keyPrefix: 'x' } }),
    ];
    for (const client of clients) {
      expect(() => new RedisStore({ client })).toThrow(/keyPrefix|must be read from primaries/);
      client.disconnect();
    }
  });

  it('may make a client read from primaries, and may combine `url` with `redisOptions`', async () => {
    expect(() => new RedisStore({ redisOptions: { role: 'master' } })).not.toThrow();
    expect(() => new RedisStore({ cluster: { nodes: [], options: { scaleReads: 'master' } } })).not.toThrow();
    const store = new RedisStore({ ...server, redisOptions: { db: 1 }, prefix: randomUUID() });
    await store.open();
    await store.create(aRecord('k'));
    expect(await store.count()).toBe(1);
    expect(await store.clear()).toBe(1);
    await store.close();
  });
});

describe('a store', () => {
  let store: RedisStore;
  beforeEach(() => {
    store = new RedisStore({ ...server, prefix: randomUUID() });
    return () => store.close();
  });

  it('rejects all calls if it is not open, or was closed', async () => {
    const all = (id: string) => [
      store.create(aRecord(id)),
      store.read(id),
      store.update(aRecord(id), {}),
      store.rotate(aRecord(id), 'p', 'q', 0),
      store.destroy(id),
      store.regenerate(id),
      store.haveEnded([id]),
      store.page({ limit: 1 }),
      store.count(),
      store.clear(),
    ];
    const sayIt = async () => {
      for (const outcome of await Promise.allSettled(all('k'))) {
        expect(outcome).toMatchObject({
          reason: {
            name: 'SessionStoreError',
            message: expect.stringMatching(/is not open\. Call open\(\) first/),
          },
        });
      }
    };
    await sayIt();
    await store.open();
    await Promise.all(all('one'));
    await store.close();
    await sayIt();
    await store.open();
    await Promise.all(all('another'));
  });

  it('rejects an `after` that no page returned', async () => {
    await store.open();
    for (const after of [
      '',
      '0',
      'x:1',
      '0:',
      ':1',
      '16:1',
      '1:1',
      '0:1:1',
      '0:-1',
      '0:1)',
      ' 0:1',
      '0:1e3',
    ]) {
      await expect(store.page({ limit: 1, after }), after).rejects.toThrow(
        new TypeError('after must be the `next` of an earlier page'),
      );
    }
    expect(await store.page({ limit: 1, after: '0:1' })).toEqual({ records: [] });
  });

  it('does not clear with a group a new session with the id of an expired member', async () => {
    await store.open();
    await store.create(aRecord('other'));
    await store.create({ ...aRecord('k'), expiresAt: Date.now() + 100 });
    await eventually(async () => (await store.read('k')) === undefined);
    await store.create({ ...aRecord('k'), secretHash: 'another', groups: ['h'] });
    expect((await store.page({ group: 'g', limit: 10 })).records.map(({ id }) => id)).toEqual(['other']);
    expect(await store.clear('g')).toBe(1);
    expect(await store.read('k')).toMatchObject({ secretHash: 'another', groups: ['h'] });
  });

  it('opens once, however often open is called', async () => {
    const watcher = new Redis(server.url);
    try {
      const name = randomUUID();
      const named = new RedisStore({ ...server, redisOptions: { connectionName: name } });
      await Promise.all([named.open(), named.open(), named.open()]);
      await named.open();
      const clients = (await watcher.client('LIST')) as string;
      expect(clients.split(`name=${name} `).length - 1).toBe(1);
      await named.close();
      await named.close();
    } finally {
      watcher.disconnect();
    }
  });

  it('opens after a close that interrupted open', async () => {
    const cut = store.open().catch(() => {});
    await store.close();
    await store.open();
    await cut;
    expect(await store.count()).toBe(0);
  });

  it('rejects open with the reason if the database does not exist, or the password is wrong', async () => {
    const beyond = new RedisStore({ ...server, redisOptions: { db: 99 } });
    await expect(beyond.open()).rejects.toThrow(/^\[session:redis\] open: .* no database with this number/);
    const stranger = new RedisStore({ ...server, redisOptions: { username: 'nobody', password: 'hunter2' } });
    const error = await stranger.open().catch((refused: Error) => refused);
    expect(String(error)).toMatch(/open: the server rejected the login\. Check user name and password$/);
    expect(inspect(error, { depth: 10 })).not.toContain('hunter2');
  });

  it('leaves nothing running after a failed open, and opens when the server is there', async () => {
    const door = createServer((socket) => {
      came++;
      const to = connect(Number(port), hostname);
      for (const one of [socket, to]) one.on('error', () => {});
      socket.pipe(to).pipe(socket);
    });
    const { hostname, port } = new URL(server.url);
    let came = 0;
    await once(door.listen(0, '127.0.0.1'), 'listening');
    const at = (door.address() as AddressInfo).port;
    await new Promise((resolve) => door.close(resolve));

    const late = new RedisStore({ url: `redis://127.0.0.1:${at}`, timeout: 500 });
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(late.open()).rejects.toMatchObject({
        name: 'SessionStoreError',
        message: expect.stringMatching(/^\[session:redis\] open: no connection .* Is Redis running/),
        cause: { code: 'ECONNREFUSED' },
      });
    }
    // A connection attempt that still ran would arrive within this time.
    await once(door.listen(at, '127.0.0.1'), 'listening');
    await wait(400);
    expect(came).toBe(0);
    await late.open();
    expect(came).toBe(1);
    await late.close();
    await new Promise((resolve) => door.close(resolve));
  });
});

describe('a given client', () => {
  it.each([
    ['a Redis', () => new Redis(server.url)],
    ['a Redis of ioredis 5', anIoredis5],
    ['a Cluster', () => new Cluster(cluster.cluster.nodes)],
    ['a Cluster of ioredis 5', () => new Cluster5(cluster.cluster.nodes) as unknown as Cluster],
  ])('gives its options to the connection of the store, and stays open: %s', async (_, make) => {
    const client = make();
    try {
      for (let time = 0; time < 2; time++) {
        const store = new RedisStore({ client, prefix: randomUUID() });
        await store.open();
        await store.create(aRecord('k'));
        expect(await store.read('k')).toMatchObject({ groups: ['g'] });
        expect(await store.clear('g')).toBe(1);
        await store.close();
        await eventually(() => client.status === 'ready');
        await client.get(randomUUID());
      }
    } finally {
      client.disconnect();
    }
  });
});
