import { createHmac } from 'node:crypto';
import { wrongAttribute, type SessionCookieOptions } from './session.cookie.js';
import { TokenSigner, type SigningSecret } from './session.identity.js';
import type { SessionStore } from './session.store.js';

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
  cookie?: SessionCookieOptions;
  /** How long a session without `cookie.maxAge` lives unused; default 24 h, `Infinity` never ends. */
  ttl?: number;
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
  /** Makes the key of a new session; must never give one twice. Default: 24 random bytes, base64url. */
  genid?: (req: unknown) => string;
  /** Default: `console`, and Nest's `Logger` in a Nest app. */
  logger?: SessionLogger;
}

/** Options after checks and defaults: what the request path reads. */
export interface SessionConfig {
  store: SessionStore;
  signer: TokenSigner;
  name: string;
  /** The cookie's attributes for requests over HTTPS, and for others; they differ where `secure` is `'auto'`. */
  cookie: { secure: SessionCookieOptions; plain: SessionCookieOptions };
  ttl: number;
  absoluteTimeout: number;
  rolling: boolean | undefined;
  resave: boolean;
  saveUninitialized: boolean;
  genid: ((req: unknown) => string) | undefined;
  logger: SessionLogger;
}

const DAY = 24 * 60 * 60_000;

/** A cookie's name is a token of RFC 9110, section 5.6.2. */
const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

const STORE_METHODS = ['create', 'read', 'update', 'rotate', 'destroy', 'page', 'count', 'clear'] as const;

/** Checks options and fills in defaults. Throws a `TypeError` that says what to write instead. */
export function resolveOptions(options: SessionOptions): SessionConfig {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('session options must be an object: { secret: process.env.SESSION_SECRET }');
  }
  const {
    name = 'sid',
    rolling,
    resave = false,
    saveUninitialized = false,
    genid,
    logger = console,
  } = options;
  if (typeof name !== 'string' || !COOKIE_NAME.test(name)) {
    throw new TypeError(`name must be a cookie name such as 'sid': letters, digits and !#$%&'*+-.^_\`|~`);
  }
  if (typeof Object(logger).warn !== 'function' || typeof Object(logger).error !== 'function') {
    throw new TypeError("logger must have the functions warn and error, as console and Nest's Logger have");
  }
  checkFlag('rolling', rolling);
  checkFlag('resave', resave);
  checkFlag('saveUninitialized', saveUninitialized);
  if (genid !== undefined && typeof genid !== 'function') {
    throw new TypeError('genid must be a function that returns a key: genid: () => randomUUID()');
  }
  return {
    store: checkStore(options.store),
    signer: new TokenSigner(checkSecrets(options.secret), genid !== undefined),
    name,
    cookie: resolveCookie(checkCookie(options.cookie)),
    ttl: checkLifetime('ttl', options.ttl ?? DAY, 'use Infinity for sessions that never end'),
    absoluteTimeout: checkLifetime(
      'absoluteTimeout',
      options.absoluteTimeout ?? Infinity,
      'leave it out for none',
    ),
    rolling,
    resave,
    saveUninitialized,
    genid,
    logger,
  };
}

/** The store in `store`, recognised by its methods: a class from another copy of the package is another class. */
export function checkStore(store: unknown): SessionStore {
  if (store === undefined) {
    throw new TypeError(
      'store is required: store: new ClusterStore(), from nestjs-session-stores/stores/cluster',
    );
  }
  const missing = STORE_METHODS.filter((method) => typeof Object(store)[method] !== 'function');
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

function checkCookie(cookie: SessionCookieOptions = {}): SessionCookieOptions {
  if (typeof cookie !== 'object' || cookie === null) {
    throw new TypeError('cookie must be an object of attributes: cookie: { maxAge: 30 * 60_000 }');
  }
  if ('expires' in cookie) {
    throw new TypeError(
      'cookie.expires would end every session at one instant: write cookie: { maxAge: milliseconds }',
    );
  }
  const { maxAge, path = '/', secure = 'auto' } = cookie;
  if (maxAge !== undefined && maxAge !== null) {
    if (maxAge === Infinity)
      throw new TypeError('cookie.maxAge must be finite; for sessions that never end write ttl: Infinity');
    checkLifetime('cookie.maxAge', maxAge, 'leave it out for a cookie that ends with the browser');
  }
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new TypeError("cookie.path must be a path such as '/'");
  if (secure !== 'auto') checkFlag('cookie.secure', secure, " or 'auto'");
  const wrong = wrongAttribute(cookie);
  if (wrong !== undefined) {
    throw new TypeError(`cookie.${wrong} is not what a cookie can have: see the attributes of Set-Cookie`);
  }
  return { httpOnly: true, sameSite: 'lax', ...cookie, path, secure };
}

function resolveCookie({ maxAge = null, ...cookie }: SessionCookieOptions): SessionConfig['cookie'] {
  const auto = cookie.secure === 'auto';
  return {
    secure: { maxAge, ...cookie, secure: auto ? true : cookie.secure },
    plain: { maxAge, ...cookie, secure: auto ? false : cookie.secure },
  };
}

function checkLifetime(option: string, value: unknown, hint: string): number {
  if (typeof value !== 'number' || !(value > 0)) {
    throw new TypeError(`${option} must be a positive number of milliseconds; ${hint}`);
  }
  return value;
}

function checkFlag(option: string, value: unknown, also = ''): void {
  if (value !== undefined && typeof value !== 'boolean') {
    throw new TypeError(`${option} must be true or false${also}`);
  }
}
