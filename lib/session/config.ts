import type { IncomingMessage } from 'node:http';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import type { ResolvedIdentity } from '../token/identity.js';
import type { TokenSigner } from '../token/signer.js';
import type { Conditions } from './conditions.js';
import type { SessionLogger } from './logger.js';

/** The options after checks and defaults, as requests read them. */
export interface SessionConfig {
  store: SessionStore;
  /** The value of `req.sessionStore`; default: the store itself. */
  sessionStore?: unknown;
  /**
   * Returns the session with an id from the store's cache, if it is fresh. Such a record can only admit: everything else is
   * decided on a fresh read. `undefined` if there is no cache.
   */
  cached: ((id: string) => SessionRecord | undefined) | undefined;
  /** Whether sockets and `@Sse()` streams use the cache too. */
  cachesSockets: boolean;
  signer: TokenSigner;
  identities: readonly ResolvedIdentity[];
  /** Returns the identities for one request. `undefined` if they do not depend on the request. */
  identitiesFor: ((req: IncomingMessage) => readonly ResolvedIdentity[]) | undefined;
  /** Whether the default attributes of the cookie depend on the request. */
  cookieByRequest: boolean;
  idleTimeout: number;
  absoluteTimeout: number;
  /** How long a secret is used before it is rotated by itself; `Infinity` for never. */
  rotateAfter: number;
  /** The part of the lifetime after which a renewal is due. */
  touchAfter: number;
  /** Whether a request is passive: it does not renew its session. Called by `isPassiveRequest`. */
  passive: ((req: IncomingMessage) => unknown) | undefined;
  /** Describes the client of a request, as the text that stores keep. `undefined`: no use of a session is recorded. */
  clientOf: ((req: IncomingMessage) => string) | undefined;
  rolling: boolean | undefined;
  /** Whether every request renews the expiry. Set only by `./express`, as are the next two. */
  resave: boolean;
  /** Whether a new session is stored even if it is empty. */
  saveUninitialized: boolean;
  /** What removing `req.session` does. */
  unset: 'keep' | 'destroy';
  genid: ((req: IncomingMessage) => string) | undefined;
  /** The names that data cannot have. `./express` sets express-session's alone. */
  reservedNames: ReadonlySet<string>;
  /**
   * Whether `X-Forwarded-Proto` is trusted; `undefined`: as the platform trusts its proxies. Set only by `./express`.
   */
  proxy: boolean | undefined;
  /** Whether a cookie with `Secure` is sent to localhost over plain HTTP. */
  secureOnLocalhost: boolean;
  maxSize: number;
  onStoreError: 'fail' | 'anonymous';
  onReplacedToken: 'refuse' | 'destroy';
  /** What happens to unsafe requests of pages of other sites. */
  crossSite: 'allow' | 'isolate' | 'reject';
  /** The origins whose pages count as pages of this site. */
  origins: readonly string[];
  noStore: boolean;
  /** The request headers that responses name in `Vary`. */
  vary: readonly string[];
  logger: SessionLogger;
  /** A session as logs name it, by its id. */
  nameOf: (id: string) => string;
  /** Conditions that span many requests and are logged once. */
  conditions: Conditions;
  /** Whether to log mistakes that cost time to find: `NODE_ENV` is `development` or not set. */
  isDevelopment: boolean;
}

/**
 * Whether a record holds all attributes of the cookie, not only those that differ from the defaults. It does if the
 * defaults depend on the request, so that the cookie stays as it was made, and if other programs read the cookie from
 * the store.
 */
export function keepsWholeCookie({ cookieByRequest, store }: SessionConfig): boolean {
  return cookieByRequest || !store.capabilities.secrets;
}
