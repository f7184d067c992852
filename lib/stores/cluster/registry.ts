import { resolve } from 'node:path';
import { SessionStoreError } from '../../contract/errors.js';
import { Budget } from './budget.js';
import type { Keeping } from './keeping.js';
import { KeptDirectory } from './kept-directory.js';
import { DEFAULT_MAX_SESSIONS } from './room.js';
import { Sessions } from './sessions.js';

/** The sessions of a name, and the directory that has them too. */
interface Held {
  readonly sessions: Sessions;
  readonly kept: KeptDirectory | undefined;
  stores: number;
}

/** The sessions of this process, by name. */
export interface Registry {
  readonly names: Map<string, Held>;
  /** The directories that are open, or are being opened, by their path. */
  readonly directories: Map<string, KeptDirectory>;
  maxSessions: number;
  /** The bytes of the sessions of all names. */
  readonly budget: Budget;
  /** How many calls of `serveSessions` are not stopped. They share one listener. */
  servers: number;
  /** The directory of `serveSessions`. */
  served?: KeptDirectory | undefined;
  stopListening?: () => void;
}

// On `globalThis`, because two copies of this package in one process must share one map. The number is the version of
// its shape.
const REGISTRY = Symbol.for('nestjs-session-stores/cluster/2');

export const registry: Registry = ((globalThis as { [REGISTRY]?: Registry })[REGISTRY] ??= {
  names: new Map(),
  directories: new Map(),
  maxSessions: DEFAULT_MAX_SESSIONS,
  budget: new Budget(),
  servers: 0,
});

/** The sessions of a name, in the directory that is served if there is one. Created if there are none. */
export function sessionsOf(name: string): Sessions {
  return heldUnder(name, registry.served).sessions;
}

/**
 * The sessions of a name, for one store. Kept until `closeSessions` has been called as often. Those in a directory are
 * read first, so they come as a promise.
 */
export function openSessions(name: string, keeping?: Keeping): Sessions | Promise<Sessions> {
  const { served } = registry;
  const found = registry.names.get(name);
  if (!keeping) {
    const kept = found ? found.kept : served;
    if (!kept) return enter(name, undefined);
    kept.users++;
    return enterKept(name, kept);
  }
  const path = resolve(keeping.directory);
  if (served && served.path !== path)
    throw conflict('serveSessions() has another directory. Pass the same one');
  if (found && found.kept?.path !== path) {
    const where = found.kept ? 'in another directory' : 'without a directory';
    throw conflict(`the sessions of this name are open ${where}. Pass the same one, or another name`);
  }
  return enterKept(name, keptDirectory(keeping));
}

/** Lets go of the sessions of a name. Resolves when a directory that nothing uses any more is closed. */
export async function closeSessions(name: string): Promise<void> {
  const held = registry.names.get(name);
  if (!held) return;
  held.stores--;
  dropUnused();
  if (held.kept) await releaseDirectory(held.kept);
}

/** Drops the sessions that no open store uses, unless workers are served. */
export function dropUnused(): void {
  if (registry.servers > 0) return;
  for (const [name, { sessions, stores, kept }] of registry.names) {
    if (stores > 0) continue;
    registry.names.delete(name);
    if (!kept) sessions.close();
  }
}

/** A directory, for one more user. Begins to open it if it is not open. */
export function keptDirectory({ directory, durability, timeout }: Keeping): KeptDirectory {
  const path = resolve(directory);
  let kept = registry.directories.get(path);
  if (kept && kept.durability !== durability) {
    throw conflict(`the directory is open with the durability '${kept.durability}'. Pass the same one`);
  }
  if (!kept) {
    const opening = new KeptDirectory(path, durability, timeout, registry.budget, registry.maxSessions);
    registry.directories.set(path, opening);
    opening.opened.catch(() => forget(opening));
    kept = opening;
  }
  kept.users++;
  return kept;
}

/** Closes a directory after its last user. */
export async function releaseDirectory(kept: KeptDirectory): Promise<void> {
  if (--kept.users > 0) return;
  forget(kept);
  await kept.close();
}

/** The next user of the path opens it anew. */
function forget(kept: KeptDirectory): void {
  if (registry.directories.get(kept.path) === kept) registry.directories.delete(kept.path);
  for (const [name, held] of registry.names) if (held.kept === kept) registry.names.delete(name);
}

async function enterKept(name: string, kept: KeptDirectory): Promise<Sessions> {
  try {
    await kept.opened;
    return enter(name, kept);
  } catch (error) {
    await releaseDirectory(kept);
    throw error;
  }
}

function enter(name: string, kept: KeptDirectory | undefined): Sessions {
  const held = heldUnder(name, kept);
  if (held.kept !== kept)
    throw conflict('the sessions of this name were opened elsewhere meanwhile. Pass the same directory');
  held.stores++;
  return held.sessions;
}

function heldUnder(name: string, kept: KeptDirectory | undefined): Held {
  let held = registry.names.get(name);
  if (!held) {
    const sessions = kept?.sessionsOf(name) ?? new Sessions(registry.maxSessions, registry.budget);
    held = { sessions, kept, stores: 0 };
    registry.names.set(name, held);
  }
  return held;
}

function conflict(problem: string): SessionStoreError {
  return new SessionStoreError(
    'cluster',
    'open',
    `${problem}. Pass the same directory and durability everywhere`,
  );
}
