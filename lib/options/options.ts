import { createHmac } from 'node:crypto';
import type { SessionConfig, SessionLogger } from '../session/config.js';
import type { ResolvedIdentity, SessionIdentity } from '../token/identity.js';
import { checkStore } from './store.js';
import type { IncomingMessage } from 'node:http';
import { checkFlag, checkLifetime, checkNoOthers, checkWord } from '../contract/options.js';
import { resolveCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { cookieIdentity } from '../token/cookie-identity.js';
import { TokenSigner, type SigningSecret } from '../token/signer.js';
import type { SessionStore } from '../contract/store.js';

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
  /** Makes the id of a new session; must never give one twice. Default: 24 random bytes, base64url. */
  genid?(req: IncomingMessage): string;
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

const DAY = 24 * 60 * 60_000;

const MEBIBYTE = 2 ** 20;

const OPTIONS =
  'secret, store, name, cookie, identities, idleTimeout, absoluteTimeout, rolling, genid, maxSize, onStoreError, onReplacedToken, noStore, varyCookie, logger; SessionModule also takes forRoutes, exclude, recheck, isGlobal';

/** What to write instead of options that other session packages have. */
const ADVICE = {
  resave: 'Leave it out: a session is saved if it changed, and its expiry is renewed by itself',
  saveUninitialized:
    'Leave it out: a session is stored once something is put into it. To store an empty one, call session.save()',
  unset: 'Leave it out, and call session.destroy()',
  proxy: "Set Express's 'trust proxy', or Fastify's trustProxy",
  ttl: 'Write idleTimeout, in milliseconds',
  expires: 'Write cookie: { maxAge }, in milliseconds',
};

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
    genid,
    maxSize = MEBIBYTE,
    onStoreError = 'fail',
    onReplacedToken = 'refuse',
    noStore = true,
    varyCookie = false,
    logger = console,
    ...others
  } = options;
  checkNoOthers('session', others, OPTIONS, ADVICE);
  if (typeof Object(logger).warn !== 'function' || typeof Object(logger).error !== 'function') {
    throw new TypeError("logger must have the functions warn and error, as console and Nest's Logger have");
  }
  for (const [option, flag] of Object.entries({
    rolling,
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
  const { secrets, createdAt } = checkedStore.capabilities;
  if (!createdAt && absoluteTimeout !== Infinity) {
    throw new TypeError(
      'absoluteTimeout needs a store that keeps when a session was created, which an express-session store does not',
    );
  }
  const resolved = resolveIdentities({ name, cookie, identities });
  return {
    store: checkedStore,
    signer: new TokenSigner(checkSecrets(secret), secrets, genid !== undefined),
    ...resolved,
    cookieByRequest: resolved.identitiesFor !== undefined,
    idleTimeout: checkLifetime('idleTimeout', idleTimeout, 'use Infinity for sessions that never end'),
    absoluteTimeout: checkLifetime('absoluteTimeout', absoluteTimeout, 'leave it out for none'),
    rolling,
    resave: false,
    saveUninitialized: false,
    unset: 'keep',
    genid,
    proxy: undefined,
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
