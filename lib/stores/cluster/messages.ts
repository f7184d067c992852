import { checkGroup } from '../../contract/checks.js';
import type { SessionLimitedJoin } from '../../contract/limit.js';
import type { SessionChange, SessionRecord, SessionUpdate } from '../../contract/record.js';
import type { SessionStoreOperation } from '../../contract/capabilities.js';
import type { Announcements } from './backlog.js';
import { fromPairs, toPairs, type Pairs } from '../shared/pairs.js';

/** The operations that workers call. */
export type Operation = Exclude<SessionStoreOperation, 'open' | 'close'> | 'probe' | 'unwatch';

/** A call. It must not act after `deadline`, in epoch milliseconds. */
export type Call = [id: number, deadline: number, operation: Operation, ...args: unknown[]];

/** The reply to a call; `problem` if it failed. */
export type Reply = [id: number, value: unknown, problem?: string];

/** Marks our messages. The number is the version of the protocol. */
export const TAG = 'nestjs-session-stores/cluster/1';

/** The number of the call that a greeting is. */
export const GREETING = 0;

/** The error of a call that the primary does not know, because its version of this package is older. */
export const UNKNOWN_OPERATION = 'unknown operation';

// Arrays, because a short message costs twice as much to write and to parse as an object.

/** From a worker: the calls of one store. Without calls it is a greeting, and the reply is a `ReadyMessage`. */
export type CallsMessage = [tag: typeof TAG, from: string, name: string, calls: Call[]];

/** From the primary: the replies to one message of calls. */
export type RepliesMessage = [tag: typeof TAG, to: string, replies: Reply[]];

/** From the primary: it serves sessions. */
export type ReadyMessage = [tag: typeof TAG];

/** From the primary: what happened to sessions that a store watches. `feed` is the number that its `watch` named. */
export type EventsMessage = [tag: typeof TAG, to: string, feed: number, announcements: Announcements];

/** From the primary: a feed is lost, and over. */
export type LostMessage = [tag: typeof TAG, to: string, feed: number, reason: string];

/** Whether a message has our tag. */
export function isOurs(message: unknown): message is [tag: typeof TAG, ...rest: unknown[]] {
  return Array.isArray(message) && message[0] === TAG;
}

type WirePrevious = [
  hash: string,
  replacedAt: number,
  grace: number,
  validUntil?: number | null,
  since?: number,
];
export type WireRecord = [
  id: string,
  secretHash: string,
  createdAt: number,
  expiresAt: number,
  groups: readonly string[],
  data: Pairs,
  previous?: WirePrevious | null,
  from?: readonly string[] | null,
  more?: Pick<SessionRecord, More>,
];
type More = (typeof MORE)[number];
const MORE = ['label', 'lastSeenAt', 'client', 'joinedAt', 'joining'] as const;
export type WireChange = Omit<SessionChange, 'set'> & { set?: Pairs };
export type WireUpdate = [
  expiresAt: number,
  secretHash: string,
  text?: string | null,
  refused?: NonNullable<SessionUpdate['refused']>,
];

export function encodeRecord(record: SessionRecord): WireRecord {
  const { id, secretHash, createdAt, expiresAt, groups, data, previous, from } = record;
  const wire: WireRecord = [id, secretHash, createdAt, expiresAt, groups, toPairs(data)];
  const hasMore = MORE.some((name) => record[name] !== undefined);
  if (previous || from || hasMore) wire.push(previous ? encodePrevious(previous) : null);
  if (from || hasMore) wire.push(from ?? null);
  if (hasMore) wire.push(picked(record));
  return wire;
}

export function decodeRecord([
  id,
  secretHash,
  createdAt,
  expiresAt,
  groups,
  data,
  previous,
  from,
  more,
]: WireRecord): SessionRecord {
  const record: SessionRecord = {
    id,
    secretHash,
    data: fromPairs(data),
    groups: [...new Set(groups)],
    createdAt,
    expiresAt,
  };
  if (previous) record.previous = decodePrevious(previous);
  if (from) record.from = [...from];
  return more ? Object.assign(record, picked(more)) : record;
}

function picked(record: Pick<SessionRecord, More>): Pick<SessionRecord, More> {
  return Object.fromEntries(
    MORE.filter((name) => record[name] !== undefined).map((name) => [name, record[name]]),
  );
}

export function encodeChange({
  set,
  remove,
  join,
  leave,
  expiresAt,
  touch,
  retirePrevious,
  label,
  seen,
  joinedAt,
  joining,
  add,
  take,
}: SessionChange): WireChange {
  const wire: WireChange = {};
  if (set) wire.set = toPairs(set);
  if (remove) wire.remove = remove;
  if (join) wire.join = join;
  if (leave) wire.leave = leave;
  if (expiresAt !== undefined) wire.expiresAt = expiresAt;
  if (touch) wire.touch = { from: touch.from, to: touch.to };
  if (retirePrevious)
    wire.retirePrevious = { secretHash: retirePrevious.secretHash, validUntil: retirePrevious.validUntil };
  if (label !== undefined) wire.label = label;
  if (seen) wire.seen = { at: seen.at, client: seen.client };
  if (joinedAt !== undefined) wire.joinedAt = joinedAt;
  if (joining !== undefined) wire.joining = joining;
  if (add) wire.add = { name: add.name, by: add.by };
  if (take !== undefined) wire.take = take;
  return wire;
}

export function decodeChange({ set, ...rest }: WireChange): SessionChange {
  return set ? { ...rest, set: fromPairs(set) } : rest;
}

/** The outcome of a join with a limit: its word, and the records of those that ended or fill the group. */
export type WireJoin = [is: SessionLimitedJoin['is'], records?: WireRecord[]];

export function encodeJoin(join: SessionLimitedJoin): WireJoin {
  if (join.is === 'gone') return [join.is];
  return [join.is, (join.is === 'full' ? join.members : join.ended).map(encodeRecord)];
}

export function decodeJoin([is, records = []]: WireJoin): SessionLimitedJoin {
  if (is === 'gone') return { is };
  const decoded = records.map(decodeRecord);
  return is === 'full' ? { is, members: decoded } : { is, ended: decoded };
}

export function encodeUpdate(update: SessionUpdate | undefined): WireUpdate | null {
  if (!update) return null;
  const { expiresAt, secretHash, text, refused } = update;
  const wire: WireUpdate = [expiresAt, secretHash];
  if (text !== undefined || refused) wire.push(text ?? null);
  if (refused) wire.push(refused);
  return wire;
}

export function decodeUpdate(wire: WireUpdate | null): SessionUpdate | undefined {
  if (!wire) return undefined;
  const [expiresAt, secretHash, text, refused] = wire;
  const update: SessionUpdate = { expiresAt, secretHash };
  if (typeof text === 'string') update.text = text;
  if (refused) update.refused = refused;
  return update;
}

/** A group, or `true` for all sessions. A group that gets lost in a message must not come to mean all sessions. */
export function encodeGroup(group: string | undefined): string | true {
  return group ?? true;
}

export function decodeGroup(wire: unknown): string | undefined {
  if (wire === true) return undefined;
  checkGroup(wire);
  return wire as string;
}

function encodePrevious({
  hash,
  replacedAt,
  grace,
  validUntil,
  since,
}: NonNullable<SessionRecord['previous']>): WirePrevious {
  const wire: WirePrevious = [hash, replacedAt, grace];
  if (validUntil !== undefined || since !== undefined) wire.push(validUntil ?? null);
  if (since !== undefined) wire.push(since);
  return wire;
}

function decodePrevious([
  hash,
  replacedAt,
  grace,
  validUntil,
  since,
]: WirePrevious): SessionRecord['previous'] {
  const previous: SessionRecord['previous'] = { hash, replacedAt, grace };
  if (typeof validUntil === 'number') previous.validUntil = validUntil;
  if (since !== undefined) previous.since = since;
  return previous;
}

/**
 * Passes `items` to `send` in one message, or in several if they are too long for one: a string holds half a gigabyte.
 * An item that is too long for a message of its own is passed to `reject`.
 */
export function deliver<T>(
  items: T[],
  send: (items: T[]) => void,
  reject: (item: T, error: unknown) => void,
): void {
  if (items.length === 0) return;
  try {
    send(items);
  } catch (error) {
    if (items.length === 1) return reject(items[0] as T, error);
    const half = items.length >> 1;
    deliver(items.slice(0, half), send, reject);
    deliver(items.slice(half), send, reject);
  }
}
