import { NEWCOMER_FOR } from '../../contract/limit.js';
import { announce, ANNOUNCE_GONE } from './feed.scripts.js';
import { LISTS, SLOT } from './lists.js';
import { acting, ON_PRIMARY } from './script.js';

/**
 * Joins a session to a group with a limit, and ends the sessions that are too many. Only for a layout of one shard, which
 * has the whole group. The order is that of `excessOf`. The newcomer gets a place after all others, so it stays.
 *
 * ARGV: window, shard, id, group, max, whenFull. Returns `joined`, `full` or `gone`, and the sessions that ended or that
 * fill the group: each as its id, its fields and their values.
 */
export const JOIN_LIMITED = acting(
  `
local hash, shard, id = KEYS[1], ARGV[3], ARGV[4]
local group, max, whenFull = ARGV[5], tonumber(ARGV[6]), ARGV[7]
`,
  SLOT,
  LISTS,
  `
local held = redis.call('HMGET', hash, 'expires', 'groups')
local expires = tonumber(held[1] or now)
if expires <= now then
  ${ON_PRIMARY}
  return { now, 'gone' }
end
local groups = groupsIn(held[2])
if isAmong(group, groups) and held[2] then
  ${ON_PRIMARY}
  return { now, 'joined', {} }
end

local function whole(member)
  local fields = redis.call('HGETALL', shard .. 's:' .. member)
  table.insert(fields, 1, member)
  return fields
end

-- A list may contain the id of an expired session which a new session has taken.
local members, last = {}, now - 1
for _, member in ipairs(redis.call('ZRANGE', shard .. 'g:' .. group, 0, -1)) do
  local its = redis.call('HMGET', shard .. 's:' .. member, 'expires', 'groups', 'joined', 'seen', 'pack')
  if its[1] and tonumber(its[1]) > now and its[2] and isAmong(group, groupsIn(its[2])) then
    local joined = tonumber(its[3] or string.match(its[5], '^%[(%-?%d+)'))
    last = math.max(last, joined)
    table.insert(members, { id = member, joined = joined, at = math.max(joined, tonumber(its[4] or joined)) })
  end
end
if whenFull == 'reject' and #members >= max then
  ${ON_PRIMARY}
  local inside = {}
  for _, member in ipairs(members) do table.insert(inside, whole(member.id)) end
  return { now, 'full', inside }
end

-- If the list belongs to another program, the script stops here, before anything is written.
joinGroup(group, expires)
table.insert(groups, group)
redis.call('HSET', hash, 'groups', cjson.encode(groups), 'joined', string.format('%.0f', last + 1))
note(id, groups, expires)
${announce('changed')}

local ended, gone = {}, {}
if #members >= max then
  local newSince = last + 1 - ${NEWCOMER_FOR}
  for _, member in ipairs(members) do
    member.isNew = whenFull == 'end-least-recent' and member.joined >= newSince and 1 or 0
    if whenFull ~= 'end-least-recent' or member.isNew == 1 then member.at = member.joined end
  end
  table.sort(members, function(one, other)
    if one.isNew ~= other.isNew then return one.isNew < other.isNew end
    if one.at ~= other.at then return one.at < other.at end
    return one.id < other.id
  end)
  for at = 1, #members + 1 - max do
    local member = members[at].id
    table.insert(ended, whole(member))
    if finish(member) == 1 then table.insert(gone, member) end
  end
  ${ANNOUNCE_GONE}
end
return { now, 'joined', ended }
`,
);
