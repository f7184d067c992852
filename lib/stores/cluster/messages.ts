import { checkGroup } from '../../contract/checks.js';
import { copyData, type SessionChange, type SessionRecord } from '../../contract/record.js';

/** What workers ask for. */
export type Operation = 'create' | 'read' | 'update' | 'rotate' | 'destroy' | 'page' | 'count' | 'clear';

/** A call; past `deadline`, in epoch milliseconds, it must not act. */
export type Call = [id: number, deadline: number, operation: Operation, ...args: unknown[]];

/** The reply to a call, or what went wrong with it. */
export type Reply = [id: number, value: unknown, problem?: string];

/** What tells our messages from those of others, and those of another protocol from ours. */
export const TAG = 'nestjs-session-stores/cluster/1';

// Arrays, because a short message in an object costs twice as much to write and to parse.

/** From a worker: the calls of one store. Without any it is a greeting, which a `ReadyMessage` replies to. */
export type CallsMessage = [tag: typeof TAG, from: string, name: string, calls: Call[]];

/** From the primary: the replies to one message of calls. */
export type RepliesMessage = [tag: typeof TAG, to: string, replies: Reply[]];

/** From the primary: it serves. */
export type ReadyMessage = [tag: typeof TAG];

/** Whether `message` is one of ours, as far as its tag says. */
export function isOurs(message: unknown): message is [tag: typeof TAG, ...rest: unknown[]] {
  return Array.isArray(message) && message[0] === TAG;
}

type Texts = string[];
type WirePrevious = [hash: string, replacedAt: number, grace: number, validUntil?: number];
export type WireRecord = [
  id: string,
  secretHash: string,
  createdAt: number,
  expiresAt: number,
  groups: readonly string[],
  data: Texts,
  previous?: WirePrevious,
];
export type WireChange = Omit<SessionChange, 'set'> & { set?: Texts };

export function encodeRecord(record: SessionRecord): WireRecord {
  const { id, secretHash, createdAt, expiresAt, groups, data, previous } = record;
  const wire: WireRecord = [id, secretHash, createdAt, expiresAt, groups, flatten(data)];
  if (previous) wire.push(encodePrevious(previous));
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
]: WireRecord): SessionRecord {
  const record = {
    id,
    secretHash,
    data: unflatten(data),
    groups: [...new Set(groups)],
    createdAt,
    expiresAt,
  };
  return previous ? { ...record, previous: decodePrevious(previous) } : record;
}

export function encodeChange({
  set,
  remove,
  join,
  leave,
  expiresAt,
  touch,
  retirePrevious,
}: SessionChange): WireChange {
  const wire: WireChange = {};
  if (set) wire.set = flatten(set);
  if (remove) wire.remove = remove;
  if (join) wire.join = join;
  if (leave) wire.leave = leave;
  if (expiresAt !== undefined) wire.expiresAt = expiresAt;
  if (touch) wire.touch = { from: touch.from, to: touch.to };
  if (retirePrevious)
    wire.retirePrevious = { secretHash: retirePrevious.secretHash, validUntil: retirePrevious.validUntil };
  return wire;
}

export function decodeChange({ set, ...rest }: WireChange): SessionChange {
  return set ? { ...rest, set: unflatten(set) } : rest;
}

/** A group, or `true` for all sessions: what is lost on the way must not become all. */
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
}: NonNullable<SessionRecord['previous']>): WirePrevious {
  return validUntil === undefined ? [hash, replacedAt, grace] : [hash, replacedAt, grace, validUntil];
}

function decodePrevious([hash, replacedAt, grace, validUntil]: WirePrevious): SessionRecord['previous'] {
  return validUntil === undefined ? { hash, replacedAt, grace } : { hash, replacedAt, grace, validUntil };
}

/** Names and texts by turns: as an object `__proto__` would not outlive `JSON.parse` and a copy. */
function flatten(texts: Record<string, string>): Texts {
  const flat: Texts = [];
  for (const name of Object.keys(texts)) flat.push(name, texts[name] as string);
  return flat;
}

function unflatten(flat: Texts): Record<string, string> {
  const texts = copyData({});
  for (let index = 0; index < flat.length; index += 2)
    texts[flat[index] as string] = flat[index + 1] as string;
  return texts;
}

/**
 * Hands `items` to `send` in one message, or in several when they are too long for one: a single string holds
 * half a gigabyte. What does not go alone is handed to `refuse`.
 */
export function deliver<T>(
  items: T[],
  send: (items: T[]) => void,
  refuse: (item: T, error: unknown) => void,
): void {
  if (items.length === 0) return;
  try {
    send(items);
  } catch (error) {
    if (items.length === 1) return refuse(items[0] as T, error);
    const half = items.length >> 1;
    deliver(items.slice(0, half), send, refuse);
    deliver(items.slice(half), send, refuse);
  }
}
