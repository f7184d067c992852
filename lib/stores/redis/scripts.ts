import { createHash } from 'node:crypto';
import { LISTS, SLOT } from './lists.js';

/** A Lua script, and the SHA-1 by which a server that has run it finds it. */
export interface Script {
  lua: string;
  sha: string;
}

/** A script that acts only in its window, ARGV[1] to ARGV[2]. Outside of it the script returns only the time. */
function acting(...lua: string[]): Script {
  return script(
    `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < tonumber(ARGV[1]) or now > tonumber(ARGV[2]) then return { now } end
`,
    ...lua,
  );
}

/** Dragonfly requires this of scripts that use keys which are not declared. To other servers it is a comment. */
const UNDECLARED_KEYS = '--!df flags=allow-undeclared-keys\n';

/** A script of these parts. */
export function script(...parts: string[]): Script {
  const lua = UNDECLARED_KEYS + parts.join('').trim();
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/**
 * A write that does nothing, to a key of the shard ARGV[3]. A script runs it where it may write nothing else, so that it
 * fails on a replica: a former primary does not know what has happened since. A primary that accepts no writes for
 * another reason does no harm. It must not come before a write that needs memory, because after its first write a script
 * may exceed `maxmemory`.
 */
const ON_PRIMARY = `
local role = redis.pcall('UNLINK', ARGV[3] .. 'none')
if type(role) == 'table' and string.find(role.err, 'READONLY', 1, true) then return role end
`;

/**
 * The reply of a script that has written nothing, because the slot of its keys is moving to another node of the Cluster
 * and some of them are on the other node.
 */
export const INCOMPLETE = 'incomplete';

const RETURN_INCOMPLETE = `return { now, '${INCOMPLETE}' }`;

/**
 * The start of each script on a session. KEYS[1] is its hash, ARGV[3] the start of all keys of its shard, ARGV[4] its
 * id. The sets that list it are not declared as keys, because only its hash says in which groups it is. All are in one
 * slot.
 */
const SESSION = `
local hash, shard, id = KEYS[1], ARGV[3], ARGV[4]
`;

const FIELDS = `
-- Sets fields and values from ARGV, in parts that fit on Lua's stack.
local function set(first, count)
  for from = first, first + count - 1, 4000 do
    redis.call('HSET', hash, unpack(ARGV, from, math.min(from + 3999, first + count - 1)))
  end
end

-- Removes fields. A name that may be in the pack needs an empty field, which marks it as removed. ARGV has each field,
-- then its name as it would be written in the head of the pack.
local function remove(first, count)
  local packed = count > 0 and redis.call('HGET', hash, 'pack')
  for at = first, first + count - 1, 2 do
    if packed and string.find(packed, ARGV[at + 1], 1, true) then
      redis.call('HSET', hash, ARGV[at], '')
    else
      redis.call('HDEL', hash, ARGV[at])
    end
  end
end
`;

/**
 * ARGV: window, shard, id, secretHash, expiresAt, the number of fields and values, these, the groups. Returns 0 if the
 * id is in use.
 */
export const CREATE = acting(
  SESSION,
  SLOT,
  LISTS,
  FIELDS,
  `
local held = redis.call('HMGET', hash, 'secretHash', 'expires')
if held[1] and tonumber(held[2]) > now then
  ${ON_PRIMARY}
  return { now, held[1] == ARGV[5] and 1 or 0 }
end

local expires = tonumber(ARGV[6])
if expires <= now then return { now, 1 } end
local groups = {}
for at = 8 + ARGV[7], #ARGV do table.insert(groups, ARGV[at]) end

-- While the slot moves, its new keys belong on the node that it enters. If this node has no list of a group, the other
-- one may have it. An expired session with this id may have keys on the other one too.
if moving then
  local isKnown = held[1] or not areHere(groups) or redis.call('ZSCORE', all, id) or redis.call('ZSCORE', expiry, id)
  if isKnown then ${RETURN_INCOMPLETE} end
elseif held[1] then
  finish(id)
else
  forget(id)
end

-- The hash is written last: if a key belongs to another program, the script stops while there is no session yet.
sweep(4)
for _, group in ipairs(groups) do joinGroup(group, expires) end
if #groups > 0 then note(id, groups, expires) end
enter(all, id)
redis.call('ZADD', expiry, expires, id)
keep(expires, expiry, all)
set(8, tonumber(ARGV[7]))
redis.call('PEXPIREAT', hash, expires - 1)
return { now, 1 }
`,
);

/**
 * ARGV: window, shard, id, expiresAt, touch.from, touch.to, retirePrevious.secretHash, retirePrevious.validUntil (these
 * five may be empty), the number of words to set, of words to remove and of groups to join, then these and the groups
 * to leave. Returns the expiry and the secretHash, or 0 if the session is gone.
 */
export const UPDATE = acting(
  SESSION,
  FIELDS,
  `
local held = redis.call('HMGET', hash, 'expires', 'secretHash', 'groups')
local expires, secretHash = held[1], held[2]
if not expires or tonumber(expires) <= now then
  ${ON_PRIMARY}
  return { now, 0 }
end

local wanted = expires
if ARGV[5] ~= '' then wanted = ARGV[5] elseif ARGV[6] == expires then wanted = ARGV[7] end
local expiresAt = tonumber(wanted)

local sets, removals, joins = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local firstJoin = 13 + sets + removals

local function change()
  set(13, sets)
  remove(13 + sets, removals)
  if ARGV[9] ~= '' and ARGV[8] == secretHash then
    local at, was = string.match(redis.call('HGET', hash, 'previous') or '', '^([-%d]+:%d+):(:.*)$')
    if at then redis.call('HSET', hash, 'previous', at .. ':' .. ARGV[9] .. was) end
  end
end

-- Most changes end here. Only to define the functions that follow would cost them a fifth of their time.
if wanted == expires and firstJoin > #ARGV then
  change()
  ${ON_PRIMARY}
  return { now, 1, expires, secretHash }
end
`,
  SLOT,
  LISTS,
  `
local groups = held[3] and cjson.decode(held[3]) or {}
local joined, left, isIn, isLeft = {}, {}, {}, {}
if firstJoin <= #ARGV then
  for _, group in ipairs(groups) do isIn[group] = true end
  for at = firstJoin, firstJoin + joins - 1 do table.insert(joined, ARGV[at]) end
  for at = firstJoin + joins, #ARGV do
    if isIn[ARGV[at]] and not isLeft[ARGV[at]] then table.insert(left, ARGV[at]) end
    isLeft[ARGV[at]] = true
  end
end
if moving and not isWhole(id, joined) then ${RETURN_INCOMPLETE} end

if expiresAt <= now then
  finish(id)
  return { now, 0 }
end

-- If a key belongs to another program, the script stops here, before anything is written.
for _, group in ipairs(joined) do redis.call('ZSCORE', shard .. 'g:' .. group, id) end
for _, group in ipairs(left) do redis.call('ZSCORE', shard .. 'g:' .. group, id) end
change()

if firstJoin <= #ARGV then
  for _, group in ipairs(joined) do
    joinGroup(group, expiresAt)
    if not isIn[group] then table.insert(groups, group) end
    isIn[group] = true
  end
  for _, group in ipairs(left) do leaveGroup(group, id, tonumber(expires)) end
  local stays = {}
  for _, group in ipairs(groups) do
    if not isLeft[group] then table.insert(stays, group) end
  end
  groups = stays
  if #groups > 0 then
    redis.call('HSET', hash, 'groups', cjson.encode(groups))
    note(id, groups, expiresAt)
  else
    redis.call('HDEL', hash, 'groups')
    redis.call('UNLINK', shard .. 'm:' .. id)
  end
end

if wanted ~= expires then
  redis.call('HSET', hash, 'expires', wanted)
  redis.call('PEXPIREAT', hash, expiresAt - 1)
  redis.call('ZADD', expiry, expiresAt, id)
  keep(expiresAt, expiry, all)
  if #groups > 0 then note(id, groups, expiresAt) end
  for _, group in ipairs(groups) do keep(expiresAt, shard .. 'g:' .. group) end
  if tonumber(expires) == NEVER then
    loosenAll()
    for _, group in ipairs(groups) do loosen(shard .. 'g:' .. group) end
  end
end
return { now, 1, wanted, secretHash }
`,
);

/**
 * ARGV: window, shard, id, presented, secretHash, grace. Returns the current secretHash, or 0 if the session is gone.
 */
export const ROTATE = acting(
  SESSION,
  `
local held = redis.call('HMGET', hash, 'expires', 'secretHash', 'previous')
if not held[1] or tonumber(held[1]) <= now then
  ${ON_PRIMARY}
  return { now, 0 }
end

local presented, secretHash, grace = ARGV[5], ARGV[6], ARGV[7]
local current = held[2]
-- Only a previous without validUntil: no client has presented its successor.
local at, its, unseen = string.match(held[3] or '', '^([-%d]+):(%d+)::(.*)$')
if
  secretHash == current
  or (unseen and now < at + its)
  or (presented ~= current and presented ~= unseen)
then
  ${ON_PRIMARY}
  return { now, 1, current }
end

redis.call('HSET', hash, 'secretHash', secretHash)
if presented == current and grace == '0' then
  redis.call('HDEL', hash, 'previous')
else
  redis.call('HSET', hash, 'previous', string.format('%.0f:%s::%s', now, grace, presented))
end
return { now, 1, secretHash }
`,
);

/** ARGV: window, shard, id. Returns whether the session was live. */
export const DESTROY = acting(
  SESSION,
  SLOT,
  LISTS,
  ON_PRIMARY,
  `
if moving and redis.pcall('EXISTS', hash) == 1 and not isWhole(id, {}) then ${RETURN_INCOMPLETE} end
return { now, finish(id) or 0 }
`,
);

/** Counts all sessions of a shard. KEYS[1] is its list in order of expiry. ARGV: window, shard. */
export const COUNT_ALL = acting(
  `
local shard = ARGV[3]
`,
  SLOT,
  LISTS,
  `
${ON_PRIMARY}
sweep(100)
return { now, redis.call('ZCOUNT', KEYS[1], now + 1, '+inf') }
`,
);

/**
 * Counts some sessions of a group. KEYS[1] is its list. ARGV: window, shard, after, limit. Returns how many are live,
 * and the last place if there may be more.
 */
export const COUNT_STEP = acting(
  `
local shard = ARGV[3]
`,
  SLOT,
  `
${ON_PRIMARY}
local met = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local group, live, others = string.sub(KEYS[1], #shard + 3), 0, {}
local call = moving and redis.pcall or redis.call

-- Most names stand in JSON as they are. To find one there takes a quarter less time than to decode all. The quote at the
-- start of a name follows a bracket or a comma, one inside a name a backslash.
local isPlain, quoted = not string.find(group, '["\\\\]'), '"' .. group .. '"'

-- A list may contain the id of an expired session which a new session has taken.
local function isMember(id)
  local groups = call('HGET', shard .. 's:' .. id, 'groups')
  if type(groups) ~= 'string' then return false end
  local at = isPlain and string.find(groups, quoted, 1, true)
  if at and string.find(groups, '^[%[,]', at - 1) then return true end
  for _, its in ipairs(cjson.decode(groups)) do
    if its == group then return true end
  end
  return false
end

for at = 1, #met, 2 do
  if isMember(met[at]) then live = live + 1 else table.insert(others, met[at]) end
end
if #others > 0 then
  if moving then ${RETURN_INCOMPLETE} end
  redis.call('ZREM', KEYS[1], unpack(others))
end
if #met < 2 * ARGV[5] then return { now, live } end
return { now, live, met[#met] }
`,
);

/**
 * Destroys some sessions of a list. KEYS[1] is the list. ARGV: window, shard, after, until (empty in the first step,
 * which takes the last place in the list), limit, the ids to keep. Returns how many were live and, unless it is done,
 * the last place that it has reached and `until`.
 */
export const CLEAR_STEP = acting(
  `
local shard = ARGV[3]
`,
  SLOT,
  LISTS,
  `
${ON_PRIMARY}
local last = ARGV[5]
if last == '' then last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] end
if not last then return { now, 0 } end

local kept, ended, group = {}, 0, nil
if KEYS[1] ~= all then group = string.sub(KEYS[1], #shard + 3) end
for at = 7, #ARGV do kept[ARGV[at]] = true end
local met = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[4], last, 'WITHSCORES', 'LIMIT', 0, ARGV[6])
for at = 1, #met, 2 do
  if moving and not kept[met[at]] and not isWhole(met[at], {}) then ${RETURN_INCOMPLETE} end
end
for at = 1, #met, 2 do
  if not kept[met[at]] then
    local wasLive = finish(met[at], group)
    if wasLive then ended = ended + wasLive else redis.call('ZREM', KEYS[1], met[at]) end
  end
end
if #met < 2 * ARGV[6] then return { now, ended } end
return { now, ended, met[#met], last }
`,
);
