import type { Worker } from 'node:cluster';
import {
  checkChange,
  checkId,
  checkIds,
  checkLimit,
  checkPage,
  checkRecord,
  checkRotation,
  exceptIds,
} from '../../contract/checks.js';
import type { SessionGroupLimit } from '../../contract/limit.js';
import type { ClearReach } from './clearing.js';
import {
  GREETING,
  TAG,
  UNKNOWN_OPERATION,
  decodeChange,
  decodeGroup,
  decodeRecord,
  deliver,
  encodeJoin,
  encodeRecord,
  encodeUpdate,
  isOurs,
  type Call,
  type CallsMessage,
  type ReadyMessage,
  type RepliesMessage,
  type Reply,
  type WireChange,
  type WireRecord,
} from './messages.js';
import { registry, sessionsOf } from './registry.js';
import type { Sessions } from './sessions.js';
import { WorkerFeeds } from './worker-feeds.js';

/** The feeds of the workers. */
export const feeds = new WorkerFeeds();

/** Tells a worker that its calls are performed from now on. */
export function sendReady(worker: Worker): void {
  send(worker, [TAG]);
}

/** Performs the calls in a message of a worker, and sends the replies. Ignores messages that are not ours. */
export function receive(worker: Worker, message: unknown): void {
  if (!isOurs(message) || !isCalls(message)) return;
  const { served } = registry;
  if (!served || served.isOpen) return performAll(worker, message);
  const [, from, , calls] = message;
  served.opened.then(
    () => registry.served === served && performAll(worker, message),
    (error: unknown) => {
      const ids = calls.length === 0 ? [GREETING] : calls.map(([id]) => id);
      send(worker, [TAG, from, ids.map((id) => [id, null, String(error)])]);
    },
  );
}

function performAll(worker: Worker, [, from, name, calls]: CallsMessage): void {
  if (calls.length === 0) return sendReady(worker);

  const sessions = sessionsOf(name);
  const now = Date.now();
  const replies: Reply[] = [];
  /** The replies to calls that may have changed a session, or rely on a change that is being written. */
  const acknowledgements = new Set<Reply>();
  for (const call of calls) {
    if (!Array.isArray(call) || !(call[1] >= now)) continue;
    const made = reply(sessions, call, worker, from);
    replies.push(made);
    if (!READS.has(call[2])) acknowledgements.add(made);
  }
  // What was done is announced before it is acknowledged.
  sessions.announce();
  feeds.flush(worker);
  const written = sessions.written('write');
  if (!written) return sendReplies(worker, from, replies);
  const others = replies.filter((one) => !acknowledgements.has(one));
  sendReplies(worker, from, others);
  written.then(
    () => sendReplies(worker, from, [...acknowledgements]),
    (error: unknown) => {
      const problem = String(error);
      const failed = Array.from(acknowledgements, ([id, , own]): Reply => [id, null, own ?? problem]);
      sendReplies(worker, from, failed);
    },
  );
}

/** The calls whose replies do not wait until changes are written. */
const READS: ReadonlySet<Call[2]> = new Set<Call[2]>([
  'read',
  'haveEnded',
  'page',
  'count',
  'watch',
  'probe',
  'unwatch',
]);

function sendReplies(worker: Worker, from: string, replies: Reply[]): void {
  deliver(
    replies,
    (some) => send(worker, [TAG, from, some]),
    ([id], error) => send(worker, [TAG, from, [[id, null, String(error)]]]),
  );
}

function isCalls(message: [string, ...unknown[]]): message is CallsMessage {
  const [, from, name, calls] = message;
  return typeof from === 'string' && typeof name === 'string' && Array.isArray(calls);
}

function reply(sessions: Sessions, [id, , operation, ...args]: Call, worker: Worker, from: string): Reply {
  try {
    return [id, perform(sessions, operation, args, worker, from)];
  } catch (error) {
    return [id, null, String(error)];
  }
}

/** Performs a call. Checks its arguments again, because a faulty worker must not damage the sessions of all others. */
function perform(
  sessions: Sessions,
  operation: Call[2],
  args: unknown[],
  worker: Worker,
  from: string,
): unknown {
  switch (operation) {
    case 'create': {
      const record = decodeRecord(args[0] as WireRecord);
      checkRecord(record);
      return sessions.adopt(record);
    }
    case 'read': {
      const record = sessions.read(args[0] as string);
      return record ? encodeRecord(record) : null;
    }
    case 'update': {
      const change = decodeChange(args[1] as WireChange);
      checkChange(change);
      return encodeUpdate(sessions.update(args[0] as string, change));
    }
    case 'rotate': {
      const [id, presented, secretHash, grace] = args as [string, string, string, number];
      checkId(id);
      checkRotation(presented, secretHash, grace);
      return sessions.rotate(id, presented, secretHash, grace) ?? null;
    }
    case 'destroy':
      checkId(args[0]);
      return sessions.destroy(args[0] as string);
    case 'regenerate':
      checkId(args[0]);
      return sessions.regenerate(args[0] as string);
    case 'haveEnded':
      checkIds(args[0]);
      return sessions.haveEnded(args[0] as string[]);
    case 'page': {
      const [group, after, limit] = args as [unknown, number, number];
      checkPage({ limit });
      const { records, next } = sessions.page(decodeGroup(group), after, limit);
      return [records.map(encodeRecord), next ?? null];
    }
    case 'count':
      return sessions.count(decodeGroup(args[0]));
    case 'clear': {
      const [group, kept, reach] = args as [unknown, string[], ClearReach | null];
      return sessions.clear(decodeGroup(group), exceptIds(kept), reach ?? undefined);
    }
    case 'joinLimited': {
      const limit = args[1] as SessionGroupLimit;
      checkId(args[0]);
      checkLimit(limit);
      return encodeJoin(sessions.joinLimited(args[0] as string, limit));
    }
    case 'watch':
      return feeds.watch(worker, from, args[0], sessions);
    case 'probe':
      return feeds.probe(worker, from, args[0], sessions);
    case 'unwatch':
      return feeds.unwatch(worker, from, args[0]);
    default:
      throw new TypeError(UNKNOWN_OPERATION);
  }
}

/** Sends a message to a worker. Ignores errors: a worker that has exited must not end the primary. */
function send(worker: Worker, message: RepliesMessage | ReadyMessage): void {
  worker.send(message, () => {});
}
