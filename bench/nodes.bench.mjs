// How the work of sessions divides among nodes: 3 and 6 of each backend.
import { rate, summary } from './figures.mjs';
import { chosen } from './frame/chosen.mjs';
import { hazelcastNodes } from './nodes/hazelcast.mjs';
import { mongoNodes } from './nodes/mongo.mjs';
import { redisNodes } from './nodes/redis.mjs';
import { OpenSockets } from './nodes/sockets.mjs';
import { anId } from './session.mjs';
import { ours } from './stores/ours.mjs';

export const title = 'How work divides among nodes';
export const topic = 'nodes';
export const how =
  'Local clusters, on one machine and without replicas in Redis: they show how commands divide, not how much faster more machines are. Calls are made one by one, and divided among 900 sessions. Redis nodes report commands by MONITOR, without those inside scripts. Commands to members of a replica set are those that the driver reports. Calls of maps of Hazelcast are counted on the connections of the client. The client asks one of them for a count, and that one asks the others. A group has 100 sessions.';

const GROUP_SIZE = 100;
const IN_FLIGHT = 16;
const ALONE = 5;
const BURST = { calls: 2_000, inFlight: 256 };

const backends = {
  redis: {
    name: 'RedisStore',
    sizes: [3, 6],
    start: redisNodes,
    advice:
      'Sessions are in 16 shards, by their ids, and each shard is on one node. Calls of groups and of all sessions go to every shard.',
  },
  mongo: {
    name: 'MongoStore',
    sizes: [3, 5],
    start: mongoNodes,
    advice:
      'Every read and write goes to the primary, because a session must be read as it was written last. Secondaries apply each write too. Reads that have to be sent at the same time share one command.',
  },
  hazelcast: {
    name: 'HazelcastStore',
    sizes: [3, 6],
    start: hazelcastNodes,
    advice:
      'Sessions are in partitions, by their ids, and the client sends a call to the member that owns the session. A write without the session that was read is a read, a replacement and a change of the lifetime. The backup of each write goes from member to member, and is not counted here.',
  },
};

/** STORE=redis measures only that one. */
export async function run(bench) {
  const measures = [];
  for (const [word, { name, sizes, start, advice }] of chosen(backends)) {
    const rows = { commands: [], nodes: [], share: [], connections: [] };
    for (const size of bench.scale(sizes, sizes.slice(0, 1))) {
      bench.step(`${name}: ${size} nodes start`);
      const nodes = await start(size);
      try {
        await fillRows(rows, name, size, nodes, bench);
        bench.step(`${name}, ${size} nodes: connections`);
        rows.connections.push(...(await connectionsOf(name, size, nodes)));
      } finally {
        await nodes.stop();
      }
    }
    measures.push(...measuresOf(word, name, advice, rows));
  }
  return measures;
}

async function fillRows(rows, name, size, nodes, { scale, step }) {
  const contender = await ours(nodes.store);
  try {
    const groups = Array.from({ length: 4 + ALONE }, (_, index) => `group ${index}`);
    const ids = Array.from({ length: groups.length * GROUP_SIZE }, () => anId());
    await rate(ids.length, IN_FLIGHT, (index) =>
      contender.create(ids[index], [groups[Math.floor(index / GROUP_SIZE)]]),
    );
    for (const [what, { times, call, prepare }] of callsOf(contender, ids, groups, scale)) {
      step(`${name}, ${size} nodes: ${what}`);
      await prepare?.(ALONE + times);
      const row = { case: what, package: name, x: size };
      const push = (figure, value) => rows[figure].push({ ...row, ...summary([value]) });
      const reached = [];
      for (let index = 0; index < ALONE; index++) {
        const counts = await counted(nodes, () => call(index));
        reached.push(counts.filter((count) => count > 0).length);
      }
      push('nodes', Math.max(...reached));
      const counts = await counted(nodes, () => rate(times, 1, (index) => call(ALONE + index)));
      const sum = counts.reduce((one, other) => one + other, 0);
      push('commands', sum / times);
      push('share', (100 * Math.max(...counts)) / sum);
    }
  } finally {
    await contender.close();
  }
}

/** The connections of a process: at rest, under load, and with the feed, which the cache and open connections use. */
async function connectionsOf(name, size, { newStore }) {
  const sockets = new OpenSockets();
  const contender = await ours(newStore());
  try {
    const row = async (what) => ({
      case: what,
      package: name,
      x: size,
      ...summary([await sockets.count()]),
    });
    const rows = [await row('at rest')];
    await rate(BURST.calls, BURST.inFlight, () => contender.create(anId()));
    rows.push(await row(`after ${BURST.inFlight} calls in flight`));
    await contender.store.watch(() => {});
    rows.push(await row('and the feed'));
    return rows;
  } finally {
    await contender.close();
    sockets.stop();
  }
}

/** By name: how many times a call is made, the call, and what makes what it uses up. */
function callsOf(contender, ids, groups, scale) {
  const { store } = contender;
  const times = scale(2_000, 100);
  const some = (index) => ids[(index * 7) % ids.length];
  let fresh = [];
  const make = async (count) => {
    fresh = Array.from({ length: count }, () => anId());
    await rate(count, IN_FLIGHT, (index) => contender.create(fresh[index]));
  };
  const few = scale(50, 10);
  return Object.entries({
    read: { times, call: (index) => contender.read(some(index)) },
    write: { times, call: (index) => contender.write(some(index)) },
    touch: { times, call: (index) => contender.touch(some(index)) },
    create: { times, call: () => contender.create(anId()) },
    rotate: { times, prepare: make, call: (index) => contender.rotate(fresh[index]) },
    destroy: { times, prepare: make, call: (index) => contender.destroy(fresh[index]) },
    'count all': { times: few, call: () => store.count() },
    'count of a group': { times: few, call: (index) => store.count(groups[index % groups.length]) },
    'page of a group': {
      times: few,
      call: (index) => store.page({ group: groups[index % groups.length], limit: GROUP_SIZE }),
    },
    'clear a group': { times: groups.length - ALONE, call: (index) => store.clear(groups[index]) },
  });
}

/** How much each node was sent during some work. */
async function counted({ counts }, work) {
  const before = await counts();
  await work();
  const after = await counts();
  return after.map((count, index) => count - before[index]);
}

function measuresOf(word, name, advice, rows) {
  const about = { columns: 'nodes' };
  return [
    {
      ...about,
      name: `${word}-nodes`,
      title: `${name}: the nodes that a call reaches`,
      about: advice,
      unit: 'nodes',
      rows: rows.nodes,
    },
    {
      ...about,
      name: `${word}-commands`,
      title: `${name}: the commands of a call`,
      unit: 'commands',
      rows: rows.commands,
    },
    {
      ...about,
      name: `${word}-share`,
      title: `${name}: the share of the busiest node`,
      about: 'Of the commands of calls on many sessions.',
      unit: '%',
      rows: rows.share,
    },
    {
      ...about,
      name: `${word}-connections`,
      title: `${name}: the connections of a process`,
      about: 'To all nodes together. A process has one store.',
      unit: 'connections',
      rows: rows.connections,
    },
  ];
}
