import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResolvedCookie, SessionCookieOptions } from '../cookie/attributes.js';
import type { SessionCookie } from '../cookie/cookie.js';

/** How a client's token travels: where it is read from, put and removed. */
export interface SessionIdentity {
  /** What `session.identity` says. */
  readonly name: string;
  /** The request header that the token comes in. */
  readonly header: string;
  /** The defaults of `session.cookie`, and with that how long sessions live; default: as a cookie without options. */
  readonly cookie?: SessionCookieOptions;
  /** Whether a request may have a session of this identity; default: any. */
  appliesTo?(req: IncomingMessage): boolean;
  /**
   * What the client presents, as it was given to `set`. Anything but `undefined` decides: without a good token among
   * these there is no session, whatever other identities find.
   */
  get(req: IncomingMessage): readonly string[] | undefined;
  /** Gives the client a token: text that cookies and headers can hold as it is. */
  set(res: ServerResponse, token: string, session: IdentifiedSession): void;
  /** Lets the client forget its token. */
  remove(res: ServerResponse, session: IdentifiedSession): void;
}

/** The session that a token is for. */
export interface IdentifiedSession {
  /** As the handler left it. */
  readonly cookie: SessionCookie;
  /** Epoch milliseconds; 8.64e15 for never. */
  readonly expiresAt: number;
}

/** An identity, and the cookie that its sessions begin with. */
export interface ResolvedIdentity {
  identity: SessionIdentity;
  cookie: ResolvedCookie;
  /** Whether browsers send its token by themselves, and only over HTTPS if its cookie says so. */
  isCookie: boolean;
}

/** A name of a cookie or a header: a token of RFC 9110, section 5.6.2. */
export function isTokenName(name: unknown): name is string {
  return typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name);
}
