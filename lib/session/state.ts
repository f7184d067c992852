import { checkGroup } from '../contract/checks.js';
import { TOMBSTONE_LIFETIME, type SessionRecord } from '../contract/record.js';
import { checkLabel } from './label.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import type { ClientToken } from './client-token.js';
import { StoredData, type Snapshot } from './data.js';
import { SessionGroups } from './groups.js';
import { after, NEW, verdictOn, type Call, type Event, type Standing } from './standing.js';

/** What a request knows about one session: what is stored, and what the request will change. */
export class SessionState {
  /** The standing of the session in this request. */
  standing: Standing = NEW;
  /** The client's token. Made when the session is first stored. */
  token: ClientToken | undefined;
  /** The record that was read or created, with the store's hint. `undefined` if the session was never stored. */
  record: SessionRecord | undefined;
  readonly data = new StoredData();
  readonly groups = new SessionGroups();
  /** The label that the next save sets; `''` removes it. */
  label: string | undefined;
  /** When its last recorded use was, by the store's clock. */
  lastSeenAt: number | undefined;
  /** The stored expiry, in epoch milliseconds. */
  expiresAt = 0;
  /** The lifetime that `expiresAt` was computed from, in milliseconds. */
  lifetime: number;
  /**
   * When the next save moves the expiry even if nothing else changes. `owed`: the session was created for a short time, so
   * it must. After a failure this request does not try again.
   */
  renewal: 'if due' | 'asked' | 'owed' | 'failed' = 'if due';
  /** Whether the next save sends the cookie, because the client may not have its changed attributes. */
  cookieAsked = false;
  /** The ids of the sessions that were regenerated, one after another, into this one, which is not stored yet. */
  origins: readonly string[] = [];

  constructor(
    readonly id: string,
    readonly cookie: LiveCookie,
    idleTimeout: number,
  ) {
    this.lifetime = LiveCookie.lifetime(cookie, idleTimeout);
  }

  /** Makes a stored record the base of later changes. `snapshot` is of its data. */
  load(record: SessionRecord, snapshot: Snapshot): void {
    this.record = record;
    this.data.load(snapshot);
    this.groups.load(record.groups);
    this.lastSeenAt = record.lastSeenAt;
  }

  /** Adopts the stored expiry. Both instants are by the store's clock. */
  moveExpiry(expiresAt: number, now: number): void {
    this.expiresAt = expiresAt;
    LiveCookie.expireIn(this.cookie, expiresAt - now);
  }

  /** Whether the session has ended, or the handler has left it: nothing is saved any more. */
  get isOver(): boolean {
    return this.standing.is === 'ended' || this.standing.is === 'left';
  }

  /** Asks for a renewal, unless one has failed. */
  touch(): void {
    if (this.renewal === 'if due') this.renewal = 'asked';
  }

  /** Records an event. */
  note(event: Event): void {
    this.standing = after(event, this.standing);
  }

  /** Whether a call has something to do. Throws the error that it fails with. */
  acts(call: Call): boolean {
    const verdict = verdictOn(call, this.standing);
    if (typeof verdict === 'object') throw verdict;
    return verdict === 'acts';
  }

  /** Throws a `TypeError` for an invalid group name. */
  joinGroup(group: string): void {
    checkGroup(group);
    this.acts('group');
    this.groups.join(group);
  }

  leaveGroup(group: string): void {
    checkGroup(group);
    this.acts('group');
    this.groups.leave(group);
  }

  /** Throws a `TypeError` for an invalid label. */
  setLabel(label: string): void {
    checkLabel(label);
    this.acts('group');
    this.label = label;
  }

  /** Joins `group`, and leaves the one that this method set before. */
  setGroupName(group: string): void {
    const before = LiveCookie.groupName(this.cookie);
    this.joinGroup(group);
    if (before !== undefined && before !== group) this.leaveGroup(before);
    LiveCookie.setGroupName(this.cookie, group);
  }

  /** Takes over the unsaved joins of the session that this one replaces. */
  takeOverJoins(old: SessionState): void {
    this.groups.takeOver(old.groups);
    const name = LiveCookie.groupName(old.cookie);
    if (name !== undefined && old.groups.joins(name)) LiveCookie.setGroupName(this.cookie, name);
  }
}

/** The maximum number of predecessors that a session names. */
const MOST_ORIGINS = 20;

/**
 * The ids that a successor of this session names: its own, and those of the sessions that it came from in the last ten
 * minutes.
 */
export function originsAfter({ id, from = [], createdAt }: SessionRecord, now: number): string[] {
  const recent = createdAt > now - TOMBSTONE_LIFETIME ? from : [];
  return [...recent, id].slice(-MOST_ORIGINS);
}
