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
        new TypeError('after must be the `next` of an earlier page: leave it out for the first page'),
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
