/**
 * The cookie of a session, at `session.cookie`: set its attributes, and the response carries them.
 *
 * Each type takes in what the cookie of express-session and of @fastify/session has under the name: where their types
 * are installed, their sessions must be assignable to ours.
 */
export interface SessionCookie {
  /** The `maxAge` that was set, in milliseconds. `null`: the browser forgets the cookie when it is closed. */
  originalMaxAge: number | null;
  /**
   * How long browser and store keep the session from now on, in milliseconds. `null`: the browser forgets the cookie when
   * it is closed, and the store keeps the session for `idleTimeout`.
   */
  maxAge?: number | null | undefined;
  expires?: Date | null | undefined;
  path?: string | undefined;
  domain?: string | undefined;
  httpOnly?: boolean | undefined;
  secure?: boolean | 'auto' | undefined;
  sameSite?: boolean | 'lax' | 'strict' | 'none' | undefined;
  priority?: 'low' | 'medium' | 'high' | undefined;
  partitioned?: boolean | undefined;
}
