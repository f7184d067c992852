import type { ClientToken } from './client-token.js';
import { advance, NO_SNAPSHOT, type DataChange, type Snapshot } from './data.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import type { SessionGoneError, SessionStoreError } from '../contract/errors.js';
import { checkGroup } from '../contract/checks.js';
import { TOMBSTONE_LIFETIME, type SessionRecord } from '../contract/record.js';

/** What a request knows of one session: what is stored, and what the request will change. */
export class SessionState {
  /** The client's token. Made when the session is first stored. */
  token: ClientToken | undefined;
  /** The record that was read or created, with the store's hint. `undefined` while the session is not stored. */
  record: SessionRecord | undefined;
  #snapshot: Snapshot = NO_SNAPSHOT;
  /** The changes that were saved since the snapshot. Applied when the snapshot is next read: most requests never do. */
  #saved: DataChange[] | undefined;
  expiresAt = 0;
  /** The lifetime that `expiresAt` was made with, in milliseconds. */
  lifetime: number;
  /** Whether the next save renews the expiry even if it is not due. */
  touchAsked = false;
  /** Whether the store failed to renew the session. This request does not try it again. */
  renewalFailed = false;
  /** Whether the next save sends the cookie, because the client may not have its changed attributes. */
  cookieAsked = false;
  /**
   * Why nothing is saved any more. `here`: this request ended the session. `elsewhere`: another one did. `left`: the
   * session lives on, but the handler wanted to leave it for a new one that could not be started.
   */
  ended: false | 'here' | 'elsewhere' | 'left' = false;
  /** Whether this request ended it by `regenerate`. */
  isRegenerated = false;
  /**
   * Why the session cannot be changed: the store could not be read, or the session could not be regenerated. Every change
   * fails with this error.
   */
  unavailable: SessionStoreError | undefined;
  /** Why the session could have no successor. What is assigned to it after that fails with this error. */
  rejected: SessionGoneError | undefined;
  #groups: readonly string[] = [];
  #joins: Set<string> | undefined;
  #leaves: Set<string> | undefined;
  /** Groups of the session that the request asked to join once more. */
  #rejoins: Set<string> | undefined;
  /** The rejoins of the session that this one has replaced. */
  #wanted: ReadonlySet<string> = new Set();

  constructor(
    readonly id: string,
    readonly cookie: LiveCookie,
    idleTimeout: number,
  ) {
    this.lifetime = LiveCookie.lifetime(cookie, idleTimeout);
  }

  /** The sessions that were regenerated, one after another, for this one, which is not stored yet: their ids. */
  from: readonly string[] = [];

  /** Whether the client's secret is not the current one, or its rotation lost: it gets no cookie. */
  get isSuperseded(): boolean {
    return this.token?.isCurrent === false;
  }

  /** The data as it was loaded or last saved. */
  get snapshot(): Snapshot {
    for (const change of this.#saved ?? []) this.#snapshot = advance(this.#snapshot, change);
    this.#saved = undefined;
    return this.#snapshot;
  }

  /** Records that a change of the data was stored. */
  dataSaved(change: DataChange): void {
    (this.#saved ??= []).push(change);
  }

  /** Makes a stored record the base of later changes. */
  load(record: SessionRecord, snapshot: Snapshot): void {
    this.record = record;
    this.#snapshot = snapshot;
    this.#saved = undefined;
    this.expiresAt = record.expiresAt;
    this.#groups = record.groups;
    this.#joins = undefined;
    this.#leaves = undefined;
  }

  /** Takes over when the session expires, as the store has it, by the store's clock. */
  moveExpiry(expiresAt: number, now: number): void {
    this.expiresAt = expiresAt;
    LiveCookie.expireIn(this.cookie, expiresAt - now);
  }

  /** The groups that the session was in when it was loaded or last saved. */
  get groups(): readonly string[] {
    return this.#groups;
  }

  join(group: string): void {
    checkGroup(group);
    this.checkAvailable();
    this.#leaves?.delete(group);
    if (this.#groups.includes(group)) (this.#rejoins ??= new Set()).add(group);
    else (this.#joins ??= new Set()).add(group);
  }

  leave(group: string): void {
    checkGroup(group);
    this.checkAvailable();
    this.#joins?.delete(group);
    this.#rejoins?.delete(group);
    if (this.#groups.includes(group)) (this.#leaves ??= new Set()).add(group);
  }

  /** Joins `group`, and leaves the one that was set like this before. */
  setGroupName(group: string): void {
    const before = LiveCookie.groupName(this.cookie);
    this.join(group);
    if (before !== undefined && before !== group) this.leave(before);
    LiveCookie.setGroupName(this.cookie, group);
  }

  /** Joins the groups that the request would have joined with the session that this one replaces. */
  takeOverJoins(old: SessionState): void {
    for (const group of old.#joins ?? []) this.join(group);
    const name = LiveCookie.groupName(old.cookie);
    if (name !== undefined && old.#joins?.has(name)) LiveCookie.setGroupName(this.cookie, name);
    this.#wanted = old.#rejoins ?? new Set();
  }

  /** Whether the request joined a group that the replaced session was in, and not again after that. */
  get missesGroup(): boolean {
    if (this.#wanted.size === 0) return false;
    const names = this.groupNames();
    return [...this.#wanted].some((group) => !names.includes(group));
  }

  /** Throws if the session cannot be changed. */
  checkAvailable(): void {
    if (this.unavailable) throw this.unavailable;
  }

  groupNames(): string[] {
    return [...this.#groups.filter((group) => !this.#leaves?.has(group)), ...(this.#joins ?? [])];
  }

  /** The groups joined and left since the last save; `undefined` if there are none. */
  groupChange(): GroupChange | undefined {
    if (!this.#joins?.size && !this.#leaves?.size) return undefined;
    const change: GroupChange = {};
    if (this.#joins?.size) change.join = [...this.#joins];
    if (this.#leaves?.size) change.leave = [...this.#leaves];
    return change;
  }

  /** Records that a group change was stored. Later joins and leaves are kept for the next save. */
  groupsSaved({ join = [], leave = [] }: GroupChange): void {
    const wanted = this.groupNames();
    this.#groups = [...new Set([...this.#groups, ...join])].filter((group) => !leave.includes(group));
    this.#joins = undefined;
    this.#leaves = undefined;
    for (const group of wanted) this.join(group);
    for (const group of this.#groups) if (!wanted.includes(group)) this.leave(group);
    this.#rejoins = undefined;
  }
}

/** At most how many of the sessions that it came from a session names. */
const MOST_ORIGINS = 20;

/** The ids that a successor of this session names: its own, and those that it came from in the last ten minutes. */
export function originsAfter({ id, from = [], createdAt }: SessionRecord, now: number): string[] {
  const recent = createdAt > now - TOMBSTONE_LIFETIME ? from : [];
  return [...recent, id].slice(-MOST_ORIGINS);
}

/** The groups that a save joins and leaves. */
export interface GroupChange {
  join?: string[];
  leave?: string[];
}
