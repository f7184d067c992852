import { acting } from './script.js';

/**
 * The key of a shard whose value is the position of its feed: the number of its announcements. It exists only while
 * the shard has a watcher, so that writes are announced only then. It is also the channel of the announcements.
 */
export const FEED = 'feed';

/** The letters of announcements about one session. */
const KINDS = { changed: 'c', rotated: 'r', ended: 'e' } as const;

/**
 * Lua: announces a change to the session `id`, if the shard has a watcher. The script has `shard` and `id`. Comes after
 * its writes.
 *
 * `nothing` never exists, so a node rejects the first command while the slot is moving. The position may then be on the
 * other node, so the announcement has none, and its receivers know that they may have missed some.
 *
 * An error of PUBLISH is ignored, because a user may lack the right. The position has grown then, which watchers notice.
 */
export function announce(kind: keyof typeof KINDS): string {
  return announcing(`'${KINDS[kind]}' .. id`);
}

/** Lua: announces that the sessions in the list `gone` have ended, with a letter of its own. */
export const ANNOUNCE_GONE = announcing("'E' .. cjson.encode(gone)");

function announcing(words: string): string {
  return `
do
  local watched = redis.pcall('EXISTS', shard .. '${FEED}', shard .. 'nothing')
  if watched ~= 0 then
    local position = ''
    if watched == 1 then position = string.format('%.0f', redis.call('INCR', shard .. '${FEED}')) end
    redis.pcall('PUBLISH', shard .. '${FEED}', position .. ${words})
  end
end
`;
}

/**
 * Marks a shard as watched. KEYS[1] is its position. ARGV: window, shard, the time to live of the mark in milliseconds.
 * Returns whether the shard was marked already, and the position; only `false` while the slot is moving.
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
