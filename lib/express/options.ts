import type { IncomingMessage } from 'node:http';
import { sign } from 'cookie-signature';
import type expressSession from 'express-session';
import { resolveCookie, type ResolvedCookie, type SessionCookieOptions } from '../cookie/attributes.js';
import { cookieIdentityWithoutMaxAge } from '../token/cookie-identity.js';
import { pathOf } from '../token/scope.js';
import type { SessionIdentity } from '../token/identity.js';
import { resolveOptions, type SessionOptions } from '../options/options.js';
import type { SessionConfig } from '../session/config.js';
import { EXPRESS_NAMES } from '../session/names.js';
import type { SessionStore } from '../contract/store.js';
import type { SigningSecret } from '../token/signer.js';

/** The names of our options that express-session does not have. */
export const OUR_OPTIONS = [
  'idleTimeout',
  'absoluteTimeout',
  'passive',
  'rotateAfter',
  'touchAfter',
  'client',
  'maxSize',
  'onStoreError',
  'onReplacedToken',
  'crossSite',
  'origins',
  'noStore',
  'varyCookie',
  'logger',
  'logIds',
] as const satisfies readonly (keyof SessionOptions)[];

type OurOptions = Pick<SessionOptions, (typeof OUR_OPTIONS)[number]>;

/** The options of `session`: express-session's, with a `SessionStore` as `store`, and then some of `SessionOptions`. */
export interface ExpressSessionOptions
  extends Omit<expressSession.SessionOptions, 'store' | 'secret' | 'cookie' | 'genid'>, OurOptions {
  /** The first of a list signs and all verify. Default: `req.secret`, which cookie-parser sets. */
  secret?: SigningSecret | SigningSecret[] | undefined;
  store?: expressSession.Store | SessionStore | undefined;
  genid?: expressSession.SessionOptions['genid'] | undefined;
  /** An alias of `name`. */
  key?: string | undefined;
  cookie?: ExpressCookieOptions | ((req: any) => ExpressCookieOptions) | undefined;
}

type ExpressCookieOptions = Omit<expressSession.CookieOptions, 'sameSite'> & {
  sameSite?: expressSession.CookieOptions['sameSite'] | 'auto' | undefined;
};

/** A request with the properties that cookie-parser adds. */
type ParsedRequest = IncomingMessage & {
  originalUrl?: string;
  cookies?: Record<string, unknown>;
  signedCookies?: Record<string, unknown>;
};

const COOKIE_DEFAULTS: SessionCookieOptions = { httpOnly: true };

/**
 * Checks express-session's options and adds its defaults, for our middleware. Throws a `TypeError` for invalid options.
 */
export function resolveExpressOptions(
  options: ExpressSessionOptions,
  store: SessionStore,
  secret: SigningSecret | SigningSecret[],
  deprecate: (message: string) => void,
): SessionConfig {
  const { genid, proxy, noStore = false } = options;
  const cookie = options.cookie || {};
  const config = resolveOptions({
    ...oursIn(options),
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
    // Any `maxAge` is allowed. One that is not positive ends the sessions at once.
    return { secure: { ...secure, maxAge }, plain: { ...plain, maxAge } };
  };
  // If all sessions end at one instant, the `maxAge` differs per request.
  const isFixed = typeof cookie !== 'function' && !endsAt(cookie);
  const withCookie = (own: ResolvedCookie) => ({ identity, cookie: own, isCookie: true });
  const fixed = withCookie(isFixed ? resolved(cookie) : resolveCookie({}, COOKIE_DEFAULTS));
  return {
    ...config,
    reservedNames: EXPRESS_NAMES,
    resave: Boolean(options.resave),
    saveUninitialized: Boolean(options.saveUninitialized),
    unset: options.unset || 'keep',
    secureOnLocalhost: false,
    proxy: typeof proxy === 'boolean' ? proxy : undefined,
    identities: [fixed],
    cookieByRequest: !isFixed,
    identitiesFor(req) {
      const own = isFixed ? fixed : withCookie(resolved(typeof cookie === 'function' ? cookie(req) : cookie));
      return pathOf(req).startsWith(own.cookie.plain.path!) ? [own] : [];
    },
  };
}

/** Those of {@link OUR_OPTIONS}, inherited ones included. */
function oursIn(options: ExpressSessionOptions): OurOptions {
  return Object.fromEntries(OUR_OPTIONS.map((name) => [name, options[name]]));
}

/** The signed cookie, in the header or in the properties of cookie-parser. */
function expressIdentity(
  name: string,
  secret: SigningSecret,
  { signer }: SessionConfig,
  deprecate: (message: string) => void,
): SessionIdentity {
  // `secure` only passes the check of a prefix. As in express-session, the app must set the attributes that it needs.
  const { header, get, set, remove } = cookieIdentityWithoutMaxAge({ name, secure: true });
  const isValid = (text: string): boolean => signer.verify(text) !== undefined;
  return {
    name,
    header,
    set,
    remove,
    get(req: ParsedRequest) {
      const inHeader = get(req);
      const { signedCookies, cookies } = req;
      if (inHeader?.some(isValid) || !(signedCookies || cookies)) return inHeader;
      const parsed: string[] = [];
      const verified = signedCookies?.[name];
      if (typeof verified === 'string') parsed.push(encodeURIComponent(`s:${sign(verified, secret)}`));
      const signed = cookies?.[name];
      if (typeof signed === 'string') parsed.push(encodeURIComponent(signed));
      const valid = parsed.filter(isValid);
      if (valid.length === 0) return inHeader;
      deprecate('cookie should be available in req.headers.cookie');
      return valid;
    },
  };
}

/** The known attributes. A `Cookie` of express-session may have others, which reach no client. */
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

/** The instant at which all sessions end, set by `expires` or by express-session's deprecated form of `maxAge`. */
function endsAt({ expires, maxAge }: ExpressCookieOptions): Date | undefined {
  return [maxAge, expires].find((one): one is Date => (one as unknown) instanceof Date);
}
