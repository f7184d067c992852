import { LISTS, SLOT } from './lists.js';
import { ANNOUNCE_GONE } from './feed.scripts.js';
import { acting, ON_PRIMARY, RETURN_INCOMPLETE } from './script.js';

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
  if isMember(met[at]) then
    live = live + 1
  elseif call('HGET', shard .. 's:' .. met[at], 'ended') ~= 'regenerated' then
    table.insert(others, met[at])
  end
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
 * Lua: the start of a step of a walk along KEYS[1], a list. ARGV: window, shard, after, until (empty in the first step,
 * which takes the last place in the list, so that the walk ends even if sessions keep joining), limit, the number of ids
 * to keep, these, further ids.
 */
const WALK = `
local shard = ARGV[3]
${SLOT}
${LISTS}
${ON_PRIMARY}
local last, limit, further = ARGV[5], tonumber(ARGV[6]), 8 + ARGV[7]
if last == '' then last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] end
local met = last and redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[4], last, 'WITHSCORES', 'LIMIT', 0, limit) or {}

local kept, group = {}, nil
for at = 8, further - 1 do kept[ARGV[at]] = true end
if KEYS[1] ~= all then group = string.sub(KEYS[1], #shard + 3) end

-- The reply with a result and, unless it is done, the last place that the step has reached, and the last one of the walk.
local function reply(result)
  if #met < 2 * limit then return { now, result } end
  return { now, result, met[#met], last }
end
`;

/**
 * Destroys some sessions of a list, and makes ended ones of the regenerated ones: not those in the further ids. See
 * {@link WALK}. Returns how many were live.
 */
export const CLEAR_STEP = acting(
  WALK,
  `
local spared, ended, gone = {}, 0, {}
for at = further, #ARGV do spared[ARGV[at]] = true end
for at = 1, #met, 2 do
  if moving and not kept[met[at]] and not isWhole(met[at], {}) then ${RETURN_INCOMPLETE} end
end
for at = 1, #met, 2 do
  local member = met[at]
  if not kept[member] then
    local wasLive = finish(member, group)
    if wasLive then
      ended = ended + wasLive
      table.insert(gone, member)
    elseif not spared[member] then
      if isRegenerated(member, group) then bury(member, 'ended') end
      redis.call('ZREM', KEYS[1], member)
    end
  end
end
if #gone > 0 then ${ANNOUNCE_GONE} end
return reply(ended)
`,
);

/**
 * Finds the successors of regenerated sessions among some sessions of a list. See {@link WALK}. Returns each with the
 * sessions that it came from, as JSON.
 */
export const SUCCESSORS_STEP = acting(
  WALK,
  `
local found = {}
for at = 1, #met, 2 do
  local member = met[at]
  if not kept[member] then
    local hash = shard .. 's:' .. member
    if moving and redis.pcall('EXISTS', hash) ~= 1 then ${RETURN_INCOMPLETE} end
    local held = redis.call('HMGET', hash, 'from', 'groups')
    if held[1] and isAmong(group, groupsIn(held[2])) then
      table.insert(found, member)
      table.insert(found, held[1])
    end
  end
end
return reply(found)
`,
);

/**
 * Reads some sessions of a list. KEYS[1] is the list. ARGV: window, shard, after, limit, the number of bytes after which
 * it ends. Returns the last place that it has reached, or nothing at the end of the list; how many bytes it has read;
 * then the id and the fields of each session. A session that may be on another node, while the slot moves, has no fields,
 * and counts as a quarter of the bytes.
 */
export const PAGE_STEP = acting(
  `
local shard = ARGV[3]
`,
  SLOT,
  `
${ON_PRIMARY}
local limit, most, bytes = tonumber(ARGV[5]), tonumber(ARGV[6]), 0
local met = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
local reply = { now, '', 0 }
local call = moving and redis.pcall or redis.call
for at = 1, #met, 2 do
  local fields = call('HGETALL', shard .. 's:' .. met[at])
  for _, word in ipairs(fields) do bytes = bytes + #word end
  if #fields > 0 or moving then table.insert(reply, met[at]) end
  if #fields > 0 then
    table.insert(reply, fields)
  elseif moving then
    table.insert(reply, false)
    bytes = bytes + most / 4
  end
  local isLast = at + 1 == #met
  if isLast and #met == 2 * limit or not isLast and bytes >= most then
    reply[2] = met[at + 1]
    break
  end
end
reply[3] = bytes
return reply
`,
);
