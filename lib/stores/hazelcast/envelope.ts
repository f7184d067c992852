import { copyData, NEVER, type SessionRecord } from '../../contract/record.js';
import { placeOf } from './places.js';

/** A session as it lies in its map, as one JSON text. */
export interface Envelope {
  record: SessionRecord;
  /** One more with each write. */
  version: number;
  /** The longest time to live, in milliseconds, that the session was ever given. */
  lifetime: number;
  text: string;
}

/** Members count lifetimes in whole seconds, and drop what is over. */
export const SLACK = 2000;

/** More seconds than this a member cannot count. */
export const LONGEST = (2 ** 31 - 1) * 1000;

/** How envelopes of one prefix are written and read. */
export class Envelopes {
  /** What the keys and groups of this prefix start with in maps that others share: none is how another starts. */
  private readonly ours: string;

  constructor(private readonly prefix: string) {
    this.ours = `${escaped(prefix)}/`;
  }

  /**
   * The id in the maps of the session `id`. Without a prefix it stays as it is, but for what would make it one of
   * another prefix, which no id has that comes from a token.
   */
  keyOf(id: string): string {
    return this.prefix === '' ? escaped(id) : this.ours + id;
  }

  /** The session's id for an id in the maps. */
  idOf(key: string): string {
    return this.prefix === '' ? key.replace(/%2[5F]/g, decodeURIComponent) : key.slice(this.ours.length);
  }

  /** The name in the index of the group `group`. */
  groupOf(group: string): string {
    return this.ours + group;
  }

  /** A new session. */
  first(record: SessionRecord, now: number): Envelope {
    return this.seal({ ...record, groups: [...new Set(record.groups)] }, 1, 0, now);
  }

  /** A session after a change; `undefined` when the change changed nothing. */
  next(
    { record: before, version, lifetime }: Envelope,
    record: SessionRecord,
    now: number,
  ): Envelope | undefined {
    return isSame(before, record) ? undefined : this.seal(record, version + 1, lifetime, now);
  }

  /** What a text holds; `undefined` when it is damaged. */
  read(id: string, text: string): Envelope | undefined {
    try {
      const { version, lifetime, secretHash, previous, groups, createdAt, expiresAt, data } = JSON.parse(
        text,
      ) as Written;
      const record: SessionRecord = {
        id,
        secretHash,
        data: copyData(data),
        groups: groups.map((group) => group.slice(this.ours.length)),
        createdAt,
        expiresAt,
      };
      if (previous) record.previous = previous;
      return Number.isInteger(version + lifetime + createdAt + expiresAt)
        ? { record, version, lifetime, text }
        : undefined;
    } catch {
      return undefined;
    }
  }

  private seal(record: SessionRecord, version: number, lifetime: number, now: number): Envelope {
    const { expiresAt } = record;
    const longest = expiresAt === NEVER ? lifetime : Math.max(lifetime, expiresAt - now);
    return { record, version, lifetime: longest, text: this.write(record, version, longest) };
  }

  private write(record: SessionRecord, version: number, lifetime: number): string {
    const { id, secretHash, previous, groups, createdAt, expiresAt, data } = record;
    return JSON.stringify({
      version,
      lifetime,
      prefix: this.prefix,
      place: placeOf(id),
      expiresAt,
      createdAt,
      secretHash,
      previous,
      groups: groups.map((group) => this.ours + group),
      data,
    } satisfies Written & { prefix: string; place: number });
  }
}

function escaped(text: string): string {
  return text.replace(/[%/]/g, encodeURIComponent);
}

type Written = Omit<SessionRecord, 'id'> & { version: number; lifetime: number };

/** Whether two records of one session are alike; what a change did not touch is the same object in both. */
function isSame(one: SessionRecord, other: SessionRecord): boolean {
  return (
    one.secretHash === other.secretHash &&
    one.previous === other.previous &&
    one.expiresAt === other.expiresAt &&
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

export function isLive({ record }: Envelope, now: number): boolean {
  return record.expiresAt > now;
}

/**
 * How long a session's entry must stay from now on, in milliseconds; 0 is for ever. Always the whole lifetime, because
 * who loses a race sets it too, and must not shorten what the winner set.
 */
export function ttlOf({ record, lifetime }: Envelope, now: number): number {
  const ttl = Math.max(lifetime, record.expiresAt - now) + SLACK;
  return record.expiresAt === NEVER || ttl > LONGEST ? 0 : ttl;
}
