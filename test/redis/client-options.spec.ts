import { randomUUID } from 'node:crypto';
import { Cluster, Command, Redis, type RedisOptions } from 'ioredis';
import {
  Cluster as Cluster5,
  Command as Command5,
  Redis as Redis5,
  type RedisOptions as RedisOptions5,
} from 'ioredis-5';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { eventually } from '../eventually.js';
import { expectEverythingToWork } from './everything.js';

const { url } = inject('redis');
const { nodes } = inject('redisCluster');

const settings: [name: string, options: RedisOptions][] = [
  ['stringNumbers', { stringNumbers: true }],
  ['RESP2', { protocol: 2 }],
  ["replyMapping: 'resp3'", { replyMapping: 'resp3' }],
  ['enableAutoPipelining', { enableAutoPipelining: true }],
  ['showFriendlyErrorStack', { showFriendlyErrorStack: true }],
  ['a commandTimeout that is too short', { commandTimeout: 1 }],
  ['maxRetriesPerRequest: null', { maxRetriesPerRequest: null }],
  ['no offline queue', { enableOfflineQueue: false }],
  ['no ready check', { enableReadyCheck: false }],
  ['no retries', { retryStrategy: null as never }],
  ['reconnectOnError that sends again', { reconnectOnError: () => 2 }],
  ['another database', { db: 5 }],
  ['a connection name', { connectionName: 'app' }],
];

describe("a client's", () => {
  it.each(settings)('%s changes no result', async (_, options) => {
    const client = new Redis(url, { ...options, lazyConnect: true });
    try {
      await expectEverythingToWork({ client });
    } finally {
      client.disconnect();
    }
  });

  it.each([
    ['stringNumbers', { stringNumbers: true }],
    ['enableAutoPipelining', { enableAutoPipelining: true }],
  ] as [string, RedisOptions5][])('%s changes no result with ioredis 5', async (_, options) => {
    const client = new Redis5(url, { ...options, lazyConnect: true });
    try {
      await expectEverythingToWork({ client: client as unknown as Redis });
    } finally {
      client.disconnect();
    }
  });

  it.each([
    ['stringNumbers', { redisOptions: { stringNumbers: true } }],
    ["replyMapping: 'resp3'", { redisOptions: { replyMapping: 'resp3' } }],
    ['commandTimeout', { redisOptions: { commandTimeout: 1 } }],
    ['enableAutoPipelining', { enableAutoPipelining: true }],
  ] as const)('%s changes no result in a Cluster', async (_, options) => {
    const client = new Cluster([...nodes], { ...options, lazyConnect: true });
    try {
      await expectEverythingToWork({ client });
    } finally {
      client.disconnect();
    }
  });

  it.each([
    ['a Cluster', (redisOptions: RedisOptions) => new Cluster(nodes, { redisOptions })],
    [
      'a Cluster of ioredis 5',
      (redisOptions: RedisOptions) =>
        new Cluster5(nodes, { redisOptions: redisOptions as RedisOptions5 }) as unknown as Cluster,
    ],
  ])('options for the nodes of %s, such as a password, are those of the store too', async (_, clusterOf) => {
    const connectionName = randomUUID();
    const client = clusterOf({ connectionName });
    const store = new RedisStore({ client, prefix: randomUUID() });
    const other = new Cluster(nodes);
    try {
      await store.open();
      client.disconnect();
      await eventually(async () => {
        const clients = await Promise.all(other.nodes('master').map((node) => node.client('LIST')));
        expect(clients.filter((list) => String(list).includes(`name=${connectionName} `))).toHaveLength(3);
      });
    } finally {
      await store.close();
      client.disconnect();
      other.disconnect();
    }
  });

  it('subscriptions and later choice of a database have no effect', async () => {
    const client = new Redis(url, { protocol: 2 });
    try {
      await client.select(7);
      await client.subscribe('channel');
      await expectEverythingToWork({ client });
    } finally {
      client.disconnect();
    }
  });
});

it.each(settings)("%s in the store's own redisOptions changes no result", async (_, redisOptions) => {
  await expectEverythingToWork({ url, redisOptions });
});

describe('a transformer that an app has set for all commands', () => {
  const names = ['hgetall', 'zrangebyscore', 'evalsha', 'eval', 'unlink'];
  const defaults = {
    6: { argument: transformersOf(Command).argument, reply: transformersOf(Command).reply },
    5: { argument: transformersOf(Command5).argument, reply: transformersOf(Command5).reply },
  };
  const before = { 6: defaults[6].reply['hgetall'], 5: defaults[5].reply['hgetall'] };
  afterEach(() => {
    for (const version of [5, 6] as const) {
      for (const name of names) {
        delete defaults[version].reply[name];
        delete defaults[version].argument[name];
      }
      defaults[version].reply['hgetall'] = before[version];
    }
  });

  function transform(): void {
    for (const one of [Command, Command5]) {
      for (const name of names) {
        one.setReplyTransformer(name, (reply: unknown) => new Map([['reply', reply]]));
        one.setArgumentTransformer(name, (args: unknown[]) => args.map((arg) => `app:${arg}`));
      }
    }
  }

  it.each([
    ['a URL', () => ({ url })],
    ['a client', () => ({ client: new Redis(url, { lazyConnect: true }) })],
    ['a client of ioredis 5', () => ({ client: new Redis5(url, { lazyConnect: true }) as unknown as Redis })],
    ['a Cluster', () => ({ cluster: { nodes } })],
    [
      'a Cluster of ioredis 5',
      () => ({ client: new Cluster5(nodes, { lazyConnect: true }) as unknown as Cluster }),
    ],
  ] as [string, () => RedisStoreOptions][])('changes no result (%s)', async (_, optionsOf) => {
    transform();
    const options = optionsOf();
    try {
      await expectEverythingToWork(options);
    } finally {
      options.client?.disconnect();
    }
  });
});

/** The transformers of a copy of ioredis, which it has no method to read or remove. */
function transformersOf(command: unknown): Record<'argument' | 'reply', Record<string, unknown>> {
  return Reflect.get(command as object, '_transformer');
}
