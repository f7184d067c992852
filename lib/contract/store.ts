/**
 * A session as a store holds it. Instants are epoch milliseconds; a session that never expires has
 * {@link NEVER} as `expiresAt`.
 */
export interface SessionRecord {
  /** The session's public name; never changes while it lives. */
  id: string;
  /** SHA-256 (base64url) of the secret that only the client holds. */
  secretHash: string;
  /** The secret before the last rotation; absent when there was none, or it was replaced without a grace. */
  previous?: {
    hash: string;
    /** When it was replaced. */
    replacedAt: number;
    /** How long, in milliseconds, it stays good beside its successor. */
    grace: number;
    /** When it stops being good; unset until a client presents the successor. */
    validUntil?: number;
  };
  /** Name → JSON text, one per top-level property, on a null prototype. Stores never look inside a text. */
  data: Record<string, string>;
  /** The groups it is in, each once, in no order. */
  groups: string[];
  createdAt: number;
  /** Exact, and checked on every read. */
  expiresAt: number;
}

/** What one request did to a record. Everything is optional; an empty change only asks what is current. */
export interface SessionChange {
  /** Names to set, with their new JSON texts. */
  set?: Record<string, string>;
  /** Names to remove; must not be in `set`. */
  remove?: string[];
  /** Groups to enter. */
  join?: string[];
  /** Groups to quit; must not be in `join`. */
  leave?: string[];
  /** Sets the expiry; beats `touch`. An instant that is past ends the session. */
  expiresAt?: number;
  /** Moves the expiry only while it is still `from`, so that it never undoes a lifetime set meanwhile. */
  touch?: { from: number; to: number };
  /** Sets `previous.validUntil` once: only while it is unset and `secretHash` is current. */
  retirePrevious?: { secretHash: string; validUntil: number };
}

/** Which sessions to page over, and how far. */
export interface SessionPageOptions {
  /** A group; `undefined` means all sessions. */
  group?: string;
  /** The `next` of the page before; absent for the first. */
  after?: string;
  /** How many at most: 1 to 1 000. */
  limit: number;
}

/** Some live sessions, and where to go on; `next` is absent on the last page. */
export interface SessionPage {
  records: SessionRecord[];
  next?: string;
}

/** The `expiresAt` of a session that never expires: the last instant a `Date` can hold. */
export const NEVER = 8.64e15;

/**
 * Where sessions live between requests. Extend it to add a store; inject it to use one.
 *
 * What every method promises is checked by the laws in `nestjs-session-stores/laws`. Every method refuses
 * malformed arguments with a `TypeError` (the `check…` functions do it) and fails with a `SessionStoreError`
 * when the backend cannot answer in time.
 */
export abstract class SessionStore {
  /**
   * `'id'` where a client's token is the id alone, which is then a credential: for stores with no place for a secret hash.
   * Absent: the token carries a secret too.
   */
  declare readonly tokens?: 'id';

  /** Connects; constructors do no I/O. */
  async open(): Promise<void> {}

  /** Closes what `open` opened, never what was handed in. */
  async close(): Promise<void> {}

  /**
   * Adds a session with its groups, whole. Rejects an id in use by another secret hash; with the same secret hash it
   * writes nothing and resolves.
   */
  abstract create(record: SessionRecord): Promise<void>;

  /** The live session under `id`; `undefined` when absent, destroyed or expired. Not to be mutated. */
  abstract read(id: string): Promise<SessionRecord | undefined>;

  /**
   * Applies `change` whole to the live session under `record.id`; resolves to the expiry and the secret hash it now
   * has. `undefined`, and nothing written, when it is gone; `undefined` too when the change itself ended it.
   *
   * Of `record` only `id` counts, the rest is a hint and may be stale. A condition that fails (`touch`,
   * `retirePrevious`) leaves the rest of the change applied.
   */
  abstract update(
    record: SessionRecord,
    change: SessionChange,
  ): Promise<{ expiresAt: number; secretHash: string } | undefined>;

  /**
   * Makes `secretHash` current for the client that presented `presented`; resolves to the secret hash now current,
   * `undefined` when the session is gone.
   *
   * - `secretHash` is current already: done.
   * - An earlier rotation's secret is unseen (`previous.validUntil` unset) and younger than its grace: nothing is written.
   * - Else `presented` is current: it becomes `previous` (`grace` 0: no `previous`).
   * - Else it is `previous` with `until` unset: it stays `previous`, with a new `at`.
   *
   * `grace` is in milliseconds. As in `update`, of `record` only `id` counts.
   */
  abstract rotate(
    record: SessionRecord,
    presented: string,
    secretHash: string,
    grace: number,
  ): Promise<string | undefined>;

  /** Ends a session; resolves to whether it was live. */
  abstract destroy(id: string): Promise<boolean>;

  /**
   * Up to `limit` live sessions of a group, or of all, after `after`. A session live throughout comes at least
   * once over all pages, a dead one never. A page may hold fewer than `limit` and still have a `next`.
   */
  abstract page(options: SessionPageOptions): Promise<SessionPage>;

  /** How many live sessions a group has, or there are in all. */
  abstract count(group?: string): Promise<number>;

  /**
   * Ends every session that was a member when it was called (of all sessions without a group), but `except`, a
   * id or ids; one that joins meanwhile may end too. Resolves to how many were live. Ends even under constant
   * joins.
   */
  abstract clear(group?: string, except?: Iterable<string>): Promise<number>;
}
