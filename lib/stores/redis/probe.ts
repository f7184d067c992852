import { randomUUID } from 'node:crypto';
import { SessionStoreError } from '../../contract/errors.js';
import type { RedisConnection } from './connection.js';
import type { Layout } from './layout.js';
import { problemOfProbe, type Refusal } from './problems.js';
import type { Reply, ScriptRunner } from './runner.js';
import { script } from './script.js';

/** The servers of a store that is being opened. */
interface Servers {
  connection: RedisConnection;
  runner: ScriptRunner;
  layout: Layout;
  /** Runs one step under a deadline of its own. */
  inTime<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * Learns the time of the servers, and checks that they can do what the store needs. Resolves to why changes cannot be
 * announced; `undefined` if they can.
 */
export async function probeServers(servers: Servers): Promise<string | undefined> {
  // Not one after the other. Of several errors the one of a probe counts, which names all rights that are missing.
  const probes = servers.layout.shards.map((_, shard) => probe(servers, shard));
  const sent = await Promise.allSettled([...probes, checkServesAll(servers)]);
  for (const one of sent) if (one.status === 'rejected') throw one.reason;
  const silences = await Promise.all(probes);
  return silences.find((silence) => silence !== undefined);
}

/**
 * Learns the time of a shard's server. Rejects if it is a replica, or refuses a command that the store needs. Resolves to
 * why it announces no changes.
 */
async function probe(
  { connection, runner, layout, inTime }: Servers,
  shard: number,
): Promise<string | undefined> {
  const sentAt = performance.now();
  const key = `${layout.shards[shard]}probe:${randomUUID()}`;
  // Sent together, because the store needs both ways to run a script.
  const [reply] = await inTime(() =>
    Promise.all([
      connection.send('open', 'EVAL', [PROBE.lua, 1, key]) as Promise<Reply>,
      runner.evaluate('open', PROBE, key, []),
    ]),
  );
  const all = refusalsIn(reply);
  const refusals = all.filter(({ name }) => name !== 'PUBLISH');
  const problem = problemOfProbe(refusals);
  if (problem !== undefined) {
    const cause = new Error(refusals.map(({ name, message }) => `${name}: ${message}`).join('\n'));
    throw new SessionStoreError('redis', 'open', problem, { cause });
  }
  runner.learn(shard, sentAt, Number(reply[0]));
  // The store works without `PUBLISH`, but has no feed.
  return all.length > refusals.length ? (problemOfProbe(all) ?? 'the user may not publish') : undefined;
}

/**
 * Rejects if a single server is a node of a Cluster, which may have the slot of the only shard and not the others. Such a
 * store would see no session of a store that uses the Cluster, and would fail once the slot moves.
 */
async function checkServesAll({ connection, layout, inTime }: Servers): Promise<void> {
  await inTime(() =>
    Promise.all(layout.elsewhere.map((start) => connection.send('open', 'EXISTS', [`${start}none`]))),
  );
}

/**
 * Tries each command of the scripts and of the store on KEYS[1], which must not exist, and leaves nothing. Returns the
 * time, then the name of each refused command and the error.
 */
const PROBE = script(`
local key, refusals = KEYS[1], {}
local function try(name, ...)
  local reply = redis.pcall(name, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  table.insert(refusals, name)
  table.insert(refusals, reply.err)
end

local time, now = try('TIME'), 0
if time then now = time[1] * 1000 + math.floor(time[2] / 1000) end
for _, call in ipairs({
  { 'EXISTS', key }, { 'GET', key }, { 'HGET', key, 'f' }, { 'HGETALL', key }, { 'HMGET', key, 'f' }, { 'PTTL', key },
  { 'ZCOUNT', key, 0, 0 }, { 'ZRANDMEMBER', key, 1 }, { 'ZRANGE', key, 0, 0 }, { 'ZRANGEBYSCORE', key, 0, 0 },
  { 'ZSCORE', key, 'm' },
  -- Writes that do nothing, as there is no such key.
  { 'HDEL', key, 'f' }, { 'PEXPIREAT', key, 1 }, { 'SET', key, 'v', 'XX' }, { 'ZADD', key, 'XX', 0, 'm' },
  { 'ZREM', key, 'm' }, { 'PUBLISH', key, '' },
}) do try(unpack(call)) end
-- The commands that cannot do nothing are tried only if the key can be removed again.
if try('UNLINK', key) then
  if try('HSET', key, 'f', 'v') then redis.call('UNLINK', key) end
  if try('INCR', key) then redis.call('UNLINK', key) end
end

table.insert(refusals, 1, now)
return refusals
`);

/** The refused commands in a reply of {@link PROBE}. */
function refusalsIn([, ...words]: Reply): Refusal[] {
  return words.flatMap((word, at) =>
    at % 2 === 0 ? [{ name: String(word), message: String(words[at + 1]) }] : [],
  );
}
