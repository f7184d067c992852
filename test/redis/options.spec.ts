import { randomUUID } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import { aRecord } from '../record.js';

const server = { url: inject('redis').url };
const cluster = { cluster: inject('redisCluster') };

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
    [{ url: `${server.url}?keyPrefix=x` }, /no options after `\?` except family: set them in redisOptions/],
    [{ url: `${server.url}?family=six` }, /no options after `\?` except family/],
    [{ url: 'unix://tmp/redis.sock' }, /^url must be a URL for Redis/],
    ['redis://localhost', /^RedisStore takes an object: write new RedisStore\(\{ url \}\)$/],
    [{ host: 'localhost' }, /^Unknown RedisStore option "host"\. Write redisOptions: \{ host, port \}\.$/],
    [{ redisOptions: 'localhost' }, /redisOptions must be an object/],
    [{ ...server, prefx: 'x' }, /^Unknown RedisStore option "prefx"\. Valid options: client, url/],
    [{ cluster: [] }, /cluster must be an object: write \{ nodes: \[/],
    [{ client: {} }, /client must be a Redis or a Cluster of ioredis: write new Redis/],
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
