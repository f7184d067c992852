import { TOMBSTONE_LIFETIME } from '../../contract/record.js';

/**
 * Lua: tombstones, which are in the place of the hashes of sessions that were destroyed or regenerated. A tombstone has
 * no field of a session, so that all that is done to a session finds none. Its field `ended` is `ended` or
 * `regenerated`. In the latter case `of` has the groups of the session, if it was in any. The script has `shard`, `now`
 * and `moving`.
 */
export const TOMBSTONES = `
local LIFETIME = ${TOMBSTONE_LIFETIME}

-- Puts a tombstone in the place of a session or of another tombstone. The node that a moving slot leaves makes no keys, so
-- there the hash must stay one.
local function bury(member, as, groups)
  local hash = shard .. 's:' .. member
  local fields = moving and redis.call('HGETALL', hash) or {}
  if not moving then redis.call('UNLINK', hash) end
  redis.call('HSET', hash, 'ended', as, unpack(groups and { 'of', groups } or {}))
  for at = 1, #fields, 2 do
    if fields[at] ~= 'ended' and not (groups and fields[at] == 'of') then redis.call('HDEL', hash, fields[at]) end
  end
  redis.call('PEXPIREAT', hash, now + LIFETIME)
end

-- The groups in a field of a hash, if it is there.
local function groupsIn(field)
  return field and cjson.decode(field) or {}
end

-- Whether a group is among others. No group means all sessions.
local function isAmong(group, groups)
  local isIn = group == nil
  for _, its in ipairs(groups) do isIn = isIn or its == group end
  return isIn
end

-- Whether a session was regenerated, and has not ended since. With a group, only if it was in it.
local function isRegenerated(member, group)
  local held = redis.call('HMGET', shard .. 's:' .. member, 'ended', 'of')
  return held[1] == 'regenerated' and isAmong(group, groupsIn(held[2]))
end
`;
