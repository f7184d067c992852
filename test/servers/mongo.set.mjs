import { command, startMongo } from './mongo.server.mjs';
import { until } from './until.mjs';

/** @typedef {import('./server.mjs').Server} Server */

/**
 * @typedef {object} MongoSet
 * @property {string} url
 * @property {Server[]} nodes
 * @property {() => Promise<void>} ready resolves when one node is primary and all others follow it
 * @property {() => Promise<Server>} primary resolves to the node that accepts writes
 * @property {() => Promise<void>} stop
 */

const NAME = 'sessions';

/** Short, so that a failover is quick, but not so short that a busy machine causes needless elections. */
const ELECTION_TIMEOUT = 1_000;
const WITHIN = 20_000;

/**
 * Starts a replica set, of one node by default, and waits until it has a primary and all others follow it.
 *
 * @param {{ size?: number, args?: string[] }} [options]
 * @returns {Promise<MongoSet>}
 */
export async function startMongoSet({ size = 1, args = [] } = {}) {
  const nodes = await Promise.all(
    Array.from({ length: size }, () => startMongo({ args: ['--replSet', NAME, ...args] })),
  );
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`);
  const [first] = nodes;
  await command(first.url, {
    replSetInitiate: {
      _id: NAME,
      members: addresses.map((host, _id) => ({ _id, host })),
      settings: {
        electionTimeoutMillis: ELECTION_TIMEOUT,
        heartbeatIntervalMillis: 200,
        heartbeatTimeoutSecs: 1,
      },
    },
  });
  await ready(nodes);
  return {
    url: `mongodb://${addresses.join()}/?replicaSet=${NAME}`,
    nodes,
    ready: () => ready(nodes),
    primary: () => primaryOf(nodes),
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function ready(nodes) {
  const wanted = nodes.map((_, index) => (index === 0 ? 'primary' : 'secondary')).join();
  await until(async () => (await Promise.all(nodes.map(stateOf))).toSorted().join() === wanted, {
    within: WITHIN,
    what: 'the MongoDB replica set has a primary and its secondaries',
  });
}

async function stateOf({ url }) {
  const { isWritablePrimary, secondary } = await command(url, { hello: 1 });
  return isWritablePrimary ? 'primary' : secondary ? 'secondary' : 'none';
}

async function primaryOf(nodes) {
  let primary;
  await until(
    async () => {
      const states = await Promise.all(nodes.map((node) => stateOf(node).catch(() => 'none')));
      primary = nodes[states.indexOf('primary')];
      return primary !== undefined;
    },
    { within: WITHIN, what: 'the MongoDB replica set has a primary' },
  );
  return primary;
}
