import type { SessionCookie } from '../cookie/cookie.js';

/**
 * The properties of your sessions. Augment it once, and every `Session` knows them:
 * `declare module 'nestjs-session-stores' { interface SessionData { user: string } }`.
 */
export interface SessionData {}

/** How to rotate a session's secret. */
export interface RotateOptions {
  /** How long the old secret stays valid together with the new one, in milliseconds; default 30 000. */
  grace?: number | undefined;
}

/** Called when a call has ended, as in express-session. */
// `any`, because code that was written for express-session reads `error.message`.
export type SessionCallback = (error?: any) => void;

/** What a handler holds: your data, and what a session can do. Everything that is not one of these names is data. */
export interface Session extends Partial<SessionData> {
  /** The session's id: public, unlike the token that the client holds. */
  readonly id: string;
  /** The name of the identity that its token came by, or will. */
  readonly identity: string;
  /** The attributes of its cookie. */
  cookie: SessionCookie;
  /**
   * Saves now what changed, instead of before the response. Rejects with `SessionGoneError` if the session was
   * destroyed or expired meanwhile.
   */
  save(): Promise<void>;
  save(callback: SessionCallback): this;
  /** Reads the stored session again, in place, and forgets what was changed and not saved. */
  reload(): Promise<void>;
  /** As in express-session: puts a new object at `req.session` and leaves this one as it is. */
  reload(callback: SessionCallback): this;
  /** Destroys the session and removes its cookie. A rejection means that it may still be live. */
  destroy(): Promise<void>;
  destroy(callback: SessionCallback): this;
  /**
   * Destroys this session and starts an empty one in its place, with a new id: do it at login. The new session joins the
   * groups that this request has joined and not saved yet, and is in no other. Rejects, and the session
   * is as it was, if the old one could not be destroyed; with `SessionGoneError` if it was in a group and others
   * destroyed it meanwhile.
   * Rejects too once the response has begun, and on a socket, where the client can be given no token; nothing is saved
   * after that.
   */
  regenerate(): Promise<void>;
  /** As in express-session: puts a new object at `req.session` and leaves this one as it is. */
  regenerate(callback: SessionCallback): this;
  /**
   * Gives the client a new secret for the same session; the old one stays valid for a grace. At login use `regenerate`.
   * Does nothing for a session that is not stored yet, or that another request has rotated, and, unless `grace` is 0,
   * while the grace of the last rotation runs: requests with the secret before it may be on their way.
   */
  rotate(options?: RotateOptions): Promise<void>;
  /** Renews the expiry with this request, even if less than a tenth of the lifetime has passed. */
  touch(): Promise<void>;
  /** Counts the cookie's age from now again. */
  resetMaxAge(): this;
  /** Makes the session a member of a group when it is saved. */
  joinGroup(group: string): Promise<void>;
  /** Takes the session out of a group when it is saved. */
  leaveGroup(group: string): Promise<void>;
  /** The groups that the session is in, with what this request joined and left. */
  groupNames(): Promise<string[]>;
  /**
   * multi-process-session's name for having one group: joins `group`, and leaves the one that was set like this before,
   * in this request or an earlier one. Data cannot read or change which one that was.
   */
  setGroupName(group: string): Promise<void>;
}
