import type { Refusal } from './problems.js';
import type { Reply } from './runner.js';
import { script } from './script.js';

/**
 * Tries each command of the scripts and of the store on KEYS[1], which must not exist, and leaves nothing. Returns the
 * time, then the name of each refused command and the error.
 */
export const PROBE = script(`
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
export function refusalsIn([, ...words]: Reply): Refusal[] {
  return words.flatMap((word, at) =>
    at % 2 === 0 ? [{ name: String(word), message: String(words[at + 1]) }] : [],
  );
}
