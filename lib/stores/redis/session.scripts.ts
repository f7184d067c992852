import { MOST_GRACES } from '../../contract/record.js';
import { announce } from './feed.scripts.js';
import { LISTS, SLOT } from './lists.js';
import { acting, ON_PRIMARY, RETURN_INCOMPLETE } from './script.js';

/**
 * The start of each script on a session. KEYS[1] is its hash, ARGV[3] the start of all keys of its shard, ARGV[4] its
 * id. The sets that list it are not declared as keys, because only its hash says in which groups it is. All are in one
 * slot.
 */
export const SESSION = `
local hash, shard, id = KEYS[1], ARGV[3], ARGV[4]
`;

export const FIELDS = `
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
 * id is in use or has a tombstone.
 */
export const CREATE = acting(
  SESSION,
  SLOT,
  LISTS,
  FIELDS,
  `
local held = redis.call('HMGET', hash, 'secretHash', 'expires', 'ended')
if held[3] or held[1] and tonumber(held[2]) > now then
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
 * five may be empty), the number of words to set, of words to remove and of groups to join, seen.at and seen.client
 * (which may be empty), then the words and groups, and the groups to leave. Returns the expiry and the secretHash, or 0
 * if the session is gone.
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
local firstJoin = 15 + sets + removals
-- An expiry that is moved forward by a touch alone need not be announced.
local isNews = sets + removals > 0 or ARGV[5] ~= '' or ARGV[13] ~= '' or firstJoin <= #ARGV or expiresAt < tonumber(expires)

local function change()
  set(15, sets)
  remove(15 + sets, removals)
  if ARGV[13] ~= '' then
    if tonumber(ARGV[13]) >= tonumber(redis.call('HGET', hash, 'seen') or ARGV[13]) then
      redis.call('HSET', hash, 'seen', ARGV[13], 'last', ARGV[14])
    end
    redis.call('HSETNX', hash, 'first', ARGV[14])
    redis.call('HSETNX', hash, 'last', ARGV[14])
  end
  if ARGV[9] ~= '' and ARGV[8] == secretHash then
    local at, was = string.match(redis.call('HGET', hash, 'previous') or '', '^([-%d]+:%d+):(:.*)$')
    if at then
      redis.call('HSET', hash, 'previous', at .. ':' .. ARGV[9] .. was)
      isNews = true
    end
  end
end

-- Most changes end here. Only to define the functions that follow would cost them a fifth of their time.
if wanted == expires and firstJoin > #ARGV then
  change()
  ${ON_PRIMARY}
  if isNews then ${announce('changed')} end
  return { now, 1, expires, secretHash }
end
`,
  SLOT,
  LISTS,
  `
local groups = groupsIn(held[3])
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
  ${announce('ended')}
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
if isNews then ${announce('changed')} end
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
local at, its, since, unseen = string.match(held[3] or '', '^([-%d]+):(%d+)::([-%d]*):(.*)$')
if since == '' then since = at end
if
  secretHash == current
  or (unseen and now < at + its)
  or (presented ~= current and (presented ~= unseen or now >= since + ${MOST_GRACES} * its))
then
  ${ON_PRIMARY}
  return { now, 1, current }
end

redis.call('HSET', hash, 'secretHash', secretHash)
if presented ~= current then
  redis.call('HSET', hash, 'previous', string.format('%.0f:%s::%s:%s', now, grace, since, presented))
elseif grace == '0' then
  redis.call('HDEL', hash, 'previous')
else
  redis.call('HSET', hash, 'previous', string.format('%.0f:%s:::%s', now, grace, presented))
end
${announce('rotated')}
return { now, 1, secretHash }
`,
);

/**
 * Puts a tombstone in the place of a session, or of the tombstone of one that was regenerated. ARGV: window, shard, id.
 * Returns whether the session was live.
 */
export const DESTROY = acting(
  SESSION,
  SLOT,
  LISTS,
  ON_PRIMARY,
  `
if moving and redis.pcall('EXISTS', hash) == 1 and not isWhole(id, {}) then ${RETURN_INCOMPLETE} end
local wasLive = finish(id)
if not wasLive and redis.call('HGET', hash, 'ended') then bury(id, 'ended') end
if wasLive == 1 then ${announce('ended')} end
return { now, wasLive or 0 }
`,
);

/**
 * Puts a tombstone in the place of a session, which stays in the lists of its groups and of all sessions until the
 * tombstone is gone. ARGV: window, shard, id. Returns 0 if the session has ended.
 */
export const REGENERATE = acting(
  SESSION,
  SLOT,
  LISTS,
  ON_PRIMARY,
  `
local held = redis.call('HMGET', hash, 'expires', 'groups', 'ended')
local expires = tonumber(held[1] or now)
if expires <= now then return { now, held[3] == 'ended' and 0 or 1 } end
if moving and not isWhole(id, {}) then ${RETURN_INCOMPLETE} end

bury(id, 'regenerated', held[2])
local groups, till = groupsIn(held[2]), now + LIFETIME
redis.call('ZADD', expiry, -till, id)
keep(till, expiry, all)
if #groups > 0 then note(id, groups, till) end
for _, group in ipairs(groups) do keep(till, shard .. 'g:' .. group) end
if expires == NEVER then
  loosenAll()
  for _, group in ipairs(groups) do loosen(shard .. 'g:' .. group) end
end
${announce('ended')}
return { now, 1 }
`,
);

/** ARGV: window, shard, id. Returns whether the session has ended, and was not only regenerated. */
export const HAS_ENDED = acting(
  SESSION,
  ON_PRIMARY,
  `
return { now, redis.call('HGET', hash, 'ended') == 'ended' and 1 or 0 }
`,
);
