import { randomUUID } from 'node:crypto';
import mongoose from 'mongoose';
import type { SessionStore } from 'nestjs-session-stores';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { connect } from '../hazelcast/client.js';
import { aRecord } from '../record.js';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';
import { RedisProxy } from '../servers/redis.proxy.mjs';

const LIMIT = { group: 'g', max: 5, whenFull: 'end-oldest' } as const;

/** A store, and the commands that a piece of work sends. */
interface Counted {
  store: SessionStore;
  sentBy(work: () => Promise<unknown>): Promise<string[]>;
}

async function redis(): Promise<Counted> {
  const { hostname: host, port } = new URL(inject('redis').url);
  const proxy = await RedisProxy.to({ host, port: Number(port) });
  onTestFinished(() => proxy.close());
  const store = new RedisStore({ url: proxy.url, prefix: `${randomUUID()}:` });
  return {
    store,
    async sentBy(work) {
      proxy.reset();
      await work();
      return Object.entries(proxy.counted().byName).flatMap(([name, count]) =>
        Array<string>(count).fill(name),
      );
    },
  };
}

async function mongo(): Promise<Counted> {
  const connection = mongoose.createConnection(inject('mongo').url, { monitorCommands: true });
  await connection.asPromise();
  onTestFinished(() => connection.destroy());
  const store = new MongoStore({ connection, collection: randomUUID() });
  let sent: string[] = [];
  connection.getClient().on('commandStarted', ({ commandName }) => sent.push(commandName));
  return {
    store,
    async sentBy(work) {
      sent = [];
      await work();
      return sent.slice();
    },
  };
}

async function hazelcast(): Promise<Counted> {
  const proxy = await HazelcastProxy.to(inject('hazelcast').members[0]!);
  const client = await connect({ clusterMembers: [proxy.address], smartRouting: false });
  onTestFinished(async () => {
    await client.shutdown();
    await proxy.close();
  });
  const store = new HazelcastStore({ client, prefix: `${randomUUID()}:` });
  return {
    store,
    sentBy: async (work) => (await proxy.roundTripsOf(work)).map((calls) => calls.join(' and ')),
  };
}

describe.each([
  ['redis', redis],
  ['mongo', mongo],
  ['hazelcast', hazelcast],
] as const)('a join with a limit on %s', (word, make) => {
  it('of a full group takes the same round trips, however many other sessions there are', async () => {
    const { store, sentBy } = await make();
    await store.open();
    onTestFinished(() => store.close());
    const join = async (): Promise<string[]> => {
      const record = aRecord(randomUUID());
      await store.create(record);
      return sentBy(() => store.joinLimited(record, LIMIT));
    };
    for (let count = 0; count < 6; count++) await join();
    const few = await join();
    for (let count = 0; count < 200; count++)
      await store.create(aRecord(randomUUID(), { groups: ['other'] }));
    // On Hazelcast the members of a page may share partitions.
    expect((await join()).length).toBe(few.length);
    console.log(`limits: a join on ${word}: ${few.join(', ')}`);
  });
});
