import { TOMBSTONES } from './tombstones.js';

/**
 * Lua: whether the slot of the shard moves to another node of a Cluster. The script has `shard`.
 *
 * While a slot moves, each of its keys is on one of two nodes. What a script finds under the key by which it was sent,
 * KEYS[1], is right: the node that the slot leaves sends the client on if it does not have the key. Any other key may be
 * on the other node. So a script that needs more than its first key checks before its first write that all others are
 * on this node.
 *
 * The probe is for two keys which nothing has. The node that the slot leaves rejects every command on a key that it does
 * not have; the node that the slot enters, every command on several keys unless it has them all.
 */
export const SLOT = `
local probed = redis.pcall('EXISTS', shard .. 'nothing', shard .. 'nowhere')
local moving = type(probed) == 'table'
-- Any other error is the reply of the script.
if moving and not string.find(probed.err, 'non local key', 1, true) then redis.call('EXISTS', shard .. 'nothing') end
`;

/**
 * Lua: the sets that list the sessions of a shard, and how long Redis keeps them. Follows {@link SLOT}; the script also
 * has `now`.
 *
 * A regenerated session stays in the list of all and in those of its groups, so that a clear meets it. In the order of
 * expiry it is before all sessions, by the negative of the instant at which its tombstone expires.
 */
export const LISTS = `
${TOMBSTONES}
local NEVER = 8640000000000000
local all, expiry = shard .. 'all', shard .. 'expiry'

local areHere, isWhole
if moving then
  local function isHere(key) return redis.pcall('EXISTS', key) == 1 end

  -- Whether the lists of all sessions and of these groups are on this node.
  function areHere(groups)
    for _, group in ipairs(groups) do
      if not isHere(shard .. 'g:' .. group) then return false end
    end
    return isHere(all) and isHere(expiry)
  end

  -- Whether a session, all that lists it, and the lists of the groups that it joins are on this node. Of a session with
  -- a tombstone only that is needed.
  function isWhole(member, joins)
    local hash = shard .. 's:' .. member
    if not isHere(hash) then return false end
    local held = redis.call('HMGET', hash, 'groups', 'ended')
    if held[2] then return true end
    local groups = groupsIn(held[1])
    if (#groups > 0 or #joins > 0) and not isHere(shard .. 'm:' .. member) then return false end
    return areHere(groups) and areHere(joins)
  end
end

-- A list lives at least as long as its sessions. It lives a quarter longer, so that most calls need not move its
-- expiry. The second list, if any, gets the same expiry.
local function keep(expires, list, other)
  local left = expires - now
  if redis.call('PTTL', list) >= left then return end
  local till = math.min(NEVER, expires + math.floor(left / 4))
  redis.call('PEXPIREAT', list, till)
  if other then redis.call('PEXPIREAT', other, till) end
end

-- When the last session or regenerated session of the shard is gone.
local function lastOfAll()
  local first = redis.call('ZRANGE', expiry, 0, 0, 'WITHSCORES')[2]
  local last = redis.call('ZRANGE', expiry, -1, -1, 'WITHSCORES')[2]
  return math.max(now, last or now, -(first or now))
end

-- Called after a session that never expires was removed from a list. The list gets the expiry of its last session, or
-- of the shard's last one, so that it does not stay forever. In a shard with other sessions that never expire, a big
-- list keeps its expiry; later joins remove its dead sessions.
local function loosen(list)
  if moving then return end
  local last = lastOfAll()
  if last == NEVER then
    local members = redis.call('ZRANGE', list, 0, 127)
    if #members == 128 then return end
    last = now
    for _, member in ipairs(members) do
      local hash = shard .. 's:' .. member
      local expires = redis.call('HGET', hash, 'expires') or now + redis.call('PTTL', hash)
      if tonumber(expires) == NEVER then return end
      last = math.max(last, expires)
    end
  end
  redis.call('PEXPIREAT', list, last)
end

local function loosenAll()
  if moving then return end
  local last = lastOfAll()
  if last < NEVER then
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

-- Removes some expired sessions, and some regenerated ones whose tombstones are gone. Each new session calls it, so that
-- the lists stay in proportion to the live sessions.
local function sweep(limit)
  if moving then return end
  local dead = redis.call('ZRANGEBYSCORE', expiry, -now, now, 'LIMIT', 0, limit)
  if #dead > 0 then
    redis.call('ZREM', expiry, unpack(dead))
    redis.call('ZREM', all, unpack(dead))
    for _, member in ipairs(dead) do forget(member) end
  end
end

local function sweepGroup(list)
  if moving then return end
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

-- Removes a session from its hash and all lists, and leaves a tombstone if it was live. With a group, only if the session
-- is in it, because a group's list may contain the id of an expired session which a new session has taken. Returns
-- whether it was live; nil if there was none.
local function finish(member, group)
  local hash = shard .. 's:' .. member
  local held = redis.call('HMGET', hash, 'expires', 'groups')
  local groups = groupsIn(held[2])
  if not held[1] or not isAmong(group, groups) then return nil end
  local expires = tonumber(held[1])
  if expires > now then bury(member, 'ended') else redis.call('UNLINK', hash) end
  if #groups > 0 then redis.call('UNLINK', shard .. 'm:' .. member) end
  redis.call('ZREM', all, member)
  redis.call('ZREM', expiry, member)
  for _, its in ipairs(groups) do leaveGroup(its, member, expires) end
  if expires == NEVER then loosenAll() end
  return expires > now and 1 or 0
end
`;
