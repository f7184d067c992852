import { randomUUID } from 'node:crypto';
import { MemoryStore } from 'express-session';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import {
  SessionStoreDecorator,
  type SessionRecord,
  type SessionStore,
  type SessionStoreOperation,
} from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { connect, type HazelcastClient } from '../hazelcast/client.js';
import { aRecord } from '../record.js';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';

/** A minimal decorator that logs the calls to a store. */
class LoggingStore extends SessionStoreDecorator {
  readonly log: string[] = [];

  protected override async call<T>(
    operation: SessionStoreOperation,
    work: () => T | PromiseLike<T>,
  ): Promise<T> {
    const begun = performance.now();
    try {
      return await super.call(operation, work);
    } finally {
      this.log.push(`${operation}: ${performance.now() - begun} ms`);
    }
  }
}

/** Gives its callers copies of the records, as a decorator that changes something in them does. */
class CopyingStore extends SessionStoreDecorator {
  protected override async doRead(id: string): Promise<SessionRecord | undefined> {
    const record = await super.doRead(id);
    return record && { ...record, data: { ...record.data } };
  }
}

let client: HazelcastClient;

beforeAll(async () => {
  client = await connect();
});
afterAll(() => client?.shutdown());

/** Every store, as how to make one whose sessions are those of a namespace. */
const stores: [word: string, make: (namespace: string) => SessionStore][] = [
  ['cluster', (name) => new ClusterStore({ name })],
  ['redis', (prefix) => new RedisStore({ ...inject('redis'), prefix })],
  ['mongo', (collection) => new MongoStore({ uri: inject('mongo').url, collection })],
  ['hazelcast', (prefix) => new HazelcastStore({ client, prefix })],
];

/** Besides the simplest store, the one that needs the hints of records. The others take longer, and differ in neither. */
const around = process.env['LONG']
  ? stores
  : stores.filter(([word]) => ['cluster', 'hazelcast'].includes(word));

describe.each(around)('a decorator around the store %s', (_, make) => {
  it.concurrent.each(sessionStoreLaws)('keeps the law: $name', async (law) => {
    const namespace = randomUUID();
    const handles = [new LoggingStore(make(namespace)), new LoggingStore(make(namespace))] as const;
    try {
      for (const store of handles) await store.open();
      await law.holds(handles);
      expect(handles.flatMap(({ log }) => log).length).toBeGreaterThan(2);
    } finally {
      for (const store of handles) await store.close();
    }
  });
});

describe('a decorator', () => {
  it('forwards the capabilities and the clock of the inner store, and its name in errors', async () => {
    const express = new CopyingStore(new LoggingStore(fromExpressStore(new MemoryStore())));
    expect(express.capabilities).toEqual({
      secrets: false,
      createdAt: false,
      use: false,
      feed: 'a store of express-session does not announce changes',
    });
    const inside = new ClusterStore({ name: randomUUID() });
    vi.spyOn(inside, 'now').mockReturnValue(42);
    const store = new LoggingStore(inside);
    expect(store.capabilities).toEqual({ secrets: true, createdAt: true, feed: true });
    expect(store.now()).toBe(42);
    await expect(store.read('k')).rejects.toThrow('[session:cluster] read: the store is not open');
  });

  it('checks the arguments before it sees them', async () => {
    const ids: unknown[] = [];
    class SeeingStore extends SessionStoreDecorator {
      protected override doRead(id: string): Promise<SessionRecord | undefined> {
        ids.push(id);
        return super.doRead(id);
      }
    }
    const store = new SeeingStore(new ClusterStore({ name: randomUUID() }));
    await store.open();
    onTestFinished(() => store.close());
    await expect(store.read({ $ne: null } as never)).rejects.toThrow(TypeError);
    expect(await store.read('absent')).toBeUndefined();
    expect(ids).toEqual(['absent']);
  });

  it("keeps Hazelcast's hint, so that changing a session that was read takes one round trip", async () => {
    const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
    const proxied = await connect({ clusterMembers: [proxy.address], smartRouting: false });
    onTestFinished(async () => {
      await proxied.shutdown();
      await proxy.close();
    });
    const store = new CopyingStore(new HazelcastStore({ client: proxied, prefix: randomUUID() }));
    await store.open();
    await store.create(aRecord('k'));
    const record = (await store.read('k'))!;
    const trips = await proxy.roundTripsOf(async () => {
      await store.update(record, { set: { b: '2' } });
      await store.update(record, { set: { c: '3' } });
    });
    expect(trips).toEqual([
      ['replaceIfSame', 'setTtl'],
      ['replaceIfSame', 'setTtl'],
    ]);
    await store.close();
  });

  it("keeps an express-session store's hint, so that changing a session that was read does not read it again", async () => {
    const inside = new MemoryStore();
    const store = new CopyingStore(fromExpressStore(inside));
    await store.open();
    await store.create(aRecord('k'));
    const record = (await store.read('k'))!;
    const get = vi.spyOn(inside, 'get');
    await store.update(record, { set: { b: '2' } });
    await store.update(record, { set: { c: '3' } });
    expect(get).not.toHaveBeenCalled();
    expect((await store.read('k'))?.data).toMatchObject({ a: '1', b: '2', c: '3' });
    await store.close();
  });
});
