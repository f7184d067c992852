import type { IncomingMessage } from 'node:http';
import { sign } from 'cookie-signature';
import type expressSession from 'express-session';
import { resolveCookie, type ResolvedCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { cookieIdentity } from '../token/cookie-identity.js';
import { pathOf } from '../token/scope.js';
import type { SessionIdentity } from '../token/identity.js';
import { resolveOptions, type SessionOptions } from '../options/options.js';
import type { SessionConfig } from '../session/config.js';
import type { SessionStore } from '../contract/store.js';
import type { SigningSecret } from '../token/signer.js';

/** What our layer has beside express-session's options. */
type OurOptions = Pick<
  SessionOptions,
  | 'idleTimeout'
  | 'absoluteTimeout'
  | 'maxSize'
  | 'onStoreError'
  | 'onReplacedToken'
  | 'noStore'
  | 'varyCookie'
  | 'logger'
>;

/** What `session` takes: all that express-session takes, a store of ours, and with that what our layer has beside. */
export interface ExpressSessionOptions
  extends Omit<expressSession.SessionOptions, 'store' | 'secret' | 'cookie'>, OurOptions {
  /** Of a list the first signs and all verify. Absent: `req.secret`, which cookie-parser sets. */
  secret?: SigningSecret | SigningSecret[];
  store?: expressSession.Store | SessionStore;
  /** Another word for `name`. */
  key?: string;
  cookie?: ExpressCookieOptions | { of(req: any): ExpressCookieOptions }['of'];
}

type ExpressCookieOptions = Omit<expressSession.CookieOptions, 'sameSite'> & {
  sameSite?: expressSession.CookieOptions['sameSite'] | 'auto';
};

/** A request with what cookie-parser puts on it. */
type ParsedRequest = IncomingMessage & {
  originalUrl?: string;
  cookies?: Record<string, unknown>;
  signedCookies?: Record<string, unknown>;
};

const COOKIE_DEFAULTS: SessionCookieOptions = { httpOnly: true };

/** express-session's options and defaults over a store of ours. Throws a `TypeError` for wrong ones. */
export function resolveExpressOptions(
  options: ExpressSessionOptions,
  store: SessionStore,
  secret: SigningSecret | SigningSecret[],
  deprecate: (message: string) => void,
): SessionConfig {
  const { idleTimeout, absoluteTimeout, maxSize, onStoreError, onReplacedToken, varyCookie, logger } =
    options;
  const { genid, proxy, noStore = false } = options;
  const cookie = options.cookie || {};
  const config = resolveOptions({
    idleTimeout,
    absoluteTimeout,
    maxSize,
    onStoreError,
    onReplacedToken,
    varyCookie,
    logger,
    noStore,
    secret,
    store,
    genid: (genid || undefined) as SessionOptions['genid'],
    rolling: Boolean(options.rolling),
  });
  const identity = expressIdentity(
    options.name || options.key || 'connect.sid',
    [secret].flat()[0]!,
    config,
    deprecate,
  );
  const resolved = (attributes: ExpressCookieOptions): ResolvedCookie => {
    const { maxAge, ...others } = attributesOf(attributes);
    const { secure, plain } = resolveCookie(others, COOKIE_DEFAULTS);
    // Any age there is: what is over ends its sessions at once.
    return { secure: { ...secure, maxAge }, plain: { ...plain, maxAge } };
  };
  // An instant that all sessions end at is another age for each.
  const isFixed = typeof cookie !== 'function' && !endsAt(cookie);
  const withCookie = (own: ResolvedCookie) => ({ identity, cookie: own, isCookie: true });
  const fixed = withCookie(isFixed ? resolved(cookie) : resolveCookie({}, COOKIE_DEFAULTS));
  return {
    ...config,
    resave: Boolean(options.resave),
    saveUninitialized: Boolean(options.saveUninitialized),
    unset: options.unset || 'keep',
    proxy: typeof proxy === 'boolean' ? proxy : undefined,
    identities: [fixed],
    cookieByRequest: !isFixed,
    identitiesFor(req) {
      const own = isFixed ? fixed : withCookie(resolved(typeof cookie === 'function' ? cookie(req) : cookie));
      return pathOf(req).startsWith(own.cookie.plain.path!) ? [own] : [];
    },
  };
}

/** The signed cookie, in the header or where cookie-parser has put it. */
function expressIdentity(
  name: string,
  secret: SigningSecret,
  { signer }: SessionConfig,
  deprecate: (message: string) => void,
): SessionIdentity {
  // Names with a prefix want what `cookie` says; that is the app's to match, as in express-session.
  const { header, get, set, remove } = cookieIdentity({ name, secure: true });
  const isGood = (text: string): boolean => signer.verify(text) !== undefined;
  return {
    name,
    header,
    set,
    remove,
    get(req: ParsedRequest) {
      const inHeader = get(req);
      const { signedCookies, cookies } = req;
      if (inHeader?.some(isGood) || !(signedCookies || cookies)) return inHeader;
      const parsed: string[] = [];
      const verified = signedCookies?.[name];
      if (typeof verified === 'string') parsed.push(encodeURIComponent(`s:${sign(verified, secret)}`));
      const signed = cookies?.[name];
      if (typeof signed === 'string') parsed.push(encodeURIComponent(signed));
      const good = parsed.filter(isGood);
      if (good.length === 0) return inHeader;
      deprecate('cookie should be available in req.headers.cookie');
      return good;
    },
  };
}

/** The attributes that we know; a `Cookie` of express-session keeps others too, which reach no client. */
function attributesOf(cookie: ExpressCookieOptions): SessionCookieOptions {
  const { maxAge, path, domain, httpOnly, secure, sameSite, priority, partitioned } = cookie;
  const end = endsAt(cookie);
  const attributes = {
    maxAge: end ? end.getTime() - Date.now() : (maxAge ?? null),
    path: path || '/',
    domain: domain || undefined,
    httpOnly,
    secure,
    sameSite: inLowerCase(sameSite) || undefined,
    priority: inLowerCase(priority),
    partitioned,
  };
  return attributes as SessionCookieOptions;
}

function inLowerCase(word: unknown): unknown {
  return typeof word === 'string' ? word.toLowerCase() : word;
}

/** The instant that `expires`, or express-session's deprecated form of `maxAge`, sets for all sessions. */
function endsAt({ expires, maxAge }: ExpressCookieOptions): Date | undefined {
  return [maxAge, expires].find((one): one is Date => (one as unknown) instanceof Date);
}
