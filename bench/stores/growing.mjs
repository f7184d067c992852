// Stores that hold many sessions, each on a separate server.
import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import { ClusterStore, serveSessions } from 'nestjs-session-stores/stores/cluster';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { startHazelcast } from '../../test/servers/hazelcast.mjs';
import { startMongoSet } from '../../test/servers/mongo.mjs';
import { startRedis } from '../../test/servers/redis.mjs';
import { rate } from '../figures.mjs';
import { anId } from '../session.mjs';
import { mongoMemory, redisMemory } from './memory.mjs';
import { TIMEOUT, ours } from './ours.mjs';

const SIZES = [1_000, 100_000, 1_000_000];

/**
 * By store: its package, what to know, the numbers of sessions to measure at, and a function that starts a server, with
 * other data if a store has to tell its sessions apart.
 */
export const growing = {
  cluster: { name: 'ClusterStore', about: 'In one process.', sizes: SIZES, start: inMemory },
  redis: {
    name: 'RedisStore',
    about: 'The server also holds a fifth as many keys of another program as sessions in the end.',
    sizes: SIZES,
    start: inRedis,
  },
  mongo: { name: 'MongoStore', about: 'On a replica set of one.', sizes: SIZES, start: inMongo },
  hazelcast: {
    name: 'HazelcastStore',
    about: 'On two members.',
    sizes: SIZES,
    start: inHazelcast,
  },
};

async function inMemory() {
  // A million sessions take more than the default.
  const stop = serveSessions({ maxBytes: Infinity });
  const contender = await ours(new ClusterStore());
  return { contender, stop: () => contender.close().then(stop) };
}

async function inRedis(most) {
  const server = await startRedis();
  const client = new Redis(server.url, { enableAutoPipelining: true });
  await rate(most / 5, 256, (index) => client.set(`foreign:${index}`, 'x'.repeat(100)));
  const contender = await ours(new RedisStore({ url: server.url, timeout: TIMEOUT }));
  return {
    contender,
    memory: () => redisMemory(client),
    async stop() {
      await contender.close();
      client.disconnect();
      await server.stop();
    },
  };
}

async function inHazelcast(most) {
  // The other collector would stop a member for so long that the client does not wait for it as a backup.
  const sizes = most > 100_000 ? { heap: '5g', collector: 'G1' } : { heap: '1500m' };
  const { clusterName, addresses, stop } = await startHazelcast({ members: 2, ...sizes });
  const config = { clusterName, network: { clusterMembers: addresses } };
  const contender = await ours(new HazelcastStore({ config, timeout: TIMEOUT }));
  return {
    contender,
    async stop() {
      await contender.close();
      await stop();
    },
  };
}

async function inMongo() {
  const server = await startMongoSet();
  const client = await mongoose.mongo.MongoClient.connect(server.url);
  const contender = await ours(new MongoStore({ uri: server.url, timeout: TIMEOUT }));
  const sessions = client.db().collection('sessions');
  return {
    contender,
    // Copies the document of one session, because a call for each would take a quarter of an hour.
    async fill(ids) {
      const id = anId();
      await contender.create(id);
      const document = await sessions.findOne({ _id: id });
      await contender.destroy(id);
      for (let from = 0; from < ids.length; from += 1_000) {
        const some = ids.slice(from, from + 1_000).map((_id, index) => {
          const expiresAt = new Date(document.expiresAt.getTime() + 3_600_000 + from + index);
          return Object.assign({}, document, { _id, expiresAt });
        });
        await sessions.insertMany(some, { ordered: false });
      }
    },
    memory: () => mongoMemory(client.db()),
    async stop() {
      await contender.close();
      await client.close();
      await server.stop();
    },
  };
}
