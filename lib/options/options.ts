import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isExpressStore } from '../stores/express/store.js';
import { checkFlag, checkLifetime, checkNoOthers, checkWord } from '../contract/options.js';
import { resolveCookie, type ResolvedCookie, type SessionCookieOptions } from '../cookie/cookie.js';
import { cookieIdentity, type SessionIdentity } from '../token/identity.js';
import { TokenSigner, type SigningSecret } from '../token/signer.js';
import type { SessionStore } from '../contract/store.js';

/** Where the session layer says what it cannot say in an answer. Nest's `Logger` and `console` fit. */
export interface SessionLogger {
  warn(message: string): void;
  error(message: string, cause?: unknown): void;
}

/** What `sessionMiddleware` and `SessionModule` take. Durations are milliseconds. */
export interface SessionOptions {
  /** Signs the tokens; of a list the first signs and all verify, so that a secret can be replaced. Required. */
  secret: SigningSecret | SigningSecret[];
  /** Where sessions live. `SessionModule` makes a `ClusterStore` when absent; `sessionMiddleware` demands one. */
  store?: SessionStore;
  /** The cookie's name; default `'sid'`. */
  name?: string;
  /** The cookie's attributes, or what gives them for a request. */
  cookie?: SessionCookieOptions | SessionCookieFactory;
  /**
   * How tokens travel, instead of in the cookie of `name` and `cookie`: `[cookieIdentity(), headerIdentity()]`. Of those
   * that apply to a request the first whose token is present decides, headers before cookies; the first in the list
   * gives new sessions theirs.
   */
  identities?: readonly SessionIdentity[];
  /** How long a session without `cookie.maxAge` lives unused; default 24 h, `Infinity` never ends. */
  idleTimeout?: number;
  /** How long any session lives at most, counted from its creation; default: no such limit. */
  absoluteTimeout?: number;
  /**
   * When the cookie is sent again. Absent: whenever the expiry moved or the session changed, so that an active
   * user is never logged out; `true`: with every response; `false`: only when the session changed.
   */
  rolling?: boolean;
  /** Whether every request renews the expiry, not only one after a tenth of the lifetime; default `false`. */
  resave?: boolean;
  /** Whether a new session is stored although nothing was put into it; default `false`. */
  saveUninitialized?: boolean;
  /** What taking `req.session` away (`= null`, `delete`) does: `'keep'` (default) leaves it stored, `'destroy'` ends it. */
  unset?: 'keep' | 'destroy';
  /** Makes the id of a new session; must never give one twice. Default: 24 random bytes, base64url. */
  genid?(req: IncomingMessage): string;
  /** Whether `X-Forwarded-Proto` says what `secure: 'auto'` asks; default: as Express's `trust proxy` has it. */
  proxy?: boolean;
  /** How many bytes the names and JSON texts of a session's data may have; default 1 048 576 (1 MiB). */
  maxSize?: number;
  /**
   * What happens when a session cannot be read because the store is away: `'fail'` (default) answers 503, `'anonymous'`
   * serves the request with an empty session that cannot be changed.
   */
  onStoreError?: 'fail' | 'anonymous';
  /** What the use of a secret that was replaced does: `'refuse'` (default) gives a new session, `'destroy'` ends the old one too. */
  onReplacedToken?: 'refuse' | 'destroy';
  /** Whether an answer that gives or removes a token says `Cache-Control: no-store`; default `true`. */
  noStore?: boolean;
  /** Whether answers say `Vary: Cookie`; default `false`. What a header identity reads is always said. */
  varyCookie?: boolean;
  /** Default: `console`, and Nest's `Logger` in a Nest app. */
  logger?: SessionLogger;
}

/** The cookie's attributes for the sessions of one request: Express's, Fastify's raw one, or a socket's handshake. */
export type SessionCookieFactory = {
  // A method's form, so that what takes Express's `Request` fits.
  of(req: IncomingMessage): SessionCookieOptions;
}['of'];

/** An identity, and the cookie that its sessions begin with. */
export interface ResolvedIdentity {
  identity: SessionIdentity;
  cookie: ResolvedCookie;
  /** Whether browsers send its token by themselves, and only over HTTPS if its cookie says so. */
  isCookie: boolean;
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
  resave: boolean;
  saveUninitialized: boolean;
  unset: 'keep' | 'destroy';
  genid: ((req: IncomingMessage) => string) | undefined;
  proxy: boolean | undefined;
  maxSize: number;
  onStoreError: 'fail' | 'anonymous';
  onReplacedToken: 'refuse' | 'destroy';
  noStore: boolean;
  /** The request headers that answers say they depend on. */
  vary: readonly string[];
  logger: SessionLogger;
}

const DAY = 24 * 60 * 60_000;

const MEBIBYTE = 2 ** 20;

const OPTIONS =
  'secret, store, name, cookie, identities, idleTimeout, absoluteTimeout, rolling, resave, saveUninitialized, unset, genid, proxy, maxSize, onStoreError, onReplacedToken, noStore, varyCookie and logger (in SessionModule also forRoutes, exclude, recheck and isGlobal)';

const STORE_METHODS = ['create', 'read', 'update', 'rotate', 'destroy', 'page', 'count', 'clear'] as const;

/** Checks options and fills in defaults. Throws a `TypeError` that says what to write instead. */
export function resolveOptions(options: SessionOptions): SessionConfig {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('session options must be an object: { secret: process.env.SESSION_SECRET }');
  }
  const {
    secret,
    store,
    name,
    cookie,
    identities,
    idleTimeout = DAY,
    absoluteTimeout = Infinity,
    rolling,
    resave = false,
    saveUninitialized = false,
    unset = 'keep',
    genid,
    proxy,
    maxSize = MEBIBYTE,
    onStoreError = 'fail',
    onReplacedToken = 'refuse',
    noStore = true,
    varyCookie = false,
    logger = console,
    ...others
  } = options;
  checkNoOthers('the session layer', others, OPTIONS);
  if (typeof Object(logger).warn !== 'function' || typeof Object(logger).error !== 'function') {
    throw new TypeError("logger must have the functions warn and error, as console and Nest's Logger have");
  }
  for (const [option, flag] of Object.entries({
    rolling,
    resave,
    saveUninitialized,
    proxy,
    noStore,
    varyCookie,
  }))
    checkFlag(option, flag);
  if (genid !== undefined && typeof genid !== 'function') {
    throw new TypeError('genid must be a function that returns an id: genid: () => randomUUID()');
  }
  if (typeof maxSize !== 'number' || !(maxSize > 0))
    throw new TypeError('maxSize must be a positive number of bytes; use Infinity for none');
  const checkedStore = checkStore(store);
  if (checkedStore.tokens === 'id' && absoluteTimeout !== Infinity) {
    throw new TypeError(
      'absoluteTimeout needs a store that keeps when a session was made, which an express-session store does not',
    );
  }
  const resolved = resolveIdentities({ name, cookie, identities });
  return {
    store: checkedStore,
    signer: new TokenSigner(checkSecrets(secret), checkedStore.tokens ?? 'secret', genid !== undefined),
    ...resolved,
    cookieByRequest: resolved.identitiesFor !== undefined,
    idleTimeout: checkLifetime('idleTimeout', idleTimeout, 'use Infinity for sessions that never end'),
    absoluteTimeout: checkLifetime('absoluteTimeout', absoluteTimeout, 'leave it out for none'),
    rolling,
    resave,
    saveUninitialized,
    unset: checkWord('unset', unset, ['keep', 'destroy']),
    genid,
    proxy,
    maxSize,
    onStoreError: checkWord('onStoreError', onStoreError, ['fail', 'anonymous']),
    onReplacedToken: checkWord('onReplacedToken', onReplacedToken, ['refuse', 'destroy']),
    noStore,
    vary: resolved.identities
      .filter(({ isCookie }) => varyCookie || !isCookie)
      .map(({ identity }) => identity.header),
    logger,
  };
}

function resolveIdentities({
  name,
  cookie,
  identities,
}: Pick<SessionOptions, 'name' | 'cookie' | 'identities'>): Pick<
  SessionConfig,
  'identities' | 'identitiesFor'
> {
  if (identities === undefined) {
    const named = { ...(name !== undefined && { name }) };
    if (typeof cookie !== 'function')
      return { identities: [resolveIdentity(cookieOf(named, cookie))], identitiesFor: undefined };
    return {
      // Stands for all of them where there is no request; whether a prefix is right only the function says.
      identities: [resolveIdentity(cookieIdentity({ ...named, secure: true }))],
      identitiesFor: (req) => [resolveIdentity(cookieOf(named, cookie(req)))],
    };
  }
  if (name !== undefined || cookie !== undefined) {
    throw new TypeError(
      'name and cookie are for the one cookie identity there is without identities: write them as cookieIdentity({ name, … }) there',
    );
  }
  if (!Array.isArray(identities) || identities.length === 0) {
    throw new TypeError('identities must be a list of at least one: [cookieIdentity(), headerIdentity()]');
  }
  return { identities: identities.map(resolveIdentity), identitiesFor: undefined };
}

/** The identity of `name` and `cookie`, which says nothing about which hosts it is for. */
function cookieOf(named: { name?: string }, cookie: SessionCookieOptions | undefined): SessionIdentity {
  if (cookie === undefined) return cookieIdentity(named);
  resolveCookie(cookie);
  return cookieIdentity({ ...cookie, ...named });
}

function resolveIdentity(identity: SessionIdentity): ResolvedIdentity {
  const { name, header, get, set, remove, cookie } = Object(identity) as SessionIdentity;
  if (
    typeof name !== 'string' ||
    typeof header !== 'string' ||
    [get, set, remove].some((one) => typeof one !== 'function')
  ) {
    throw new TypeError(
      'an identity must be cookieIdentity(), headerIdentity() or an object with name, header, get, set and remove',
    );
  }
  return { identity, cookie: resolveCookie(cookie), isCookie: header.toLowerCase() === 'cookie' };
}

/** The store in `store`, recognised by its methods: a class from another copy of the package is another class. */
export function checkStore(store: unknown): SessionStore {
  if (store === undefined) {
    throw new TypeError(
      'store is required: store: new ClusterStore(), from nestjs-session-stores/stores/cluster',
    );
  }
  if (typeof Object(store).then === 'function') {
    throw new TypeError('store must be a store, not a promise of one: await it, in forRootAsync');
  }
  const missing = STORE_METHODS.filter((method) => typeof Object(store)[method] !== 'function');
  if (missing.length > 0 && isExpressStore(store)) {
    throw new TypeError(
      'store is one for express-session: wrap it, store: fromExpressStore(store), from nestjs-session-stores/express',
    );
  }
  if (missing.length > 0) {
    throw new TypeError(
      `store must be a SessionStore such as new ClusterStore(), but it has no ${missing.join(', ')}: pass an instance of a class that extends SessionStore`,
    );
  }
  return store as SessionStore;
}

function checkSecrets(secret: unknown): SigningSecret[] {
  const secrets = Array.isArray(secret) ? secret : [secret];
  if (
    secrets.length === 0 ||
    secrets.some((one) => !one || (typeof one !== 'string' && typeof one !== 'object'))
  ) {
    throw new TypeError(
      'secret is required: a non-empty string that all processes share, or a list of them of which the first signs (make one with: openssl rand -base64 32)',
    );
  }
  for (const one of secrets) {
    try {
      createHmac('sha256', one as SigningSecret);
    } catch {
      throw new TypeError('secret must be a string, a Buffer or a secret KeyObject, or a list of them');
    }
  }
  return secrets as SigningSecret[];
}
