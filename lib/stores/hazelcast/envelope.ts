import { NEVER, type SessionRecord } from '../../contract/record.js';
import { fromPairs, isPairs, toPairs, type Pairs } from '../shared/pairs.js';
import { placeOf } from './places.js';

/** A session as an entry of its map: one JSON text. */
export interface Envelope {
  record: SessionRecord;
  /** Increases by one with each write. */
  version: number;
  /** The longest time to live that the session has ever had, in milliseconds. */
  lifetime: number;
  /**
   * The marks of the last writes that must act at most once, up to {@link MOST_MARKS}. By its mark a writer finds out
   * that its write was done, although it has lost a race: a member may repeat a call.
   */
  marks: readonly string[];
  text: string;
}

/** How many marks an entry keeps. */
export const MOST_MARKS = 16;

/** How much longer an entry lives than its session, in milliseconds: members round lifetimes down to whole seconds. */
export const SLACK = 2000;

/** The longest lifetime of an entry, in milliseconds: members count it in 32 bits of seconds. */
export const LONGEST = (2 ** 31 - 1) * 1000;

/** Writes and reads the envelopes of one prefix. */
export class Envelopes {
  /** The start of the keys and groups of this prefix in shared maps. None is the start of another. */
  private readonly ours: string;

  constructor(private readonly prefix: string) {
    this.ours = `${escaped(prefix)}/`;
  }

  /**
   * The key of a session in the maps. Without a prefix it is the id, with the characters escaped that would make it a
   * key of another prefix. Ids from our tokens have none of them.
   */
  keyOf(id: string): string {
    return this.prefix === '' ? escaped(id) : this.ours + id;
  }

  /** Whether a key is that of a session of this prefix. */
  isOurs(key: unknown): key is string {
    return typeof key === 'string' && (this.prefix === '' ? !key.includes('/') : key.startsWith(this.ours));
  }

  /** The id of the session with a key. */
  idOf(key: string): string {
    return this.prefix === '' ? key.replace(/%2[5F]/g, decodeURIComponent) : key.slice(this.ours.length);
  }

  /** The name of a group in the index. */
  groupOf(group: string): string {
    return this.ours + group;
  }

  /** What the indexes need of a session, beside its expiry. */
  listed(id: string, groups: readonly string[]): { prefix: string; place: number; groups: string[] } {
    return { prefix: this.prefix, place: placeOf(id), groups: groups.map((group) => this.ours + group) };
  }

  /** The envelope of a new session. */
  first(record: SessionRecord, now: number): Envelope {
    return this.seal({ ...record, groups: [...new Set(record.groups)] }, 1, 0, [], now);
  }

  /**
   * The envelope of a session after a change; `undefined` if the change has changed nothing. `mark` is that of a write
   * that must act at most once.
   */
  next(
    { record: before, version, lifetime, marks }: Envelope,
    record: SessionRecord,
    now: number,
    mark?: string,
  ): Envelope | undefined {
    if (isSame(before, record)) return undefined;
    const after = mark === undefined ? marks : [...marks, mark].slice(-MOST_MARKS);
    return this.seal(record, version + 1, lifetime, after, now);
  }

  /** Reads the JSON text of an entry. `undefined` if it is damaged, or of a form that this version does not know. */
  read(id: string, text: string): Envelope | undefined {
    const written = parsed(text);
    if (!isWritten(written)) return undefined;
    const { version, lifetime, marks = [], secretHash, previous, groups, createdAt, expiresAt } = written;
    const { from, label, lastSeenAt, client, joinedAt, joining, data } = written;
    const record: SessionRecord = {
      id,
      secretHash,
      data: fromPairs(data),
      groups: groups.map((group) => group.slice(this.ours.length)),
      createdAt,
      expiresAt,
    };
    if (previous) record.previous = previous;
    if (from) record.from = from;
    if (label !== undefined) record.label = label;
    if (lastSeenAt !== undefined) record.lastSeenAt = lastSeenAt;
    if (client) record.client = client;
    if (joinedAt !== undefined) record.joinedAt = joinedAt;
    if (joining !== undefined) record.joining = joining;
    return { record, version, lifetime, marks, text };
  }

  private seal(
    record: SessionRecord,
    version: number,
    lifetime: number,
    marks: readonly string[],
    now: number,
  ): Envelope {
    const { expiresAt } = record;
    const longest = expiresAt === NEVER ? lifetime : Math.max(lifetime, expiresAt - now);
    return { record, version, lifetime: longest, marks, text: this.write(record, version, longest, marks) };
  }

  private write(record: SessionRecord, version: number, lifetime: number, marks: readonly string[]): string {
    const { id, secretHash, previous, groups, createdAt, expiresAt, from, data } = record;
    const { label, lastSeenAt, client, joinedAt, joining } = record;
    const { prefix, place, groups: listed } = this.listed(id, groups);
    return JSON.stringify({
      version,
      lifetime,
      marks: marks.length > 0 ? marks : undefined,
      prefix,
      place,
      expiresAt,
      createdAt,
      secretHash,
      previous,
      groups: listed,
      isSuccessor: from ? true : undefined,
      from,
      label,
      lastSeenAt,
      client,
      joinedAt,
      joining,
      data: toPairs(data),
    } satisfies Written & { prefix: string; place: number; isSuccessor: boolean | undefined });
  }
}

function escaped(text: string): string {
  return text.replace(/[%/]/g, encodeURIComponent);
}

/** What is in an entry, beside what only queries need. */
type Written = Pick<SessionRecord, 'secretHash' | 'groups' | 'createdAt' | 'expiresAt'> & {
  version: number;
  lifetime: number;
  marks: readonly string[] | undefined;
  previous: SessionRecord['previous'] | undefined;
  from: string[] | undefined;
  data: Pairs;
} & { [K in 'label' | 'lastSeenAt' | 'client' | 'joinedAt' | 'joining']: SessionRecord[K] | undefined };

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isWritten(value: unknown): value is Written {
  const written = Object(value) as Partial<Record<keyof Written, unknown>>;
  const { version, lifetime, marks, secretHash, previous, groups, createdAt, expiresAt } = written;
  const { from, label = '', lastSeenAt = 0, client = NO_CLIENT, joinedAt = 0, joining = '', data } = written;
  return (
    [version, lifetime, createdAt, expiresAt, lastSeenAt, joinedAt].every(Number.isInteger) &&
    typeof secretHash === 'string' &&
    (previous === undefined || isPrevious(previous)) &&
    isTexts(groups) &&
    (marks === undefined || isTexts(marks)) &&
    (from === undefined || isTexts(from)) &&
    isTexts([label, joining, Object(client).first, Object(client).last]) &&
    isPairs(data)
  );
}

const NO_CLIENT = { first: '', last: '' };

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function isPrevious(value: unknown): value is NonNullable<SessionRecord['previous']> {
  const { hash, replacedAt, grace, validUntil, since } = Object(value) as Partial<
    NonNullable<SessionRecord['previous']>
  >;
  return typeof hash === 'string' && [replacedAt, grace, validUntil ?? 0, since ?? 0].every(Number.isInteger);
}

/** Whether two records of a session are equal. Parts that a change did not touch are the same object in both. */
function isSame(one: SessionRecord, other: SessionRecord): boolean {
  return (
    one.secretHash === other.secretHash &&
    one.previous === other.previous &&
    one.expiresAt === other.expiresAt &&
    one.label === other.label &&
    one.lastSeenAt === other.lastSeenAt &&
    one.client === other.client &&
    one.joinedAt === other.joinedAt &&
    one.joining === other.joining &&
    (one.groups === other.groups || isSameList(one.groups, other.groups)) &&
    (one.data === other.data || isSameData(one.data, other.data))
  );
}

function isSameList(one: string[], other: string[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}

function isSameData(one: SessionRecord['data'], other: SessionRecord['data']): boolean {
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && one[name] === other[name])
  );
}

/** Whether a session has not expired. */
export function isLive({ record }: Envelope, now: number): boolean {
  return record.expiresAt > now;
}

/**
 * How long a session's entry must live from now on, in milliseconds; 0 means forever. It is always the whole lifetime,
 * because the loser of a race sets it too, and must not shorten what the winner has set.
 */
export function ttlOf({ record, lifetime }: Envelope, now: number): number {
  const ttl = Math.max(lifetime, record.expiresAt - now) + SLACK;
  return record.expiresAt === NEVER || ttl > LONGEST ? 0 : ttl;
}
