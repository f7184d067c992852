import { announce } from './feed.scripts.js';
import { ON_PRIMARY, acting } from './script.js';
import { FIELDS, SESSION } from './session.scripts.js';

/**
 * Lua: reads the state of a session, and `text`, the text of the name whose field is ARGV[5] and which the head of the
 * pack would have as ARGV[6]; `nil` if there is none. Returns 0 if the session is gone.
 */
const TEXT = `
local held = redis.call('HMGET', hash, 'expires', 'secretHash', ARGV[5])
local expires, secretHash, own = held[1], held[2], held[3]
if not expires or tonumber(expires) <= now then
  ${ON_PRIMARY}
  return { now, 0 }
end

local text
if own then
  -- An empty field marks a name of the pack as removed.
  if own ~= '' then text = string.sub(own, 2) end
else
  local pack = redis.call('HGET', hash, 'pack')
  -- It may be part of another name, or of a value.
  if pack and string.find(pack, ARGV[6], 1, true) then
    local name, at = string.sub(ARGV[5], 2), string.find(pack, '\\n', 1, true)
    local head = cjson.decode(string.sub(pack, 1, at - 1))
    at = at + 1
    -- The head counts in units of UTF-16. A run of ASCII is skipped at once.
    local function skip(units)
      while units > 0 do
        local byte = string.byte(pack, at)
        if byte < 128 then
          local _, last = string.find(pack, '^[^\\128-\\255]+', at)
          local run = math.min(units, last + 1 - at)
          at, units = at + run, units - run
        elseif byte < 224 then
          at, units = at + 2, units - 1
        elseif byte < 240 then
          at, units = at + 3, units - 1
        else
          at, units = at + 4, units - 2
        end
      end
    end
    for index = 2, #head, 2 do
      local start = at
      skip(head[index + 1])
      if head[index] == name then
        text = string.sub(pack, start, at - 1)
        break
      end
    end
  end
end
`;

/**
 * Adds to the integer in a text, by the rules of `sumOf`. ARGV: window, shard, id, the field of the name, the name as in
 * the pack, what to add. Returns the expiry, the secretHash and the new text; instead of the text `false` and why
 * nothing was written.
 */
export const ADD = acting(
  SESSION,
  TEXT,
  `
-- Numbers of Lua are exact up to 2^53, texts go further. So the last eight digits are added on their own.
local function halves(digits)
  local sign, rest = string.match(digits, '^(-?)(%d+)$')
  if not rest or #rest > 16 or (#rest > 1 and string.sub(rest, 1, 1) == '0') then return nil end
  local factor = sign == '-' and -1 or 1
  return factor * (tonumber(string.sub(rest, 1, -9)) or 0), factor * tonumber(string.sub(rest, -8))
end

local high, low = halves(text or '0')
local refused = not high and 'not an integer'
local sum
if high then
  local more, moreLow = halves(ARGV[7])
  sum = (high + more) * 100000000 + (low + moreLow)
  if math.abs(sum) > 9007199254740991 then refused = 'not a safe integer' end
end
if refused then
  ${ON_PRIMARY}
  return { now, 1, expires, secretHash, false, refused }
end

-- A sum of zero may be -0.
local after = sum == 0 and '0' or string.format('%.0f', sum)
redis.call('HSET', hash, ARGV[5], '=' .. after)
${announce('changed')}
return { now, 1, expires, secretHash, after }
`,
);

/**
 * Removes a name. ARGV: window, shard, id, the field of the name, the name as in the pack. Returns the expiry, the
 * secretHash and the removed text, if there was one.
 */
export const TAKE = acting(
  SESSION,
  TEXT,
  `
if not text then
  ${ON_PRIMARY}
  return { now, 1, expires, secretHash }
end
`,
  FIELDS,
  `
remove(5, 2)
${announce('changed')}
return { now, 1, expires, secretHash, text }
`,
);
