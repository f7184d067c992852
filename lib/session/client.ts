import type { ResolvedIdentity } from '../token/identity.js';

/** What the session work needs to know about its client: the client of a request, or of a message on a socket. */
export interface Client {
  /** The object whose `session` property is the session. Handlers may delete or replace it. */
  readonly holder: { session?: unknown };
  /** The identity of the client's token, or of the token of a new session. */
  readonly identity: ResolvedIdentity;
  /** Whether the client is connected over HTTPS, which decides what `secure: 'auto'` means. */
  readonly isSecure: boolean;
  /** Whether the option `passive` says that the request, or the socket, does not renew its session. */
  readonly isPassive: boolean;
  /** Whether it is a socket, or a request that a socket's protocol makes. */
  readonly isSocket: boolean;
  /** Whether a new token can reach the client, or why it cannot. */
  canGiveToken(): true | NoToken;
  /** The client as the option `client` describes it, as the text that stores keep. `undefined` without the option. */
  describe(): string | undefined;
  /** The id of a new session, by `genid` if that is set. */
  newId(): string;
}

/**
 * Why a new token cannot reach the client.
 *
 * - `never`: there is no response that could carry it.
 * - `held`: the response has begun, and waits for the commit. It can carry the token of a session that the commit
 *   creates.
 * - `sent`: the headers were sent.
 */
export type NoToken = 'never' | 'held' | 'sent';

/** Why a socket cannot start a session, and what to do instead. */
const NEVER_ON_SOCKET =
  'a socket cannot give its client a token. Do it in an HTTP request, and connect the socket after that';

/** The error of an operation that must give the client a token, but cannot. */
export function noTokenError(operation: string, reason: NoToken): Error {
  if (reason === 'never') return new Error(`${operation}: ${NEVER_ON_SOCKET}`);
  return new Error(
    `${operation}: the response has begun, so it cannot carry a new token. Call ${operation} earlier`,
  );
}
