import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResolvedCookie, SessionCookieOptions } from '../cookie/attributes.js';
import type { SessionCookie } from '../cookie/cookie.js';
import type { FromRequest } from './from-request.js';

/** How a client's token travels: how it is read, set and removed. */
export interface SessionIdentity {
  /** The name of the identity, at `session.identity`. */
  readonly name: string;
  /** The request header with the token. */
  readonly header: string;
  /** The defaults of `session.cookie`, `maxAge` included; default: those of a cookie without options. */
  readonly cookie?: SessionCookieOptions | undefined;
  /** Whether a request may have a session of this identity; default: every request may. */
  appliesTo?: FromRequest<boolean> | undefined;
  /**
   * The tokens that the client presents, as `set` got them. `undefined` if there are none. Otherwise this identity
   * decides: if none of them is valid, the request has no session, whatever other identities would return.
   */
  get(req: IncomingMessage): readonly string[] | undefined;
  /** Sends the client a token. Cookies and headers can hold it without escaping. */
  set(res: ServerResponse, token: string, session: IdentifiedSession): void;
  /** Tells the client to remove its token. */
  remove(res: ServerResponse, session: IdentifiedSession): void;
}

/** The session of a token. */
export interface IdentifiedSession {
  /** The session's cookie, with the handler's changes. */
  readonly cookie: SessionCookie;
  /** Epoch milliseconds; 8.64e15 if the session never expires. */
  readonly expiresAt: number;
}

/** An identity, with the default attributes of its sessions' cookies. */
export interface ResolvedIdentity {
  identity: SessionIdentity;
  cookie: ResolvedCookie;
  /**
   * Whether the token travels in a cookie, which browsers send automatically, and only over HTTPS if it is `Secure`.
   */
  isCookie: boolean;
}

/** Whether a value can be the name of a cookie or a header: a token of RFC 9110, section 5.6.2. */
export function isTokenName(name: unknown): name is string {
  return typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name);
}
