import { acting } from './script.js';

/**
 * The key of a shard whose value is the position of its feed: how many announcements there were. It exists only while
 * somebody watches, so that writes are announced only then. It is also the channel of the announcements.
 */
export const FEED = 'feed';

/** The kinds of announcements, as messages have them. */
export const KINDS = { changed: 'c', rotated: 'r', ended: 'e' } as const;

/**
 * Lua: announces what happened to the sessions in `ids`, an expression for a list of them, if somebody watches. The script
 * has `shard`. Comes after its writes.
 *
 * `nothing` never exists, so that a node with a slot that is moving rejects the command. There the position may be on the
 * other node, and the announcement has none: its receivers know that they may have missed some.
 *
 * Errors are ignored, because a user may lack the right to publish. The position has grown then, which watchers notice.
 */
export function announce(kind: keyof typeof KINDS, ids: string): string {
  return `
do
  local watched = redis.pcall('EXISTS', shard .. '${FEED}', shard .. 'nothing')
  if watched ~= 0 then
    local position = ''
    if watched == 1 then
      position = string.format('%.0f', redis.call('GET', shard .. '${FEED}') + 1)
      redis.call('SET', shard .. '${FEED}', position, 'KEEPTTL')
    end
    redis.pcall('PUBLISH', shard .. '${FEED}', position .. '${KINDS[kind]}' .. cjson.encode(${ids}))
  end
end
`;
}

/**
 * Says that somebody watches a shard. KEYS[1] is its position. ARGV: window, shard, for how long in milliseconds. Returns
 * whether somebody did already, and the position; nothing but `false` while the slot moves.
 *
 * A new position starts with the time, in microseconds, so that it is never one that was reached before.
 */
export const WATCH = acting(`
local shard = ARGV[3]
if type(redis.pcall('EXISTS', KEYS[1], shard .. 'nothing')) == 'table' then return { now, false } end
local position = redis.call('GET', KEYS[1])
local was = position and 1 or 0
position = position or string.format('%.0f', now * 1000)
redis.call('SET', KEYS[1], position, 'PX', ARGV[4])
return { now, was, position }
`);
