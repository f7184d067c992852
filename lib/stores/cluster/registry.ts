import { Budget } from './budget.js';
import { DEFAULT_MAX_SESSIONS } from './room.js';
import { Sessions } from './sessions.js';

/** The sessions of this process, by name. */
export interface Registry {
  readonly names: Map<string, { sessions: Sessions; stores: number }>;
  maxSessions: number;
  /** The bytes of the sessions of all names. */
  readonly budget: Budget;
  /** How many calls of `serveSessions` are not stopped. They share one listener. */
  servers: number;
  stopListening?: () => void;
}

// On `globalThis`, because two copies of this package in one process must share one map. The number is the version of
// its shape.
const REGISTRY = Symbol.for('nestjs-session-stores/cluster/1');

export const registry: Registry = ((globalThis as { [REGISTRY]?: Registry })[REGISTRY] ??= {
  names: new Map(),
  maxSessions: DEFAULT_MAX_SESSIONS,
  budget: new Budget(),
  servers: 0,
});

/** The sessions of a name. Created if there are none. */
export function sessionsOf(name: string): Sessions {
  return heldUnder(name).sessions;
}

/** The sessions of a name, for one store. Kept until `closeSessions` has been called as often. */
export function openSessions(name: string): Sessions {
  const held = heldUnder(name);
  held.stores++;
  return held.sessions;
}

export function closeSessions(name: string): void {
  const held = registry.names.get(name);
  if (held) held.stores--;
  dropUnused();
}

/** Drops the sessions that no open store uses, unless workers are served. */
export function dropUnused(): void {
  if (registry.servers > 0) return;
  for (const [name, { sessions, stores }] of registry.names) {
    if (stores > 0) continue;
    sessions.close();
    registry.names.delete(name);
  }
}

function heldUnder(name: string): { sessions: Sessions; stores: number } {
  let held = registry.names.get(name);
  if (!held) {
    held = { sessions: new Sessions(registry.maxSessions, registry.budget), stores: 0 };
    registry.names.set(name, held);
  }
  return held;
}
