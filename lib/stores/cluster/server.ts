import * as clusterModule from 'node:cluster';
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
import {
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
  type Reply,
  type RepliesMessage,
  type Call,
  type CallsMessage,
  type ReadyMessage,
  type WireChange,
  type WireRecord,
} from './messages.js';
import type { SessionGroupLimit } from '../../contract/limit.js';
import { checkNoOthers } from '../../contract/option-checks.js';
import { DEFAULT_MAX_BYTES } from './budget.js';
import type { ClearReach } from './clearing.js';
import { dropUnused, registry, sessionsOf } from './registry.js';
import { DEFAULT_MAX_SESSIONS } from './room.js';
import type { Sessions } from './sessions.js';
import { WorkerFeeds } from './worker-feeds.js';
import { defaultExport } from '../../contract/default-export.js';

const cluster = defaultExport(clusterModule);

/** The options of `serveSessions`. */
export interface ServeSessionsOptions {
  /**
   * How many sessions of one name are held at most; default 1 000 000, `Infinity` for no limit. If one more is created,
   * the session without a group that expires first is dropped; if all are in groups, the one that expires first.
   */
  maxSessions?: number | undefined;
  /**
   * About how many bytes of memory the sessions of all names take at most; default a quarter of the heap's limit,
   * `Infinity` for no limit. If one more does not fit, sessions in no group are dropped, the one that expires first
   * first. If there are none, `create` rejects, and so does an `update` that makes a session larger.
   */
  maxBytes?: number | undefined;
}

/**
 * Serves the sessions of this process to its workers. Call it in the primary, before it forks. Returns a function that
 * stops serving and drops the sessions that no open store of the primary uses.
 */
export function serveSessions({
  maxSessions = DEFAULT_MAX_SESSIONS,
  maxBytes = DEFAULT_MAX_BYTES,
  ...others
}: ServeSessionsOptions = {}): () => void {
  if (!cluster.isPrimary) {
    throw new Error(
      '[session:cluster] serveSessions() was called in a worker. Call it in the primary, before it forks',
    );
  }
  checkNoOthers('serveSessions', others, 'maxSessions, maxBytes');
  limitSessions(maxSessions, maxBytes);
  if (registry.servers++ === 0) listen();
  for (const worker of Object.values(cluster.workers ?? {})) if (worker) send(worker, READY);

  let serving = true;
  return () => {
    if (!serving) return;
    serving = false;
    if (--registry.servers > 0) return;
    registry.stopListening?.();
    limitSessions(DEFAULT_MAX_SESSIONS, DEFAULT_MAX_BYTES);
    dropUnused();
  };
}

const READY: ReadyMessage = [TAG];
const feeds = new WorkerFeeds();

function limitSessions(maxSessions: number, maxBytes: number): void {
  if (maxSessions !== Infinity && (!Number.isInteger(maxSessions) || maxSessions < 1)) {
    throw new TypeError(
      'maxSessions must be a whole number of sessions, 1 or more: write Infinity for no limit',
    );
  }
  if (maxBytes !== Infinity && (!Number.isInteger(maxBytes) || maxBytes < 1)) {
    throw new TypeError('maxBytes must be a whole number of bytes, 1 or more: write Infinity for no limit');
  }
  registry.maxSessions = maxSessions;
  registry.budget.max = maxBytes;
  for (const { sessions } of registry.names.values()) sessions.limitTo(maxSessions);
}

function listen(): void {
  const forget = (worker: Worker) => feeds.forget(worker);
  cluster.on('message', receive);
  cluster.on('disconnect', forget);
  registry.stopListening = () => {
    cluster.off('message', receive);
    cluster.off('disconnect', forget);
    feeds.loseAll('the primary stopped serving sessions');
  };
}

function receive(worker: Worker, message: unknown): void {
  if (!isOurs(message) || !isCalls(message)) return;
  const [, from, name, calls] = message;
  if (calls.length === 0) return send(worker, READY);

  const sessions = sessionsOf(name);
  const now = Date.now();
  const replies: Reply[] = [];
  for (const call of calls) {
    if (Array.isArray(call) && call[1] >= now) replies.push(reply(sessions, call, worker, from));
  }
  // What was done is announced before it is acknowledged.
  sessions.announce();
  feeds.flush(worker);
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
