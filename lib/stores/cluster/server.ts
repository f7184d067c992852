import * as clusterModule from 'node:cluster';
import type { Worker } from 'node:cluster';
import { resolve } from 'node:path';
import { checkTimeout } from '../../contract/deadline.js';
import { defaultExport } from '../../contract/default-export.js';
import { checkNoOthers } from '../../contract/option-checks.js';
import { DEFAULT_MAX_BYTES } from './budget.js';
import { feeds, receive, sendReady } from './calls.js';
import type { Durability } from './journal/file.js';
import { checkKeeping, type Keeping } from './keeping.js';
import type { KeptDirectory } from './kept-directory.js';
import { dropUnused, keptDirectory, registry, releaseDirectory } from './registry.js';
import { DEFAULT_MAX_SESSIONS } from './room.js';

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
  /**
   * Keeps the sessions in a journal in this directory too, so that they survive a restart; default none. Created if it
   * does not exist. Belongs to one process at a time.
   */
  directory?: string | undefined;
  /**
   * When a change is acknowledged: `'process'`, the default, once the operating system has it, so that a crash of the
   * process loses nothing; `'disk'` once the disk has it, so that a loss of power loses nothing either. Needs a
   * `directory`.
   */
  durability?: Durability | undefined;
  /** How long a directory that another process uses is waited for, in milliseconds; default 2 000. Needs a `directory`. */
  timeout?: number | undefined;
}

/** Stops serving. Resolves when a directory that nothing uses any more is closed. */
export interface SessionServing {
  (): Promise<void>;
  /**
   * Resolves once the sessions in the directory are read, at once if there is none. Rejects if the directory cannot be
   * opened: then the workers' stores cannot be opened either. Wait for it before you fork.
   */
  readonly opened: Promise<void>;
}

/**
 * Serves the sessions of this process to its workers. Call it in the primary, before it forks. Returns a function that
 * stops serving and drops the sessions that no open store of the primary uses. With a directory, wait for `opened` of
 * that function before you fork.
 */
export function serveSessions({
  maxSessions = DEFAULT_MAX_SESSIONS,
  maxBytes = DEFAULT_MAX_BYTES,
  directory,
  durability,
  timeout,
  ...others
}: ServeSessionsOptions = {}): SessionServing {
  if (!cluster.isPrimary) {
    throw new Error(
      '[session:cluster] serveSessions() was called in a worker. Call it in the primary, before it forks',
    );
  }
  checkNoOthers('serveSessions', others, 'maxSessions, maxBytes, directory, durability, timeout');
  if (timeout !== undefined && directory === undefined)
    throw new TypeError('timeout needs a directory: write { directory, timeout }');
  const keeping = checkKeeping({ directory, durability, timeout: checkTimeout(timeout) });
  checkLimits(maxSessions, maxBytes);
  const kept = keeping && serveDirectory(keeping);
  limitSessions(maxSessions, maxBytes);
  if (registry.servers++ === 0) listen();
  if (kept)
    kept.opened.then(
      () => registry.served === kept && greetAll(),
      () => {},
    );
  else greetAll();

  let serving = true;
  const stop = async () => {
    if (!serving) return;
    serving = false;
    if (--registry.servers === 0) {
      registry.stopListening?.();
      registry.served = undefined;
      limitSessions(DEFAULT_MAX_SESSIONS, DEFAULT_MAX_BYTES);
      dropUnused();
    }
    if (kept) await releaseDirectory(kept);
  };
  return Object.assign(stop, { opened: kept?.opened ?? Promise.resolve() });
}

/** The directory that is served from now on. Throws if the sessions are served, or open, without it. */
function serveDirectory(keeping: Keeping): KeptDirectory {
  const path = resolve(keeping.directory);
  const isElsewhere = (kept: KeptDirectory | undefined) => kept?.path !== path;
  const isServedElsewhere = registry.servers > 0 && isElsewhere(registry.served);
  if (isServedElsewhere || Array.from(registry.names.values()).some(({ kept }) => isElsewhere(kept))) {
    throw new Error(
      '[session:cluster] serveSessions() was called with a directory, but sessions are open without it. Call it before any store is opened, with the same directory each time',
    );
  }
  registry.served = keptDirectory(keeping);
  return registry.served;
}

function greetAll(): void {
  for (const worker of Object.values(cluster.workers ?? {})) if (worker) sendReady(worker);
}

function checkLimits(maxSessions: number, maxBytes: number): void {
  if (maxSessions !== Infinity && (!Number.isInteger(maxSessions) || maxSessions < 1)) {
    throw new TypeError(
      'maxSessions must be a whole number of sessions, 1 or more: write Infinity for no limit',
    );
  }
  if (maxBytes !== Infinity && (!Number.isInteger(maxBytes) || maxBytes < 1)) {
    throw new TypeError('maxBytes must be a whole number of bytes, 1 or more: write Infinity for no limit');
  }
}

function limitSessions(maxSessions: number, maxBytes: number): void {
  registry.maxSessions = maxSessions;
  registry.budget.max = maxBytes;
  for (const { sessions } of registry.names.values()) sessions.limitTo(maxSessions);
  for (const kept of registry.directories.values()) kept.limitTo(maxSessions);
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
