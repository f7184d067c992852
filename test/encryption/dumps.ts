import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import type { SessionStore } from 'nestjs-session-stores';
import { inject } from 'vitest';
import { connect } from '../hazelcast/client.js';

/** All that each store holds of a namespace of `sharedStores`, as text. `inner` is a store that shares its sessions. */
export const dumps: Record<string, (namespace: string, inner: SessionStore) => Promise<string>> = {
  cluster: (_, inner) => recordsOf(inner),
  redis: redisDump,
  mongo: mongoDump,
  hazelcast: hazelcastDump,
};

/** The primary holds records as objects in its memory, and hands out the same. */
async function recordsOf(store: SessionStore): Promise<string> {
  const all: string[] = [];
  let after: string | undefined;
  do {
    const { records, next } = await store.page({ after, limit: 500 });
    for (const record of records) all.push(JSON.stringify(record));
    after = next;
  } while (after !== undefined);
  return all.join('\n');
}

/** Keys and their serialized values. */
async function redisDump(namespace: string): Promise<string> {
  const redis = new Redis(inject('redis').url);
  try {
    const all: string[] = [];
    for (const key of await redis.keys(`${namespace}*`)) {
      all.push(key);
      const type = await redis.type(key);
      if (type === 'hash') all.push(JSON.stringify(await redis.hgetall(key)));
      else if (type === 'zset') all.push(JSON.stringify(await redis.zrange(key, '0', '-1')));
      else if (type === 'set') all.push(JSON.stringify(await redis.smembers(key)));
      else all.push(String(await redis.get(key)));
    }
    return all.join('\n');
  } finally {
    redis.disconnect();
  }
}

/** The documents as BSON, in which texts stand as they are. */
async function mongoDump(namespace: string): Promise<string> {
  const connection = await mongoose.createConnection(inject('mongo').url).asPromise();
  try {
    const documents = await connection.db!.collection(namespace).find({}, { raw: true }).toArray();
    return documents.map((raw) => (raw as unknown as Buffer).toString('utf8')).join('\n');
  } finally {
    await connection.close();
  }
}

/** The entries of the sessions' map. */
async function hazelcastDump(namespace: string): Promise<string> {
  const client = await connect();
  try {
    const maps = (await client.getDistributedObjects()).filter(
      (one) => one.getServiceName() === 'hz:impl:mapService',
    );
    const all: string[] = [];
    for (const { name } of maps.map((map) => ({ name: map.getName() }))) {
      const entries = await (await client.getMap(name)).entrySet();
      for (const [key, value] of entries)
        if (String(key).startsWith(namespace))
          all.push(`${String(key)} ${JSON.stringify(value)} ${String(value)}`);
    }
    return all.join('\n');
  } finally {
    await client.shutdown();
  }
}
