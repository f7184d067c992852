// Checks every law on one store: `node laws.mjs hazelcast '{"clusterName":…}'`. Prints the laws that do not hold.
import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';

const AT_ONCE = 5;
const [store, address] = process.argv.slice(2);

/** Imports a store. Resolves to how to make one whose sessions are those of a namespace. */
const STORES = {
  async cluster() {
    const { ClusterStore } = await import('nestjs-session-stores/stores/cluster');
    return (name) => new ClusterStore({ name });
  },
  async redis({ url }) {
    const { RedisStore } = await import('nestjs-session-stores/stores/redis');
    return (prefix) => new RedisStore({ url, prefix });
  },
  async mongo({ url }) {
    const { MongoStore } = await import('nestjs-session-stores/stores/mongo');
    return (collection) => new MongoStore({ uri: url, collection });
  },
  async hazelcast({ clusterName, members }) {
    const { Client } = await import('hazelcast-client');
    const { HazelcastStore } = await import('nestjs-session-stores/stores/hazelcast');
    const client = await Client.newHazelcastClient({
      clusterName,
      network: { clusterMembers: members },
      properties: { 'hazelcast.logging.level': 'OFF' },
    });
    return (prefix) => new HazelcastStore({ client, prefix });
  },
};

// The sessions are those of the primary, so that all calls are messages.
if (store === 'cluster' && cluster.isPrimary) await serve();
else await checkAll(await STORES[store](JSON.parse(address)));

async function serve() {
  const { serveSessions } = await import('nestjs-session-stores/stores/cluster');
  serveSessions();
  cluster.fork().once('exit', (code) => process.exit(code ?? 1));
}

async function checkAll(make) {
  const laws = sessionStoreLaws.values();
  await Promise.all(Array.from({ length: AT_ONCE }, () => checkEach(laws, make)));
  console.log(`${sessionStoreLaws.length} laws`);
  process.exit();
}

async function checkEach(laws, make) {
  for (const law of laws) {
    const namespace = randomUUID();
    const stores = [make(namespace), make(namespace)];
    try {
      for (const one of stores) await one.open();
      await law.holds(stores);
    } catch (error) {
      process.exitCode = 1;
      console.log(`${law.name}\n${error.stack}`);
    } finally {
      for (const one of stores) await one.close();
    }
  }
}
