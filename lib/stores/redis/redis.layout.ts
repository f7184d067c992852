import type { SessionRecord } from '../../session.store.js';

/**
 * In a Cluster sessions are spread over sixteen shards. Each shard's hash tag was chosen to fall into the middle of
 * another sixteenth of the slots, so that any number of primaries shares them evenly.
 */
const CLUSTER_TAGS = [
  '18', '455', '333', '223', '553', '443', '95', '663', '265', '375', '908', '155', '985', '895', '405', '515',
]; // prettier-ignore

/** Elsewhere one server does all the work, and a group is counted or cleared at one place. */
const SINGLE_TAGS = ['18'];

/**
 * What is stored where. All keys of a shard have one hash tag, hence one slot, so that one script sees a session
 * together with all that lists it:
 *
 * - `<shard>s:<key>`: hash, a session. It expires with the session.
 * - `<shard>all`: sorted set, the shard's sessions in the order they came.
 * - `<shard>expiry`: sorted set, the shard's sessions by the instant they expire.
 * - `<shard>g:<group>`: sorted set, the group's sessions in this shard in the order they came.
 *
 * Order of coming, unlike expiry, never changes while a session is in a set: who pages or clears along it misses
 * nobody.
 */
export class Layout {
  /** What each key of a shard starts with, shard by shard. */
  readonly shards: readonly string[];

  constructor(prefix: string, isCluster: boolean) {
    // A brace in the prefix would be taken for the hash tag.
    const safe = prefix.replace(/[%{}]/g, encodeURIComponent);
    this.shards = (isCluster ? CLUSTER_TAGS : SINGLE_TAGS).map((tag) => `${safe}{${tag}}:`);
  }

  /** The number of the shard that has the session `key`. */
  shardOf(key: string): number {
    if (this.shards.length === 1) return 0;
    let hash = 0;
    for (let at = 0; at < key.length; at++) hash = (hash * 31 + key.charCodeAt(at)) | 0;
    // The high bits too: keys may differ in their first characters only.
    return (hash ^ (hash >>> 16)) & (CLUSTER_TAGS.length - 1);
  }
}

export function sessionKey(shard: string, key: string): string {
  return `${shard}s:${key}`;
}

/** The set that lists a group's sessions of a shard, or all of them. */
export function listKey(shard: string, group: string | undefined): string {
  return group === undefined ? `${shard}all` : `${shard}g:${group}`;
}

/** The fields and texts of a hash, one after the other. Names of data start with a colon, ours do not. */
export function fieldsOf(record: SessionRecord): (string | number)[] {
  const { proof, was, data, groups, createdAt, expiresAt } = record;
  const fields: (string | number)[] = ['proof', proof, 'created', createdAt, 'expires', expiresAt];
  if (was) {
    fields.push('was', was.proof, 'wasAt', was.at, 'grace', was.grace);
    if (was.until !== undefined) fields.push('until', was.until);
  }
  if (groups.length > 0) fields.push('groups', JSON.stringify([...new Set(groups)]));
  return fields.concat(dataFields(data));
}

export function dataFields(data: Record<string, string>): string[] {
  return Object.keys(data).flatMap((name) => [`:${name}`, data[name] as string]);
}

/**
 * The record that a hash holds; `undefined` when there is none. What somebody else has damaged comes as it is: who
 * reads it says so.
 */
export function recordOf(key: string, hash: Record<string, string>): SessionRecord | undefined {
  const fields = Object.keys(hash);
  if (fields.length === 0) return undefined;

  const data = Object.create(null) as Record<string, string>;
  for (const field of fields) if (field.startsWith(':')) data[field.slice(1)] = hash[field] as string;
  const record: SessionRecord = {
    key,
    proof: hash['proof'] as string,
    data,
    groups: hash['groups'] === undefined ? [] : groupsIn(hash['groups']),
    createdAt: Number(hash['created']),
    expiresAt: Number(hash['expires']),
  };
  if (hash['was'] !== undefined) {
    record.was = { proof: hash['was'], at: Number(hash['wasAt']), grace: Number(hash['grace']) };
    if (hash['until'] !== undefined) record.was.until = Number(hash['until']);
  }
  return record;
}

function groupsIn(text: string): string[] {
  try {
    return JSON.parse(text) as string[];
  } catch {
    return undefined as unknown as string[];
  }
}
