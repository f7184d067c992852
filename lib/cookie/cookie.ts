/**
 * The cookie of a session, at `session.cookie`: set its attributes, and the response carries them.
 *
 * Each type takes in what the cookie of express-session and of @fastify/session has under the name: where their types
 * are installed, their sessions must be assignable to ours.
 */
export interface SessionCookie {
  /** How long the session lives unused, in milliseconds, as it was set; `null`: until the browser is closed. */
  originalMaxAge: number | null;
  /** How long the session lives unused from now on, in milliseconds; `null`: until the browser is closed. */
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
