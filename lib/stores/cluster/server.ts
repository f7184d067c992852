import * as clusterModule from 'node:cluster';
import type { Worker } from 'node:cluster';
import {
  checkChange,
  checkId,
  checkPage,
  checkRecord,
  checkRotation,
  exceptIds,
} from '../../contract/checks.js';
import {
  TAG,
  decodeChange,
  decodeGroup,
  decodeRecord,
  deliver,
  encodeRecord,
  isOurs,
  type Reply,
  type RepliesMessage,
  type Call,
  type CallsMessage,
  type ReadyMessage,
  type WireChange,
  type WireRecord,
} from './messages.js';
import { dropUnused, registry, sessionsOf } from './registry.js';
import { DEFAULT_MAX_SESSIONS, type ClearReach, type Sessions } from './sessions.js';
import { defaultExport } from '../../contract/default-export.js';

const cluster = defaultExport(clusterModule);

/** How the primary holds the sessions of its workers. */
export interface ServeSessionsOptions {
  /**
   * How many sessions of one name are held at most, 1 000 000 by default, `Infinity` for no bound. When one more
   * is created, a session in no group gives way, the nearest to its expiry first; when all are in groups, the
   * nearest to its expiry of them.
   */
  maxSessions?: number | undefined;
}

/**
 * Serves the sessions of this process to its workers; call it in the primary, before forking. Returns a function
 * that stops serving, after which sessions that no store of the primary holds are gone.
 */
export function serveSessions({ maxSessions = DEFAULT_MAX_SESSIONS }: ServeSessionsOptions = {}): () => void {
  if (!cluster.isPrimary) {
    throw new Error(
      '[session:cluster] serveSessions() was called in a worker: call it in the primary before forking',
    );
  }
  limitSessions(maxSessions);
  if (registry.servers++ === 0) listen();
  for (const worker of Object.values(cluster.workers ?? {})) if (worker) send(worker, READY);

  let serving = true;
  return () => {
    if (!serving) return;
    serving = false;
    if (--registry.servers > 0) return;
    registry.stopListening?.();
    limitSessions(DEFAULT_MAX_SESSIONS);
    dropUnused();
  };
}

const READY: ReadyMessage = [TAG];

function limitSessions(maxSessions: number): void {
  if (maxSessions !== Infinity && (!Number.isInteger(maxSessions) || maxSessions < 1)) {
    throw new TypeError(
      'maxSessions must be a whole number of sessions, 1 or more, or Infinity for no bound',
    );
  }
  registry.maxSessions = maxSessions;
  for (const { sessions } of registry.names.values()) sessions.maxSessions = maxSessions;
}

function listen(): void {
  cluster.on('message', receive);
  registry.stopListening = () => cluster.off('message', receive);
}

function receive(worker: Worker, message: unknown): void {
  if (!isOurs(message) || !isCalls(message)) return;
  const [, from, name, calls] = message;
  if (calls.length === 0) return send(worker, READY);

  const sessions = sessionsOf(name);
  const now = Date.now();
  const replies: Reply[] = [];
  for (const call of calls) {
    if (Array.isArray(call) && call[1] >= now) replies.push(reply(sessions, call));
  }
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

function reply(sessions: Sessions, [id, , operation, ...args]: Call): Reply {
  try {
    return [id, perform(sessions, operation, args)];
  } catch (error) {
    return [id, null, String(error)];
  }
}

/** Checks once more what it is given: a worker that runs wild must not spoil the sessions of all. */
function perform(sessions: Sessions, operation: Call[2], args: unknown[]): unknown {
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
      const record = sessions.update(args[0] as string, change);
      return record ? [record.expiresAt, record.secretHash] : null;
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
    default:
      throw new TypeError('no such operation');
  }
}

/** A worker that died meanwhile needs no reply, and must not take the primary with it. */
function send(worker: Worker, message: RepliesMessage | ReadyMessage): void {
  worker.send(message, () => {});
}
