import type { SessionCacheOptions } from '../cache/options.js';
import type { SessionEncryptOptions } from '../encryption/options.js';
import type { SessionMigrateOptions } from '../migration/options.js';
import { Conditions } from '../session/conditions.js';
import type { SessionConfig } from '../session/config.js';
import { TOUCH_AFTER } from '../session/expiry.js';
import { MEMBER_NAMES } from '../session/names.js';
import type { SessionLogger } from '../session/logger.js';
import type { FromRequest } from '../token/from-request.js';
import type { ResolvedIdentity, SessionIdentity } from '../token/identity.js';
import type { AddressPart, SessionClient } from '../session/seen.js';
import { cacheOf } from './cached-store.js';
import { resolveClient } from './client.js';
import { resolveCrossSite } from './cross-site.js';
import { checkSecrets } from './secrets.js';
import { checkStore } from './check-store.js';
import { checkFlag, checkLifetime, checkNoOthers, checkWord } from '../contract/option-checks.js';
import { resolveCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { cookieIdentity } from '../token/cookie-identity.js';
import { TokenSigner, type SigningSecret } from '../token/signer.js';
import { hidesIds, idInLog, type LogIds } from '../contract/log-id.js';
import type { SessionStore } from '../contract/store.js';

/** The options of `sessionMiddleware` and `SessionModule`. Durations are milliseconds. */
export interface SessionOptions {
  /** Signs the tokens. The first of a list signs and all verify, so that a secret can be replaced. Required. */
  secret: SigningSecret | SigningSecret[];
  /** Where sessions are stored. Default in `SessionModule`: a new `ClusterStore`. Required by `sessionMiddleware`. */
  store?: SessionStore | undefined;
  /** The cookie's name; default `'sid'`. */
  name?: string | undefined;
  /** The cookie's attributes, or a function that returns them for a request. */
  cookie?: SessionCookieOptions | SessionCookieFactory | undefined;
  /**
   * How tokens travel, instead of in the cookie of `name` and `cookie`: `[cookieIdentity(), headerIdentity()]`. Of the
   * identities that apply to a request, the first with a token decides, headers before cookies. If none has a token,
   * the first of them gives a new session its token.
   */
  identities?: readonly SessionIdentity[] | undefined;
  /**
   * How long a session without `cookie.maxAge` lives unused; default 24 h, `Infinity` for sessions that never expire.
   */
  idleTimeout?: number | undefined;
  /**
   * Whether `GET` and `HEAD` requests may use sessions that this process has read before, without a call to the store; default
   * `false`. The store must have a feed.
   */
  cache?: boolean | SessionCacheOptions | undefined;
  /**
   * Seals what the store holds of sessions: values, labels, clients, and with a key of their own the names of groups.
   * Default: they are stored in plain text.
   */
  encrypt?: SessionEncryptOptions | undefined;
  /**
   * The store where the sessions are now, from which they move to `store` when they are used. Default: no session moves.
   */
  migrateFrom?: SessionMigrateOptions | undefined;
  /** How long any session lives at most after its creation; default: no limit. */
  absoluteTimeout?: number | undefined;
  /**
   * When the cookie is sent again. `true`: with every response. `false`: only if the session changed. Default: if the
   * session changed or its expiry was renewed, so that an active user is never logged out.
   */
  rolling?: boolean | undefined;
  /**
   * Whether a request is passive, such as the poll of an open page: it may use its session, but does not renew it. Called
   * with Express's request, Fastify's raw one, or a socket's handshake, whose messages are then passive. Default: none is.
   */
  passive?: FromRequest<boolean> | undefined;
  /**
   * How long a secret is used before a request rotates it by itself, in milliseconds; default `Infinity`. Never on a
   * passive request, a socket, or a request whose session came from the cache.
   */
  rotateAfter?: number | undefined;
  /**
   * The part of its lifetime after which a session that is used is renewed, from 0 to 0.5; default 0.1. A session may
   * expire that part of its idle timeout earlier than one would expect from its last request.
   */
  touchAfter?: number | undefined;
  /**
   * Whether to record when a session was last used, and by which client; default `false`. `true`: the network of its address
   * (/24 or /48) and its `User-Agent`. `{ ip }`: with all of the address, or none. A function returns the client of a
   * request. A use costs a write if nothing was written for five minutes.
   */
  client?: boolean | { ip: AddressPart } | FromRequest<SessionClient> | undefined;
  /** Generates session ids. Must be unique. Default: 24 random bytes, base64url. */
  genid?: FromRequest<string> | undefined;
  /** How many bytes the names and JSON texts of a session's data may have; default 1 048 576 (1 MiB). */
  maxSize?: number | undefined;
  /**
   * What happens if a session cannot be read because the store is unreachable. `'fail'` (default): the response is a
   * 503. `'anonymous'`: the request is served with an empty session that cannot be changed.
   */
  onStoreError?: 'fail' | 'anonymous' | undefined;
  /**
   * What happens if a replaced token is presented. `'refuse'` (default): the client gets a new session. `'destroy'`:
   * the old session is destroyed too.
   */
  onReplacedToken?: 'refuse' | 'destroy' | undefined;
  /**
   * What happens to unsafe requests, such as a `POST`, of pages of other sites. `'allow'` (default): nothing special.
   * `'isolate'`: one without a session gets none. `'reject'`: moreover, one that a cookie has authenticated gets a 403.
   */
  crossSite?: 'allow' | 'isolate' | 'reject' | undefined;
  /** The origins of other sites whose requests are accepted, whatever `crossSite` says; default: none. */
  origins?: readonly string[] | undefined;
  /** Whether a response that sets or removes a token has `Cache-Control: no-store`; default `true`. */
  noStore?: boolean | undefined;
  /** Whether responses have `Vary: Cookie`; default `false`. The header of a header identity is always in `Vary`. */
  varyCookie?: boolean | undefined;
  /** Where warnings and errors are logged; default: `console`, and Nest's `Logger` in a Nest app. */
  logger?: SessionLogger | undefined;
  /**
   * How the ids of sessions appear in logs: as they are, or as their SHA-256; default `'plain'`, because an id gives no
   * access. The ids of an express-session store are credentials, and always appear as their SHA-256.
   */
  logIds?: LogIds | undefined;
}

/** Returns the cookie's attributes for a request: Express's, Fastify's raw one, or a socket's handshake. */
export type SessionCookieFactory = FromRequest<SessionCookieOptions>;

const DAY = 24 * 60 * 60_000;

const MEBIBYTE = 2 ** 20;

const OPTIONS =
  'secret, store, cache, encrypt, migrateFrom, name, cookie, identities, idleTimeout, absoluteTimeout, rolling, passive, rotateAfter, touchAfter, client, genid, maxSize, onStoreError, onReplacedToken, crossSite, origins, noStore, varyCookie, logger, logIds; SessionModule also takes forRoutes, exclude, recheck, isGlobal';

/** What to write instead of the options of other session packages. */
const ADVICE = {
  resave: 'Leave it out: a session is saved if it changed, and its expiry is renewed automatically',
  saveUninitialized:
    'Leave it out: a session is stored once it has data. To store an empty one, call session.save()',
  unset: 'Leave it out, and call session.destroy()',
  proxy: "Set Express's 'trust proxy', or Fastify's trustProxy",
  ttl: 'Write idleTimeout, in milliseconds',
  cacheMaxAge: 'Write cache: { maxAge }, in milliseconds',
  cacheLimit: 'Write cache: { maxSessions }',
  expires: 'Write cookie: { maxAge }, in milliseconds',
};

/** Checks options and adds defaults. `withDecorators` is called before. Throws a `TypeError` that says what to write instead. */
export function resolveOptions(options: SessionOptions): SessionConfig {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('session options must be an object: write { secret: process.env.SESSION_SECRET }');
  }
  const {
    secret,
    store,
    cache,
    encrypt: _,
    migrateFrom: __,
    name,
    cookie,
    identities,
    idleTimeout = DAY,
    absoluteTimeout = Infinity,
    rolling,
    passive,
    rotateAfter = Infinity,
    touchAfter = TOUCH_AFTER,
    client,
    genid,
    maxSize = MEBIBYTE,
    onStoreError = 'fail',
    onReplacedToken = 'refuse',
    crossSite,
    origins,
    noStore = true,
    varyCookie = false,
    logger = console,
    logIds = 'plain',
    ...others
  } = options;
  checkNoOthers('session', others, OPTIONS, ADVICE);
  if (typeof Object(logger).warn !== 'function' || typeof Object(logger).error !== 'function') {
    throw new TypeError(
      "logger must have the functions warn and error: write console, or one of Nest's Loggers",
    );
  }
  for (const [option, flag] of Object.entries({
    rolling,
    noStore,
    varyCookie,
  }))
    checkFlag(option, flag);
  if (genid !== undefined && typeof genid !== 'function') {
    throw new TypeError('genid must be a function that returns an id: write genid: () => randomUUID()');
  }
  if (passive !== undefined && typeof passive !== 'function') {
    throw new TypeError(
      "passive must be a function that returns whether a request is passive: write passive: (req) => req.url === '/status'",
    );
  }
  if (typeof touchAfter !== 'number' || !(touchAfter >= 0 && touchAfter <= 0.5))
    throw new TypeError('touchAfter must be a number from 0 to 0.5: leave it out for 0.1');
  if (typeof maxSize !== 'number' || !(maxSize > 0))
    throw new TypeError('maxSize must be a positive number of bytes: write Infinity for no limit');
  const checkedStore = checkStore(store);
  checkWord('logIds', logIds, ['plain', 'hashed']);
  const { capabilities } = checkedStore;
  const { secrets, mixedTokens, createdAt } = capabilities;
  if (!createdAt && absoluteTimeout !== Infinity) {
    throw new TypeError(
      'absoluteTimeout needs a store that keeps the creation time of sessions, and an express-session store does not. Leave it out, or use another store',
    );
  }
  if (!secrets && !mixedTokens && rotateAfter !== Infinity) {
    throw new TypeError(
      'rotateAfter needs a store that keeps the secret hashes of sessions, and an express-session store does not. Leave it out, or use another store',
    );
  }
  const resolved = resolveIdentities({ name, cookie, identities });
  return {
    store: checkedStore,
    ...cacheOf(checkedStore, cache),
    signer: new TokenSigner(checkSecrets(secret, logger), capabilities),
    ...resolved,
    clientOf: resolveClient(client, checkedStore),
    cookieByRequest: resolved.identitiesFor !== undefined,
    idleTimeout: checkLifetime('idleTimeout', idleTimeout, 'write Infinity for sessions that never expire'),
    absoluteTimeout: checkLifetime('absoluteTimeout', absoluteTimeout, 'leave it out for no limit'),
    rolling,
    rotateAfter: checkLifetime('rotateAfter', rotateAfter, 'leave it out for no rotations'),
    touchAfter,
    passive,
    resave: false,
    saveUninitialized: false,
    unset: 'keep',
    reservedNames: MEMBER_NAMES,
    genid,
    proxy: undefined,
    secureOnLocalhost: true,
    maxSize,
    onStoreError: checkWord('onStoreError', onStoreError, ['fail', 'anonymous']),
    onReplacedToken: checkWord('onReplacedToken', onReplacedToken, ['refuse', 'destroy']),
    ...resolveCrossSite(crossSite, origins),
    noStore,
    vary: resolved.identities
      .filter(({ isCookie }) => varyCookie || !isCookie)
      .map(({ identity }) => identity.header),
    logger,
    nameOf: (id) => idInLog(id, hidesIds(capabilities) ? 'hashed' : logIds),
    conditions: new Conditions(logger),
    isDevelopment: (process.env['NODE_ENV'] || 'development') === 'development',
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
      // Used where there is no request. Secure, because only the function's result can be checked against a prefix.
      identities: [resolveIdentity(cookieIdentity({ ...named, secure: true }))],
      identitiesFor: (req) => [resolveIdentity(cookieOf(named, cookie(req)))],
    };
  }
  if (name !== undefined || cookie !== undefined) {
    throw new TypeError(
      'name and cookie must not be set together with identities: write them as cookieIdentity({ name, … }) in identities',
    );
  }
  if (!Array.isArray(identities) || identities.length === 0) {
    throw new TypeError(
      'identities must be a list of at least one: write [cookieIdentity(), headerIdentity()]',
    );
  }
  return { identities: identities.map(resolveIdentity), identitiesFor: undefined };
}

/** The identity of the options `name` and `cookie`, without a `host`. */
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
      'an identity must be an object with name, header, get, set and remove: write cookieIdentity() or headerIdentity()',
    );
  }
  return { identity, cookie: resolveCookie(cookie), isCookie: header.toLowerCase() === 'cookie' };
}
