import type { SessionChange } from '../contract/record.js';
import type { CookieChange } from '../cookie/live-cookie.js';
import { changesProperties, type DataChange } from './data.js';
import { expiryAfter, isDue } from './expiry.js';
import type { GroupChange } from './groups.js';
import { SEEN_EVERY } from './seen.js';

/** What is known of a session when it may have to be saved. Instants and durations are in milliseconds. */
export interface SaveFacts {
  /** When the session was stored first. `undefined` if it is not stored yet. */
  createdAt: number | undefined;
  /** What has changed since the session was loaded or last saved. `data` includes the serialized cookie. */
  data: DataChange | undefined;
  groups: GroupChange | undefined;
  /** The label that the handler has set. */
  label: string | undefined;
  cookie: CookieChange | undefined;
  /** When its last recorded use was, and whether this one is recorded. */
  lastSeenAt: number | undefined;
  recordsUse: boolean;
  /** The stored expiry, and the lifetime that it was computed from. */
  expiresAt: number;
  storedLifetime: number;
  /** The lifetime that the session has now. */
  lifetime: number;
  absoluteTimeout: number;
  /** The part of the lifetime after which a renewal is due. */
  touchAfter: number;
  now: number;
  /** Whether a new session is stored even if it is empty. */
  isWanted: boolean;
  /** When the expiry is moved although nothing else has changed. `owed`: it must be. `never`: not even if something else has. */
  renewal: 'if due' | 'asked' | 'owed' | 'failed' | 'never';
  /** Whether the client needs its cookie again even if nothing else is saved. */
  isCookieDue: boolean;
}

/** What one save sends to the store, and what counts as stored once the store has confirmed it. */
export interface Save {
  /** Whether the save writes anything besides the expiry. */
  changed: boolean;
  /** Whether the client needs its cookie again even if the save writes nothing else. */
  cookieDue: boolean;
  data: DataChange | undefined;
  groups: GroupChange | undefined;
  label: string | undefined;
  cookie: CookieChange | undefined;
  lifetime: number;
  expiresAt: number;
  /** Whether it writes nothing but the use of the session, of which the client learns nothing. */
  isUseOnly: boolean;
  /** The change with which a stored session is updated. Its use is added when it is sent. */
  change: SessionChange;
}

/**
 * Decides when a session is saved, and what the save sends. `undefined` if there is nothing to save.
 *
 * A new session is created if it has data or a group, or is wanted empty. A stored one is updated by what has changed; if
 * nothing has, only by its expiry, when that is due, or by its use. The changes of a passive request are saved without the
 * expiry.
 */
export function planSave(facts: SaveFacts): Save | undefined {
  const { createdAt, data, groups, label, lifetime, now, absoluteTimeout, renewal } = facts;
  const isKept = createdAt !== undefined && renewal === 'never' && lifetime === facts.storedLifetime;
  const expiresAt = isKept ? facts.expiresAt : expiryAfter(now, lifetime, createdAt ?? now, absoluteTimeout);
  if (createdAt === undefined) {
    const hasData = data !== undefined && changesProperties(data);
    const isWorthIt = hasData || groups?.join !== undefined || Boolean(label) || facts.isWanted;
    return isWorthIt ? saveOf(facts, expiresAt, 'all', {}) : undefined;
  }
  const changed = data !== undefined || groups !== undefined || label !== undefined || renewal === 'owed';
  const renews =
    renewal === 'asked' || facts.isCookieDue || isDue(facts.expiresAt, expiresAt, lifetime, facts.touchAfter);
  if (!changed && (!renews || renewal === 'failed')) {
    const isUse = renewal !== 'failed' && isUseDue(facts);
    return isUse ? saveOf(facts, facts.expiresAt, 'use', {}) : undefined;
  }
  return saveOf(facts, expiresAt, changed ? 'changes' : 'renewal', changeOf(facts, expiresAt));
}

/** A save that writes all of a new session, its changes, nothing but its expiry, or nothing but its use. */
function saveOf(
  { data, groups, label, cookie, lifetime, isCookieDue }: SaveFacts,
  expiresAt: number,
  writes: 'all' | 'changes' | 'renewal' | 'use',
  change: SessionChange,
): Save {
  // Property by property, because to spread an object into another costs 1 to 2 µs.
  return {
    changed: writes === 'all' || writes === 'changes',
    cookieDue: writes === 'all' || (isCookieDue && writes !== 'use'),
    data,
    groups,
    label,
    cookie,
    lifetime,
    expiresAt,
    isUseOnly: writes === 'use',
    change,
  };
}

/** Whether a use must be written even if nothing else is. */
function isUseDue({ recordsUse, lastSeenAt = -Infinity, now }: SaveFacts): boolean {
  return recordsUse && now - lastSeenAt >= SEEN_EVERY;
}

/** The change of a stored session: its data, its groups, its label, and its expiry. */
function changeOf(facts: SaveFacts, expiresAt: number): SessionChange {
  const { data, groups, label } = facts;
  const change: SessionChange = {};
  if (data?.set) change.set = data.set;
  if (data?.remove) change.remove = data.remove;
  if (groups?.join) change.join = groups.join;
  if (groups?.leave) change.leave = groups.leave;
  if (label !== undefined) change.label = label;
  // A lifetime that the handler has set wins over a touch; a touch must not undo another request's lifetime.
  if (facts.lifetime !== facts.storedLifetime) change.expiresAt = expiresAt;
  else if (expiresAt !== facts.expiresAt) change.touch = { from: facts.expiresAt, to: expiresAt };
  return change;
}
