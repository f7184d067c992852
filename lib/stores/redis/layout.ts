import type { SessionChange, SessionRecord } from '../../contract/record.js';
import { newTexts } from '../../contract/texts.js';

/**
 * In a Cluster sessions are spread over sixteen shards. The hash tag of each shard is in the middle of another
 * sixteenth of the slots, so that any number of primaries shares them evenly.
 */
const CLUSTER_TAGS = [
  '18', '455', '333', '223', '553', '443', '95', '663', '265', '375', '908', '155', '985', '895', '405', '515',
]; // prettier-ignore

/** Elsewhere one server has all sessions, so one shard is enough, and a group is counted and cleared in one place. */
const SINGLE_TAGS = ['18'];

/**
 * The keys of the store. All keys of a shard have one hash tag, and so one slot, so that one script can change a
 * session together with the sets that list it:
 *
 * - `<shard>s:<id>`: hash, a session, which expires with it; or the tombstone of one, which expires after ten minutes.
 * - `<shard>m:<id>`: string, the groups of a session that is in any, as JSON. It outlives the session, or the tombstone
 *   of a regenerated one, by five seconds, so that a sweep finds them.
 * - `<shard>all`: sorted set, the shard's sessions, regenerated ones included, in the order in which they were added.
 * - `<shard>expiry`: sorted set, the shard's sessions in order of expiry; before them, with negative scores, those that
 *   were regenerated.
 * - `<shard>g:<group>`: sorted set, the group's sessions in this shard, regenerated ones included, in the order in which
 *   they joined.
 * - `<shard>feed`: string, the number of announcements, while the shard has a watcher. Also the channel of the announcements.
 * - `<shard>none`: never exists. To remove it is a write that does nothing, which a replica rejects.
 *
 * Unlike the order of expiry, the order of arrival never changes while a session is in a set, so paging and clearing
 * miss no session.
 */
export class Layout {
  /** The start of all keys of each shard. */
  readonly shards: readonly string[];
  /** The starts of keys in all parts of the slots, none of which the store uses. Empty in a Cluster. */
  readonly elsewhere: readonly string[];

  constructor(prefix: string, isCluster: boolean) {
    // Redis would take braces in the prefix for the hash tag.
    const safe = prefix.replace(/[%{}]/g, encodeURIComponent);
    const startsWith = (tags: readonly string[]): string[] => tags.map((tag) => `${safe}{${tag}}:`);
    this.shards = startsWith(isCluster ? CLUSTER_TAGS : SINGLE_TAGS);
    this.elsewhere = startsWith(isCluster ? [] : CLUSTER_TAGS.filter((tag) => !SINGLE_TAGS.includes(tag)));
  }

  /** The number of the shard of a session. */
  shardOf(id: string): number {
    if (this.shards.length === 1) return 0;
    let hash = 0;
    for (let at = 0; at < id.length; at++) hash = (hash * 31 + id.charCodeAt(at)) | 0;
    // The high bits too: ids may differ in their first characters only.
    return (hash ^ (hash >>> 16)) & (CLUSTER_TAGS.length - 1);
  }
}

/** One of the ids `idOf(0)`, `idOf(1)`, … for each shard, in the order of the shards. */
export function idsInShards(layout: Layout, idOf: (n: number) => string): string[] {
  const ids: string[] = [];
  let left = layout.shards.length;
  for (let n = 0; left > 0; n++) {
    const id = idOf(n);
    const shard = layout.shardOf(id);
    if (ids[shard] !== undefined) continue;
    ids[shard] = id;
    left--;
  }
  return ids;
}

/** The key of a session's hash. */
export function sessionKey(shard: string, id: string): string {
  return `${shard}s:${id}`;
}

/** The key of the set that lists a group's sessions of a shard, or all of them. */
export function listKey(shard: string, group: string | undefined): string {
  return group === undefined ? `${shard}all` : `${shard}g:${group}`;
}

/** A key of a shard that never exists. */
export function noKey(shard: string): string {
  return `${shard}none`;
}

/** The longest serialized value that is packed together with others, in UTF-16 units. */
const PACKED = 1000;

/**
 * The fields of a new session's hash, each followed by its value.
 *
 * The short values of a new session are together in one field, `pack`, because a reply of a few long strings costs less
 * than one of many short strings, here and in the server. A value that is written later has a field of its own, named
 * with a colon and its name. It overrides the pack, so that a write sends only the changed values.
 *
 * Measured against one field per value, on a server on the same machine, with 32 calls in flight and values of 70
 * bytes, medians of 31 alternating rounds. Of sessions of ten properties, a process read 1.6 times as many a second,
 * for 38 % less of its own CPU time and 43 % less of the server's; 1.4 times as many after one or three properties
 * were written later; 0.9 times after all were. Of three properties, 1.3 times as many, 1.1 after one was written, and
 * 0.9 after all were. Creates and writes cost the same within the spread. Ten properties take 1 264 bytes (`MEMORY
 * USAGE`) instead of 1 848, and a reply of 988 instead of 1 078; three take 688 instead of 784, and 393 instead of
 * 419. Sessions whose values all have less than 64 bytes take more: three of 20 bytes 496 instead of 328, because
 * Redis keeps a hash of short values in a more compact form.
 */
export function fieldsOf({
  secretHash,
  previous,
  data,
  groups,
  createdAt,
  expiresAt,
  from,
  label,
  lastSeenAt,
  client,
  joinedAt,
  joining,
}: SessionRecord): (string | number)[] {
  const names = Object.keys(data);
  const short = names.filter((name) => (data[name] as string).length <= PACKED);
  const packed = pack(createdAt, short, data);
  const fields: (string | number)[] = ['secretHash', secretHash, 'expires', expiresAt, 'pack', packed];
  if (previous) fields.push('previous', previousField(previous));
  if (from) fields.push('from', JSON.stringify(from));
  if (groups.length > 0) fields.push('groups', JSON.stringify([...new Set(groups)]));
  if (lastSeenAt !== undefined) fields.push('seen', lastSeenAt);
  if (client) fields.push('first', client.first, 'last', client.last);
  fields.push(...useFields({ label, joinedAt, joining }));
  for (const name of names) {
    const text = data[name] as string;
    if (text.length > PACKED) fields.push(`:${name}`, `=${text}`);
  }
  return fields;
}

/** The fields that a change sets, each followed by its value. */
export function setFields({ set = {}, ...use }: SessionChange): (string | number)[] {
  return [...Object.keys(set).flatMap((name) => [`:${name}`, `=${set[name]}`]), ...useFields(use)];
}

/** An empty label is none, and so is an empty `joining`. */
function useFields({ label, joinedAt, joining }: SessionChange): (string | number)[] {
  const fields: (string | number)[] = [];
  if (label !== undefined) fields.push('label', label);
  if (joining !== undefined) fields.push('joining', joining);
  if (joinedAt !== undefined) fields.push('joined', joinedAt);
  return fields;
}

/** The fields of names that a change removes, each followed by how the pack would have its name. */
export function removedFields(remove: string[]): string[] {
  return remove.flatMap(nameFields);
}

/** The field of a name, and how the pack would have the name. */
export function nameFields(name: string): string[] {
  return [`:${name}`, JSON.stringify(name)];
}

/** The creation time and each name with the length of its value, as JSON; then, after a line break, the values. */
function pack(createdAt: number, names: string[], data: Record<string, string>): string {
  const head: (string | number)[] = [createdAt];
  let texts = '';
  for (const name of names) {
    const text = data[name] as string;
    head.push(name, text.length);
    texts += text;
  }
  return `${JSON.stringify(head)}\n${texts}`;
}

/**
 * The record in a hash, given as its fields, each followed by its value; `undefined` if there is none, or a tombstone.
 * `createdAt` of a damaged one is `NaN`, so that its reader notices.
 */
export function recordOf(id: string, fields: string[]): SessionRecord | undefined {
  if (fields.length === 0) return undefined;

  const data = newTexts();
  const record: SessionRecord = { id, secretHash: '', data, groups: [], createdAt: NaN, expiresAt: NaN };
  let packed = '';
  let groups: string | undefined;
  let previous: string | undefined;
  let from: string | undefined;
  let first: string | undefined;
  let last: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    const value = fields[at + 1] as string;
    switch (fields[at]) {
      case 'secretHash':
        record.secretHash = value;
        break;
      case 'expires':
        record.expiresAt = Number(value);
        break;
      case 'pack':
        packed = value;
        break;
      case 'groups':
        groups = value;
        break;
      case 'previous':
        previous = value;
        break;
      case 'from':
        from = value;
        break;
      case 'label':
        if (value !== '') record.label = value;
        break;
      case 'joining':
        if (value !== '') record.joining = value;
        break;
      case 'seen':
        record.lastSeenAt = Number(value);
        break;
      case 'first':
        first = value;
        break;
      case 'last':
        last = value;
        break;
      case 'joined':
        record.joinedAt = Number(value);
        break;
      case 'ended':
        return undefined;
    }
  }
  if (first !== undefined && last !== undefined) record.client = { first, last };
  try {
    const createdAt = unpack(packed, data);
    for (let at = 0; at < fields.length; at += 2) {
      const field = fields[at] as string;
      if (field.startsWith(':')) put(data, field.slice(1), fields[at + 1] as string);
    }
    if (groups !== undefined) record.groups = JSON.parse(groups) as string[];
    if (previous !== undefined) record.previous = previousOf(previous);
    if (from !== undefined) record.from = JSON.parse(from) as string[];
    record.createdAt = createdAt;
  } catch {
    // Damaged: `createdAt` stays `NaN`.
  }
  return record;
}

/** Puts the values of a pack into `data`. Returns the creation time. */
function unpack(packed: string, data: Record<string, string>): number {
  const texts = packed.indexOf('\n') + 1;
  const head = JSON.parse(packed.slice(0, texts)) as (string | number)[];
  let from = texts;
  for (let at = 1; at < head.length; at += 2) {
    const to = from + (head[at + 1] as number);
    data[head[at] as string] = packed.slice(from, to);
    from = to;
  }
  return head[0] as number;
}

/** Puts a value that was written later into `data`: `=` and the value, or empty for a removed name of the pack. */
function put(data: Record<string, string>, name: string, value: string): void {
  if (value === '') delete data[name];
  else data[name] = value.slice(1);
}

type Previous = NonNullable<SessionRecord['previous']>;

function previousField({ replacedAt, grace, validUntil, since, hash }: Previous): string {
  return [replacedAt, grace, validUntil, since, hash].join(':');
}

function previousOf(text: string): Previous {
  const [at, grace, until, since, ...hash] = text.split(':') as [string, string, string, string, ...string[]];
  const previous: Previous = { hash: hash.join(':'), replacedAt: Number(at), grace: Number(grace) };
  if (until !== '') previous.validUntil = Number(until);
  if (since !== '') previous.since = Number(since);
  return previous;
}
