import type { IncomingMessage } from 'node:http';
import type { SessionStore } from '../contract/store.js';
import type { ResolvedIdentity } from '../token/identity.js';
import type { TokenSigner } from '../token/signer.js';

/** Where the session layer says what it cannot say in a response. Nest's `Logger` and `console` fit. */
export interface SessionLogger {
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}

/** Options after checks and defaults: what the request path reads. */
export interface SessionConfig {
  store: SessionStore;
  /** What `req.sessionStore` is, where it is not the store itself. */
  sessionStore?: unknown;
  signer: TokenSigner;
  identities: readonly ResolvedIdentity[];
  /** The identities of one request, where they depend on it. */
  identitiesFor: ((req: IncomingMessage) => readonly ResolvedIdentity[]) | undefined;
  /** Whether requests differ in the cookie that sessions begin with. */
  cookieByRequest: boolean;
  idleTimeout: number;
  absoluteTimeout: number;
  rolling: boolean | undefined;
  /** Whether every request renews the expiry. As the three below, only express-session's drop-in sets it. */
  resave: boolean;
  /** Whether a new session is stored although nothing was put into it. */
  saveUninitialized: boolean;
  /** What taking `req.session` away does. */
  unset: 'keep' | 'destroy';
  genid: ((req: IncomingMessage) => string) | undefined;
  /** Whether `X-Forwarded-Proto` is believed; `undefined`: as the platform trusts its proxies. */
  proxy: boolean | undefined;
  maxSize: number;
  onStoreError: 'fail' | 'anonymous';
  onReplacedToken: 'refuse' | 'destroy';
  noStore: boolean;
  /** The request headers that answers say they depend on. */
  vary: readonly string[];
  logger: SessionLogger;
}
