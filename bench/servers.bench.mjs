// What is left of a call if the network and the calling process cost nothing.
import { Redis } from 'ioredis';
import { startHazelcast } from '../test/servers/hazelcast.mjs';
import { startMongoSet } from '../test/servers/mongo.mjs';
import { startRedis } from '../test/servers/redis.mjs';
import { alternate, rate, rowsOf } from './figures.mjs';
import { chosen } from './frame/chosen.mjs';
import { processorTime } from './frame/cpu.mjs';
import { anId, bytes } from './session.mjs';

export const title = "The servers' own work";
export const topic = 'calls';
export const how = `The servers' own work for a call, with sessions of ${bytes} bytes and 32 calls in flight. MongoDB is a replica set of one, and Hazelcast has two members. The CPU time of their processes contains that of the network. Redis also reports the time of its commands, in which a script counts with all that it calls.`;

const OPERATIONS = ['read', 'write', 'touch', 'create', 'destroy'];
const SESSIONS = 1_000;
const IN_FLIGHT = 32;

/** What a script that acts only within a window does before it reads the session. */
const WINDOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < tonumber(ARGV[1]) or now > tonumber(ARGV[2]) then return { now } end
return { now, 1 }`;

/** How to start the servers of each backend. `calls` are enough to see their CPU time, which grows by 10 ms. */
const backends = {
  async redis() {
    const server = await startRedis();
    const { url } = server;
    const client = new Redis(url);
    const stop = async () => {
      client.disconnect();
      await server.stop();
    };
    return { name: 'Redis', address: { url }, nodes: [server], calls: 10_000, client, stop };
  },
  async mongo() {
    const set = await startMongoSet();
    const { url, nodes } = set;
    return { name: 'MongoDB', address: { url }, nodes, calls: 1_000, stop: () => set.stop() };
  },
  async hazelcast() {
    const cluster = await startHazelcast({ members: 2 });
    const address = { clusterName: cluster.clusterName, members: cluster.addresses };
    return {
      name: 'Hazelcast',
      address,
      nodes: cluster.members,
      calls: 2_000,
      stop: () => cluster.stop(),
    };
  },
};

/** STORE=redis measures only that one. */
export async function run(bench) {
  const measures = [];
  for (const [backend, start] of chosen(backends)) {
    const server = await start();
    try {
      measures.push(...(await measuresOf(backend, server, bench)));
    } finally {
      await server.stop();
    }
  }
  return measures;
}

async function measuresOf(backend, { name, address, nodes, calls: most, client }, { scale, step }) {
  const { stores } = await import(`./stores/${backend}.mjs`);
  const meters = await metersOf(nodes, client);
  const contenders = {};
  const rows = { commands: [], processor: [] };
  const calls = scale(most, most / 10);
  const times = { rounds: scale(7, 3) };
  const add = (figures, about) => {
    for (const figure in meters) rows[figure].push(...rowsOf(figures, figure, about));
  };
  try {
    const ids = Array.from({ length: SESSIONS }, () => anId());
    for (const store in stores) {
      contenders[store] = await stores[store](address);
      await rate(SESSIONS, IN_FLIGHT, (index) => contenders[store].create(ids[index]));
    }
    for (const operation of OPERATIONS) {
      step(`${name}: ${operation}`);
      const figures = await alternate(Object.keys(contenders), times, async (store) => {
        const call = contenders[store][operation];
        if (!call) return undefined;
        const used = await idsFor(operation, contenders[store], ids, calls);
        return workOf(calls, (index) => call(used[index % used.length]), meters);
      });
      add(figures, { case: operation });
    }
    if (client) {
      step(`${name}: scripts`);
      const scripts = {
        'a script that does nothing': await client.script('LOAD', 'return 1'),
        'a script that checks its window': await client.script('LOAD', WINDOW),
      };
      const figures = await alternate(Object.keys(scripts), times, (script) =>
        workOf(calls, () => client.evalsha(scripts[script], 1, 'k', 0, 8.64e15), meters),
      );
      add(figures, { case: 'for comparison' });
    }
  } finally {
    for (const contender of Object.values(contenders)) await contender.close();
  }
  const about = { unit: 'µs per call', better: 'lower', chart: 'bars' };
  return [
    {
      ...about,
      name: `${backend}-commands`,
      title: `${name}: time in commands per call`,
      rows: rows.commands,
    },
    {
      ...about,
      name: `${backend}-processor`,
      title: `${name}: CPU time of the servers per call`,
      rows: rows.processor,
    },
  ].filter((measure) => measure.rows.length > 0);
}

/** The ids of the sessions that an operation is called with: others for each call, if it uses them up. */
async function idsFor(operation, contender, ids, calls) {
  if (operation !== 'create' && operation !== 'destroy') return ids;
  const fresh = Array.from({ length: calls }, () => anId());
  if (operation === 'destroy') await rate(calls, IN_FLIGHT, (index) => contender.create(fresh[index]));
  return fresh;
}

/** What a call takes of the servers in µs, by each meter. */
async function workOf(calls, call, meters) {
  const ends = {};
  for (const name in meters) ends[name] = await meters[name]();
  await rate(calls, IN_FLIGHT, call);
  for (const name in meters) ends[name] = (await ends[name]()) / calls;
  return ends;
}

/** Functions that begin to measure the work of servers, and resolve to one that ends it. */
async function metersOf(nodes, redis) {
  const meters = {};
  if (redis) {
    meters.commands = async () => {
      await redis.config('RESETSTAT');
      return async () => timeOf(await redis.info('commandstats'));
    };
  }
  const now = async () => {
    const times = await Promise.all(nodes.map(({ pid }) => processorTime(pid)));
    return times.reduce((sum, time) => sum + time);
  };
  // Nothing is known of it on some systems.
  if (Number.isFinite(await now())) {
    meters.processor = async () => {
      const before = await now();
      return async () => (await now()) - before;
    };
  }
  return meters;
}

/** The time of all commands that clients have sent. That of commands in scripts is also in the time of the scripts. */
function timeOf(stats) {
  const times = Array.from(stats.matchAll(/^cmdstat_([^:]+):calls=\d+,usec=(\d+)/gm), ([, name, usec]) => [
    name,
    Number(usec),
  ]).filter(([name]) => !/^(config|info)/.test(name));
  const scripts = times.filter(([name]) => name.startsWith('eval'));
  return (scripts.length > 0 ? scripts : times).reduce((sum, [, usec]) => sum + usec, 0);
}
