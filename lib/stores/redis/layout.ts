import type { SessionRecord } from '../../contract/record.js';

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
 * - `<shard>s:<id>`: hash, a session. It expires with the session.
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

  /** The number of the shard that has the session `id`. */
  shardOf(id: string): number {
    if (this.shards.length === 1) return 0;
    let hash = 0;
    for (let at = 0; at < id.length; at++) hash = (hash * 31 + id.charCodeAt(at)) | 0;
    // The high bits too: ids may differ in their first characters only.
    return (hash ^ (hash >>> 16)) & (CLUSTER_TAGS.length - 1);
  }
}

export function sessionKey(shard: string, id: string): string {
  return `${shard}s:${id}`;
}

/** The set that lists a group's sessions of a shard, or all of them. */
export function listKey(shard: string, group: string | undefined): string {
  return group === undefined ? `${shard}all` : `${shard}g:${group}`;
}

/** The longest text that is kept together with others, in UTF-16 units. */
const PACKED = 1000;

/**
 * The fields of a new session's hash, each followed by its value.
 *
 * The short texts it begins with lie together in one field, `pack`: a reply of a few long strings costs a third of one
 * of many short ones, here and in the server. What is written later has a field of its own, named after a colon, which
 * beats the pack: a write sends what changed and nothing else.
 */
export function fieldsOf({
  secretHash,
  previous,
  data,
  groups,
  createdAt,
  expiresAt,
}: SessionRecord): (string | number)[] {
  const names = Object.keys(data);
  const short = names.filter((name) => (data[name] as string).length <= PACKED);
  const packed = pack(createdAt, short, data);
  const fields: (string | number)[] = ['secretHash', secretHash, 'expires', expiresAt, 'pack', packed];
  if (previous)
    fields.push(
      'previous',
      `${previous.replacedAt}:${previous.grace}:${previous.validUntil ?? ''}:${previous.hash}`,
    );
  if (groups.length > 0) fields.push('groups', JSON.stringify([...new Set(groups)]));
  for (const name of names) {
    const text = data[name] as string;
    if (text.length > PACKED) fields.push(`:${name}`, `=${text}`);
  }
  return fields;
}

/** The fields of a change, each followed by its value. */
export function setFields(set: Record<string, string>): string[] {
  return Object.keys(set).flatMap((name) => [`:${name}`, `=${set[name]}`]);
}

/** The fields of names that a change removes, each followed by how the pack would have its name. */
export function removedFields(remove: string[]): string[] {
  return remove.flatMap((name) => [`:${name}`, JSON.stringify(name)]);
}

/** When it was created, then each name with the length of its text; behind a line break the texts. */
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
 * The record that a hash holds; `undefined` when there is none. One that somebody else has damaged lacks its creation,
 * so that whoever reads it sees it.
 */
export function recordOf(id: string, hash: Record<string, string>): SessionRecord | undefined {
  const { secretHash, expires, pack: packed, groups, previous } = hash;
  const fields = Object.keys(hash);
  if (fields.length === 0) return undefined;

  const data = Object.create(null) as Record<string, string>;
  const record: SessionRecord = {
    id,
    secretHash: secretHash as string,
    data,
    groups: [],
    createdAt: NaN,
    expiresAt: Number(expires),
  };
  try {
    const createdAt = unpack(packed as string, data);
    for (const field of fields) if (field.startsWith(':')) put(data, field.slice(1), hash[field] as string);
    if (groups !== undefined) record.groups = JSON.parse(groups) as string[];
    if (previous !== undefined) record.previous = previousOf(previous);
    record.createdAt = createdAt;
  } catch {
    // Left without its creation.
  }
  return record;
}

/** Puts the texts of a pack into `data`; gives when the session was created. */
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

/** What was written later: `=` and a text, or nothing for a name of the pack that is no more. */
function put(data: Record<string, string>, name: string, value: string): void {
  if (value === '') delete data[name];
  else data[name] = value.slice(1);
}

function previousOf(text: string): NonNullable<SessionRecord['previous']> {
  const [at, grace, until] = text.split(':', 3) as [string, string, string];
  const previous: SessionRecord['previous'] = {
    hash: text.slice(at.length + grace.length + until.length + 3),
    replacedAt: Number(at),
    grace: Number(grace),
  };
  if (until !== '') previous.validUntil = Number(until);
  return previous;
}
