import type { SessionCookie } from '../cookie/cookie.js';
import type { LimitOptions } from './limit-options.js';
import type { SessionData } from './session-data.js';
import type { SessionView } from './view.js';

/** How to rotate a session's secret. */
export interface RotateOptions {
  /** How long the old secret stays valid together with the new one, in milliseconds; default 30 000. */
  grace?: number | undefined;
}

/** Called when a call has settled, as in express-session. */
// `any`, because code that was written for express-session reads `error.message`.
export type SessionCallback = (error?: any) => void;

/** The session that a handler holds: your data, and these members. Every other name is data. */
export interface Session extends Partial<SessionData> {
  /** The session's id: public, unlike the token that the client holds. */
  readonly id: string;
  /** The name of the identity of its token. */
  readonly identity: string;
  /**
   * When the session expires unless a later request renews it, in epoch milliseconds by the store's clock; 8.64e15 if
   * never. If this request renews it, that counts.
   */
  readonly idleExpiresAt: number;
  /**
   * When the session expires however often it is used, in epoch milliseconds by the store's clock; 8.64e15 if never. See
   * the option `absoluteTimeout`.
   */
  readonly absoluteExpiresAt: number;
  /** The attributes of its cookie. */
  cookie: SessionCookie;
  /**
   * Saves the changes now, instead of before the response. Rejects with `SessionGoneError` if the session was destroyed
   * or expired meanwhile.
   */
  save(): Promise<void>;
  save(callback: SessionCallback): this;
  /** Reads the stored session again, in place, and drops unsaved changes. */
  reload(): Promise<void>;
  /** As in express-session: puts a new object at `req.session` and leaves this one as it is. */
  reload(callback: SessionCallback): this;
  /** Destroys the session and removes its cookie. A rejection means that it may still be live. */
  destroy(): Promise<void>;
  destroy(callback: SessionCallback): this;
  /**
   * Destroys this session and starts an empty one in its place, with a new id. Call it at login. The new session joins
   * the groups that this request has joined but not yet saved, and no others. If the old session cannot be destroyed,
   * it rejects and the session is unchanged. It rejects with `SessionGoneError` if the session was destroyed or cleared
   * in the last ten minutes. It also rejects once the response has begun, and on a socket, which cannot give the client
   * a token; nothing is saved after that.
   */
  regenerate(): Promise<void>;
  /** As in express-session: puts a new object at `req.session` and leaves this one as it is. */
  regenerate(callback: SessionCallback): this;
  /**
   * Gives the client a new secret for the same session; the old one stays valid for a grace. At login use `regenerate`.
   * Does nothing for a session that is not stored yet, or that another request has rotated. Unless `grace` is 0, it
   * does nothing during the grace of the last rotation either: requests with an older secret may still arrive. A passive
   * request does not rotate.
   */
  rotate(options?: RotateOptions): Promise<void>;
  /**
   * Adds a whole number, 1 by default, to the number in a property, which counts as 0 if it is absent. Resolves to the
   * sum. Acts at once, in one step of the store: parallel requests all count. A new session is stored first, and so are
   * unsaved changes of the property.
   *
   * Rejects with a `TypeError` that names the property, and writes nothing, if its value is not an integer, or the sum is
   * not a safe one. Rejects with `SessionGoneError` if the session was destroyed or expired. If the store fails, the
   * number may have been added, but never twice.
   */
  add(name: string, by?: number): Promise<number>;
  /**
   * Removes a property, and resolves to its value. Acts at once, in one step of the store: of all parallel requests,
   * exactly one gets the value, the others `undefined`. Unsaved changes of the property are saved first.
   *
   * Rejects with `SessionGoneError` if the session was destroyed or expired. If the store fails, the property may have
   * been removed.
   */
  take<Name extends keyof SessionData & string>(name: Name): Promise<SessionData[Name] | undefined>;
  take(name: string): Promise<unknown>;
  /**
   * Renews the expiry with this request, even if less than the part `touchAfter` of the lifetime has passed. Does nothing
   * in a passive request.
   */
  touch(): Promise<void>;
  /** Restarts the cookie's age from now. */
  resetMaxAge(): this;
  /** Makes the session a member of a group when it is saved. */
  joinGroup(group: string): Promise<void>;
  /**
   * Makes the session a member of a group that has room for `max` sessions, at once. Resolves to the sessions that ended to
   * make room, as they were read when they were chosen; to none if the session is a member already.
   *
   * Of the sessions that have joined a group with a limit, never more than `max` can be used. A session that is new is
   * created first. Call it after `regenerate`, and before you assign the user: if it rejects, the session is not a member,
   * but what you have assigned is saved.
   *
   * Rejects with a `SessionLimitError` (409) if the group is full and `whenFull` is `'reject'`; with a `SessionGoneError` if
   * the session was ended meanwhile; with a `TypeError` for an invalid limit. It also rejects once the response has begun,
   * and on a socket, because the client could not get a token.
   */
  joinGroup(group: string, limit: LimitOptions): Promise<SessionView[]>;
  /** Gives the session a name, of at most 100 characters, when it is saved. An empty one removes it. */
  setLabel(label: string): Promise<void>;
  /** Takes the session out of a group when it is saved. */
  leaveGroup(group: string): Promise<void>;
  /** The groups that the session is in, including unsaved joins and leaves of this request. */
  groupNames(): Promise<string[]>;
  /**
   * Joins `group`, and leaves the one that this method set before, in this request or an earlier one. Named as in
   * multi-process-session. Data cannot read or change which one was set.
   */
  setGroupName(group: string): Promise<void>;
}
