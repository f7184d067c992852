import { copyDeferred, sourceOf } from './deferred.js';
import { sumOf, type AddRefusal } from './sum.js';
import { newTexts } from './texts.js';

/**
 * A session as a store holds it. Instants are epoch milliseconds of the store's clock; a session that never expires has
 * {@link NEVER} as `expiresAt`.
 */
export interface SessionRecord {
  /** The session's public name. Never changes while the session lives. */
  id: string;
  /** SHA-256 (base64url) of the secret that only the client holds. */
  secretHash: string;
  /** The secret before the last rotation. Absent if there was none, or if it was replaced without a grace. */
  previous?: {
    /** SHA-256 (base64url) of that secret. */
    hash: string;
    /** When it was replaced. */
    replacedAt: number;
    /** How long it stays valid together with its successor, in milliseconds. */
    grace: number;
    /** When it stops being valid. Absent until a client presents the successor. */
    validUntil?: number;
    /** When it was first replaced by a secret that no client has presented. Absent if that is `replacedAt`. */
    since?: number;
  };
  /**
   * Property name → JSON text, on an object without a prototype. Stores never look inside a text. One that an
   * `EncryptedStore` cannot open reads as `undefined`.
   */
  data: Record<string, string>;
  /** The groups that the session is in: each once, in no particular order. */
  groups: string[];
  createdAt: number;
  /** Exact, and checked on every read. */
  expiresAt: number;
  /** The ids of the sessions that were regenerated, one after another, into this one. Never changes. */
  from?: string[];
  /** A name that its user gave it. Absent if it has none. */
  label?: string;
  /** When a request last used it. Absent if that is not recorded. */
  lastSeenAt?: number;
  /** Its first client and its last one, as texts that stores never look inside. Absent if they are not recorded. */
  client?: { first: string; last: string };
  /** When it last joined a group that has a limit. Absent if it never did. */
  joinedAt?: number;
  /** A mark of that group, while it is not certain that the sessions which are too many have ended. */
  joining?: string;
  /**
   * Opaque to all but the store that read the record, which uses it to change the record without reading it again. Keep
   * it in copies of a record. Absent in stores that do not need it.
   */
  hint?: unknown;
}

/** The part of a record that says which session a change is for. The hint may be missing or stale. */
export type SessionRef = Pick<SessionRecord, 'id' | 'hint'>;

/** What one request does to a record. Every part is optional; an empty change only returns the current state. */
export interface SessionChange {
  /** Property names to set, with their new JSON texts. */
  set?: Record<string, string>;
  /** Property names to remove. Must not be in `set`. */
  remove?: string[];
  /** Groups to join. */
  join?: string[];
  /** Groups to leave. Must not be in `join`. */
  leave?: string[];
  /** Sets the expiry, whatever `touch` says. An instant in the past ends the session. */
  expiresAt?: number;
  /** Moves the expiry only if it is still `from`, so that it never undoes a lifetime that was set meanwhile. */
  touch?: { from: number; to: number };
  /** Sets `previous.validUntil`, once: only while it is absent and `secretHash` is the current one. */
  retirePrevious?: { secretHash: string; validUntil: number };
  /** Sets the label; `''` removes it. */
  label?: string;
  /**
   * Records a use: sets `lastSeenAt` and `client.last`, unless a later use is recorded, and `client.first` if there is no
   * client.
   */
  seen?: { at: number; client: string };
  /** Sets `joinedAt`. */
  joinedAt?: number;
  /** Sets `joining`; `''` removes it. */
  joining?: string;
  /**
   * Adds a safe integer to the integer that a property's text holds; an absent one counts as 0. The new text is the sum
   * in decimal digits. Writes nothing if the text is not an integer, or the sum not a safe one. A change with it has no
   * other part. At most once: a store must not repeat it unless it knows that it did not act.
   */
  add?: { name: string; by: number };
  /**
   * The name of a property to remove, whose text the update resolves to. A change with it has no other part. At most
   * once, as `add`.
   */
  take?: string;
}

/** What a session has after an update. */
export interface SessionUpdate {
  expiresAt: number;
  /** The current secret hash, which another request may have rotated. */
  secretHash: string;
  /** The text that an `add` has written, or a `take` has removed. Absent if it wrote nothing. */
  text?: string;
  /** Why an `add` has written nothing. */
  refused?: AddRefusal;
}

/** Which sessions to page over, and how far. */
export interface SessionPageOptions {
  /** A group. `undefined` means all sessions. */
  group?: string | undefined;
  /** The `next` of the previous page. Absent for the first page. */
  after?: string | undefined;
  /** How many sessions at most: 1 to 1 000. */
  limit: number;
}

/** A page of live sessions. `next` is absent on the last page. */
export interface SessionPage {
  records: SessionRecord[];
  next?: string;
}

/** The `expiresAt` of a session that never expires: the last instant a `Date` can hold. */
export const NEVER = 8.64e15;

/**
 * How long a store remembers that a session was destroyed, cleared or regenerated, in milliseconds: twice as long as Node
 * gives a client to send a request (`server.requestTimeout`). A login that takes longer than this is not rejected.
 */
export const TOMBSTONE_LIFETIME = 10 * 60_000;

/** A secret that no client has presented is replaced again for this many graces. */
export const MOST_GRACES = 10;

/** The secret hash of a session whose token is the id alone: the SHA-256 (base64url) of nothing. */
export const NO_SECRET_HASH = '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU';

/**
 * The record after `change`, as a new object; the same object if an `add` or a `take` writes nothing. The conditions of
 * `touch`, `retirePrevious` and `add` are checked here.
 */
export function applyChange(record: SessionRecord, change: SessionChange): SessionRecord {
  const { set, remove, join, leave, touch, retirePrevious, add, take } = change;
  if (add) {
    const sum = sumOf(textIn(record.data, add.name), add.by);
    if ('refused' in sum) return record;
    const data = copyData(record.data);
    data[add.name] = sum.text;
    return { ...record, data };
  }
  if (take !== undefined) {
    return textIn(record.data, take) === undefined ? record : withTexts(record, undefined, [take]);
  }
  const next = set || remove ? withTexts(record, set, remove) : { ...record };
  if (join || leave) {
    const groups = new Set(record.groups);
    for (const group of join ?? []) groups.add(group);
    for (const group of leave ?? []) groups.delete(group);
    next.groups = [...groups];
  }
  if (change.expiresAt !== undefined) next.expiresAt = change.expiresAt;
  else if (touch && touch.from === record.expiresAt) next.expiresAt = touch.to;

  const { previous } = record;
  if (
    retirePrevious &&
    previous &&
    previous.validUntil === undefined &&
    retirePrevious.secretHash === record.secretHash
  ) {
    next.previous = { ...previous, validUntil: retirePrevious.validUntil };
  }
  if (change.label === '') delete next.label;
  else if (change.label !== undefined) next.label = change.label;
  if (change.joinedAt !== undefined) next.joinedAt = change.joinedAt;
  if (change.joining === '') delete next.joining;
  else if (change.joining !== undefined) next.joining = change.joining;
  if (change.seen) see(next, change.seen);
  return next;
}

function see(record: SessionRecord, { at, client }: NonNullable<SessionChange['seen']>): void {
  const isLatest = at >= (record.lastSeenAt ?? -Infinity);
  if (isLatest) record.lastSeenAt = at;
  if (!record.client) record.client = { first: client, last: client };
  else if (isLatest) record.client = { first: record.client.first, last: client };
}

function withTexts(
  record: SessionRecord,
  set: Record<string, string> | undefined,
  remove: string[] = [],
): SessionRecord {
  const data = copyData(record.data, set);
  for (const name of remove) delete data[name];
  return { ...record, data };
}

function textIn(data: Record<string, string>, name: string): string | undefined {
  return Object.hasOwn(data, name) ? data[name] : undefined;
}

/** What the update resolves to that has made `after` of `before` by `change`. */
export function updateOf(before: SessionRecord, change: SessionChange, after: SessionRecord): SessionUpdate {
  const { expiresAt, secretHash } = after;
  const { add, take } = change;
  if (add && after === before) {
    return { expiresAt, secretHash, ...sumOf(textIn(before.data, add.name), add.by) };
  }
  const text = add ? after.data[add.name] : take === undefined ? undefined : textIn(before.data, take);
  return text === undefined ? { expiresAt, secretHash } : { expiresAt, secretHash, text };
}

/**
 * When the previous secret of a record stops being valid: at the latest ten graces after it was first replaced, whether
 * or not a client has presented its successor.
 */
export function previousEnds({ replacedAt, grace, validUntil, since = replacedAt }: Previous): number {
  return Math.min(validUntil ?? Infinity, since + MOST_GRACES * grace);
}

type Previous = NonNullable<SessionRecord['previous']>;

/** The record after a rotation at `now`. The same object if the rules of `SessionStore.rotate` change nothing. */
export function applyRotation(
  record: SessionRecord,
  presented: string,
  secretHash: string,
  grace: number,
  now: number,
): SessionRecord {
  const { previous } = record;
  const unseen = previous !== undefined && previous.validUntil === undefined;
  if (secretHash === record.secretHash) return record;
  if (unseen && now < previous.replacedAt + previous.grace) return record;

  if (presented === record.secretHash) {
    const next: SessionRecord = {
      ...record,
      secretHash,
      previous: { hash: presented, replacedAt: now, grace },
    };
    if (grace === 0) delete next.previous;
    return next;
  }
  if (unseen && presented === previous.hash && now < previousEnds(previous)) {
    const since = previous.since ?? previous.replacedAt;
    return { ...record, secretHash, previous: { hash: presented, replacedAt: now, grace, since } };
  }
  return record;
}

/**
 * A copy of `data` without a prototype, with `more` on top: `__proto__` is a name like any other. Texts that were
 * deferred stay so.
 */
export function copyData(
  data: Readonly<Record<string, string>>,
  more: Record<string, string> = {},
): Record<string, string> {
  const source = sourceOf(data);
  if (source) return copyDeferred(data, source, more);
  const copy = newTexts();
  for (const name of Object.keys(data)) copy[name] = data[name] as string;
  for (const name of Object.keys(more)) copy[name] = more[name] as string;
  return copy;
}

/** The values of a session's data, without the attributes of its cookie. A text that is not JSON is left out. */
export function valuesOf(data: Record<string, string>): Record<string, unknown> {
  const values = Object.create(null) as Record<string, unknown>;
  for (const name of Object.keys(data)) {
    if (name === 'cookie') continue;
    try {
      values[name] = JSON.parse(data[name]!);
    } catch {
      // One damaged text must not lose the rest.
    }
  }
  return values;
}
