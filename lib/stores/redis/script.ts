import { createHash } from 'node:crypto';

/** A Lua script, and the SHA-1 by which a server that has run it finds it. */
export interface Script {
  lua: string;
  sha: string;
}

/** A script that acts only in its window, ARGV[1] to ARGV[2]. Outside of it the script returns only the time. */
export function acting(...lua: string[]): Script {
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
export const ON_PRIMARY = `
local role = redis.pcall('UNLINK', ARGV[3] .. 'none')
if type(role) == 'table' and string.find(role.err, 'READONLY', 1, true) then return role end
`;

/**
 * The reply of a script that has written nothing, because the slot of its keys is moving to another node of the Cluster
 * and some of them are on the other node.
 */
export const INCOMPLETE = 'incomplete';

/** Lua: returns that reply. */
export const RETURN_INCOMPLETE = `return { now, '${INCOMPLETE}' }`;
