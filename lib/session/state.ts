import { advance, NO_SNAPSHOT, type DataChange, type Snapshot } from './data.js';
import { LiveCookie } from '../cookie/live-cookie.js';
import type { SessionStoreError } from '../contract/errors.js';
import { checkGroup } from '../contract/checks.js';
import { NEVER, type SessionRecord } from '../contract/record.js';

/** What a request knows of one session: what was stored, and what it will change. */
export class SessionState {
  /** What the client holds, or will; made when the session is first stored or rotated. */
  secret: string | undefined;
  secretHash: string | undefined;
  /** The token as it travels; made when it is first sent. */
  signed: string | undefined;
  /** What `read` gave or `create` took: a hint for the store; `undefined` while the session is not stored. */
  record: SessionRecord | undefined;
  #snapshot: Snapshot = NO_SNAPSHOT;
  /** What was saved since the snapshot; applied when somebody asks for it, which most requests never do. */
  #saved: DataChange[] | undefined;
  expiresAt = 0;
  /** The lifetime that `expiresAt` was made with, in milliseconds. */
  lifetime: number;
  touchAsked = false;
  /** The client may not know what its cookie has of its own: the next save sends it. */
  cookieAsked = false;
  /**
   * Nothing is saved any more: this request ended the session, or found that it had ended, or has left it for one that
   * could not be begun, while it lives on.
   */
  ended: false | 'here' | 'elsewhere' | 'left' = false;
  /** The client holds an older secret than the current one, or lost a rotation: it is sent no cookie. */
  outdated = false;
  /** Why the store cannot be asked about it; whatever would change the session fails with this. */
  unavailable: SessionStoreError | undefined;
  /** Until when a request that was on its way at the last rotation may come with the secret before this one. */
  graceEnds = 0;
  #groups: readonly string[] = [];
  #joins: Set<string> | undefined;
  #leaves: Set<string> | undefined;

  constructor(
    readonly id: string,
    readonly cookie: LiveCookie,
    idleTimeout: number,
  ) {
    this.lifetime = LiveCookie.lifetime(cookie, idleTimeout);
  }

  /** The data as it was loaded or last saved. */
  get snapshot(): Snapshot {
    for (const change of this.#saved ?? []) this.#snapshot = advance(this.#snapshot, change);
    this.#saved = undefined;
    return this.#snapshot;
  }

  /** Takes a change of the data as stored. */
  dataSaved(change: DataChange): void {
    (this.#saved ??= []).push(change);
  }

  /** Takes what is stored as the base of what changes from here on. */
  load(record: SessionRecord, snapshot: Snapshot): void {
    this.record = record;
    this.#snapshot = snapshot;
    this.#saved = undefined;
    this.expiresAt = record.expiresAt;
    this.#groups = record.groups;
    this.#joins = undefined;
    this.#leaves = undefined;
  }

  get inGroups(): boolean {
    return this.#groups.length > 0;
  }

  join(group: string): void {
    checkGroup(group);
    this.checkAvailable();
    this.#leaves?.delete(group);
    if (!this.#groups.includes(group)) (this.#joins ??= new Set()).add(group);
  }

  leave(group: string): void {
    checkGroup(group);
    this.checkAvailable();
    this.#joins?.delete(group);
    if (this.#groups.includes(group)) (this.#leaves ??= new Set()).add(group);
  }

  /** Throws for a session that stands in for one that the store could not be asked about. */
  checkAvailable(): void {
    if (this.unavailable) throw this.unavailable;
  }

  groupNames(): string[] {
    return [...this.#groups.filter((group) => !this.#leaves?.has(group)), ...(this.#joins ?? [])];
  }

  /** The groups entered and quit since the last save; `undefined` for none. */
  groupChange(): GroupChange | undefined {
    if (!this.#joins?.size && !this.#leaves?.size) return undefined;
    const change: GroupChange = {};
    if (this.#joins?.size) change.join = [...this.#joins];
    if (this.#leaves?.size) change.leave = [...this.#leaves];
    return change;
  }

  /** Takes a group change as stored; what was asked for meanwhile stays to be saved. */
  groupsSaved({ join = [], leave = [] }: GroupChange): void {
    const wanted = this.groupNames();
    this.#groups = [...new Set([...this.#groups, ...join])].filter((group) => !leave.includes(group));
    this.#joins = undefined;
    this.#leaves = undefined;
    for (const group of wanted) this.join(group);
    for (const group of this.#groups) if (!wanted.includes(group)) this.leave(group);
  }
}

/** The groups that a save enters and quits. */
export interface GroupChange {
  join?: string[];
  leave?: string[];
}

/** When a session ends that lives for `lifetime` from now on, whatever limits it: in whole epoch milliseconds. */
export function expiryAfter(
  now: number,
  lifetime: number,
  createdAt: number,
  absoluteTimeout: number,
): number {
  return Math.floor(Math.min(now + lifetime, createdAt + absoluteTimeout, NEVER));
}

/** Whether what a store read under `id` has the shape of a record; the texts are looked at one by one. */
export function isReadable(record: SessionRecord, id: string): boolean {
  const { secretHash, previous, data, groups, createdAt, expiresAt } = record;
  return (
    record.id === id &&
    typeof secretHash === 'string' &&
    (!previous || isReadablePrevious(previous)) &&
    typeof data === 'object' &&
    data !== null &&
    !Array.isArray(data) &&
    Array.isArray(groups) &&
    groups.every((group) => typeof group === 'string') &&
    Number.isFinite(createdAt) &&
    Number.isFinite(expiresAt)
  );
}

function isReadablePrevious({
  hash: secretHash,
  replacedAt: at,
  grace,
  validUntil: until,
}: NonNullable<SessionRecord['previous']>): boolean {
  return (
    typeof secretHash === 'string' &&
    Number.isFinite(at) &&
    Number.isFinite(grace) &&
    (until === undefined || Number.isFinite(until))
  );
}
