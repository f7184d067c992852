import { createHash } from 'node:crypto';

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

/** A script of these parts. */
export function script(...parts: string[]): Script {
  const lua = parts.join('').trim();
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/**
 * The start of each script on a session. KEYS[1] is its hash, ARGV[3] the start of all keys of its shard, ARGV[4] its
 * id. The sets that list it are not declared as keys, because only its hash says in which groups it is. All are in one
 * slot.
 */
const SESSION = `
local hash, shard, id = KEYS[1], ARGV[3], ARGV[4]
`;

/** The lists of sessions, and how long Redis keeps them. */
const LISTS = `
local NEVER = 8640000000000000
local all, expiry = shard .. 'all', shard .. 'expiry'

-- A list lives at least as long as its sessions. It lives a quarter longer, so that most calls need not move its
-- expiry. The second list, if any, gets the same expiry.
local function keep(expires, list, other)
  local left = expires - now
  if redis.call('PTTL', list) >= left then return end
  local till = math.min(NEVER, expires + math.floor(left / 4))
  redis.call('PEXPIREAT', list, till)
  if other then redis.call('PEXPIREAT', other, till) end
end

-- Called after a session that never expires was removed from a list. The list gets the expiry of its last session, or
-- of the shard's last one, so that it does not stay forever. In a shard with other sessions that never expire, a big
-- list keeps its expiry; later joins remove its dead sessions.
local function loosen(list)
  local last = tonumber(redis.call('ZRANGE', expiry, -1, -1, 'WITHSCORES')[2] or now)
  if last == NEVER then
    local members = redis.call('ZRANGE', list, 0, 127)
    if #members == 128 then return end
    last = now
    for _, member in ipairs(members) do
      local expires = tonumber(redis.call('HGET', shard .. 's:' .. member, 'expires') or now)
      if expires == NEVER then return end
      last = math.max(last, expires)
    end
  end
  redis.call('PEXPIREAT', list, last)
end

local function loosenAll()
  local last = redis.call('ZRANGE', expiry, -1, -1, 'WITHSCORES')[2]
  if last and tonumber(last) < NEVER then
    redis.call('PEXPIREAT', expiry, last)
    redis.call('PEXPIREAT', all, last)
  end
end

-- Adds a session after all others, so that a walk along the list meets each session once.
local function enter(list, member)
  local last = redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')[2]
  redis.call('ZADD', list, 'NX', (last or 0) + 1, member)
end

-- Notes the groups of a session under a key that outlives its hash, so that a sweep can remove it from their lists.
local function note(member, groups, expires)
  local key = shard .. 'm:' .. member
  redis.call('SET', key, cjson.encode(groups))
  redis.call('PEXPIREAT', key, math.min(NEVER, expires + 5000))
end

-- Removes an expired session from the lists of its groups.
local function forget(member)
  local key = shard .. 'm:' .. member
  local groups = redis.call('GET', key)
  if not groups then return end
  for _, group in ipairs(cjson.decode(groups)) do redis.call('ZREM', shard .. 'g:' .. group, member) end
  redis.call('UNLINK', key)
end

-- Removes some expired sessions. Each new session calls it, so that the lists stay in proportion to the live sessions.
local function sweep(limit)
  local dead = redis.call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, limit)
  if #dead > 0 then
    redis.call('ZREM', expiry, unpack(dead))
    redis.call('ZREM', all, unpack(dead))
    for _, member in ipairs(dead) do forget(member) end
  end
end

local function sweepGroup(list)
  for _, member in ipairs(redis.call('ZRANDMEMBER', list, 3)) do
    if redis.call('EXISTS', shard .. 's:' .. member) == 0 then redis.call('ZREM', list, member) end
  end
end

local function joinGroup(group, expires)
  local list = shard .. 'g:' .. group
  sweepGroup(list)
  enter(list, id)
  keep(expires, list)
end

local function leaveGroup(group, member, expires)
  local list = shard .. 'g:' .. group
  redis.call('ZREM', list, member)
  if expires == NEVER then loosen(list) end
end

-- Removes a session from its hash and all lists. With a group, only if the session is in it, because a group's list may
-- contain the id of an expired session which a new session has taken. Returns whether it was live.
local function finish(member, group)
  local hash = shard .. 's:' .. member
  local held = redis.call('HMGET', hash, 'expires', 'groups')
  if not held[1] then return 0 end
  local expires = tonumber(held[1])
  local groups, isIn = held[2] and cjson.decode(held[2]) or {}, group == nil
  for _, its in ipairs(groups) do isIn = isIn or its == group end
  if not isIn then return 0 end
  redis.call('UNLINK', hash, shard .. 'm:' .. member)
  redis.call('ZREM', all, member)
  redis.call('ZREM', expiry, member)
  for _, its in ipairs(groups) do leaveGroup(its, member, expires) end
  if expires == NEVER then loosenAll() end
  return expires > now and 1 or 0
end
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
if held[1] then finish(id) else forget(id) end

-- The hash is written last: if a key belongs to another program, the script stops while there is no session yet.
sweep(4)
local firstGroup = 8 + ARGV[7]
for at = firstGroup, #ARGV do joinGroup(ARGV[at], expires) end
if firstGroup <= #ARGV then
  local groups = {}
  for at = firstGroup, #ARGV do table.insert(groups, ARGV[at]) end
  note(id, groups, expires)
end
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
if expiresAt > now then
  -- If a key belongs to another program, the script stops here, before anything is written.
  for at = firstJoin, #ARGV do redis.call('ZSCORE', shard .. 'g:' .. ARGV[at], id) end
  set(13, sets)
  remove(13 + sets, removals)

  if ARGV[9] ~= '' and ARGV[8] == secretHash then
    local at, was = string.match(redis.call('HGET', hash, 'previous') or '', '^([-%d]+:%d+):(:.*)$')
    if at then redis.call('HSET', hash, 'previous', at .. ':' .. ARGV[9] .. was) end
  end

  -- Most changes end here. Only to define the functions that follow would cost them a fifth of their time.
  if wanted == expires and firstJoin > #ARGV then
    ${ON_PRIMARY}
    return { now, 1, expires, secretHash }
  end
end
`,
  LISTS,
  `
if expiresAt <= now then
  finish(id)
  return { now, 0 }
end

local groups = held[3] and cjson.decode(held[3]) or {}
if firstJoin <= #ARGV then
  local isIn, left, isLeft = {}, {}, {}
  for _, group in ipairs(groups) do isIn[group] = true end
  for at = firstJoin, firstJoin + joins - 1 do
    joinGroup(ARGV[at], expiresAt)
    if not isIn[ARGV[at]] then table.insert(groups, ARGV[at]) end
    isIn[ARGV[at]] = true
  end
  for at = firstJoin + joins, #ARGV do
    isLeft[ARGV[at]] = true
    leaveGroup(ARGV[at], id, tonumber(expires))
  end
  for _, group in ipairs(groups) do
    if not isLeft[group] then table.insert(left, group) end
  end
  groups = left
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
export const DESTROY = acting(SESSION, LISTS, ON_PRIMARY, 'return { now, finish(id) }');

/** Counts all sessions of a shard. KEYS[1] is its list in order of expiry. ARGV: window, shard. */
export const COUNT_ALL = acting(
  `
local shard = ARGV[3]
`,
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
export const COUNT_STEP = acting(`
${ON_PRIMARY}
local met = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
if #met == 0 then return { now, 0 } end
local hashes = {}
for at = 1, #met, 2 do table.insert(hashes, ARGV[3] .. 's:' .. met[at]) end
local live = redis.call('EXISTS', unpack(hashes))
if live < #hashes then
  for at = 1, #met, 2 do
    if redis.call('EXISTS', ARGV[3] .. 's:' .. met[at]) == 0 then redis.call('ZREM', KEYS[1], met[at]) end
  end
end
if #hashes < tonumber(ARGV[5]) then return { now, live } end
return { now, live, met[#met] }
`);

/**
 * Destroys some sessions of a list. KEYS[1] is the list. ARGV: window, shard, after, until (empty in the first step,
 * which takes the last place in the list), limit, the ids to keep. Returns how many were live and, unless it is done,
 * the last place that it has reached and `until`.
 */
export const CLEAR_STEP = acting(
  `
local shard = ARGV[3]
`,
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
  if not kept[met[at]] then
    ended = ended + finish(met[at], group)
    redis.call('ZREM', KEYS[1], met[at])
  end
end
if #met < 2 * ARGV[6] then return { now, ended } end
return { now, ended, met[#met], last }
`,
);
