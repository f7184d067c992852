import * as depdModule from 'depd';
import * as expressSessionModule from 'express-session';
import { Cookie, MemoryStore, Session, Store } from 'express-session';
import type expressSession from 'express-session';
import { defaultExport } from '../contract/default-export.js';
import { isExpressStore, isSessionStore } from '../contract/shapes.js';
import { fromExpressStore } from '../stores/express/store.js';
import { toExpressStore } from './to-store.js';
import { OUR_OPTIONS, resolveExpressOptions, type ExpressSessionOptions } from './options.js';
import { SessionGoneError, SessionStoreError, SessionTooLargeError } from '../contract/errors.js';
import { cookieIdentity } from '../token/cookie-identity.js';
import { headerIdentity } from '../token/header-identity.js';
import { middlewareOf, sessionMiddleware, type SessionMiddleware } from '../http/middleware.js';
import { checkStore } from '../options/check-store.js';
import { CrossSiteError } from '../http/cross-site.js';
import { exchangeOf } from '../http/attached.js';
import { SessionLimitError } from '../session/limits.js';
import type { SessionStore } from '../contract/store.js';
import type { SigningSecret } from '../token/signer.js';

const makeExpressSession = defaultExport(expressSessionModule);
const depd = defaultExport(depdModule);

type Handler = ReturnType<typeof expressSession>;

/** Logs express-session's deprecations, with the line of the app that called us. */
const deprecate = depd('express-session');

/**
 * A drop-in for express-session, with its options, defaults and statics. With a store for express-session, or none,
 * express-session runs. With a `SessionStore` our middleware runs; `docs/reference/express.md` lists what differs.
 */
function makeSession(options?: expressSession.SessionOptions): Handler;
function makeSession(options: ExpressSessionOptions & { store: SessionStore }): Handler & SessionMiddleware;
function makeSession(options?: ExpressSessionOptions): Handler;
function makeSession(given?: unknown): Handler {
  const options = (given || {}) as ExpressSessionOptions;
  // With a store for express-session too, which would silently store plain text.
  if ('encrypt' in options) {
    throw new TypeError(
      'session() must not have encrypt: write store: new EncryptedStore(store, { keys }), with EncryptedStore from nestjs-session-stores/store',
    );
  }
  if ('migrateFrom' in options) {
    throw new TypeError(
      'session() must not have migrateFrom: write store: new MigratingStore(store, { store: oldStore, move: false }), with MigratingStore from nestjs-session-stores/store',
    );
  }
  const { genid, unset, secret } = options;
  if (genid && typeof genid !== 'function') throw new TypeError('genid option must be a function');
  const defaults: PropertyDescriptorMap = {};
  // Separate calls, because depd logs once per line of our code.
  if (options.resave === undefined) {
    deprecate('undefined resave option; provide resave option');
    defaults['resave'] = { value: true };
  }
  if (options.saveUninitialized === undefined) {
    deprecate('undefined saveUninitialized option; provide saveUninitialized option');
    defaults['saveUninitialized'] = { value: true };
  }
  const complete = Object.create(options, defaults) as ExpressSessionOptions;

  const { store } = options;
  if (!store || (isExpressStore(store) && !isSessionStore(store))) {
    checkNoneOfOurs(options);
    return makeExpressSession(complete as expressSession.SessionOptions);
  }

  if (unset && unset !== 'destroy' && unset !== 'keep')
    throw new TypeError('unset option must be "destroy" or "keep"');
  if (Array.isArray(secret) && secret.length === 0)
    throw new TypeError('secret option array must contain one or more strings');
  if ('identities' in options) {
    throw new TypeError(
      'session() must not have identities, only a cookie as in express-session: write sessionMiddleware({ identities })',
    );
  }
  if ('cache' in options) {
    throw new TypeError(
      'session() must not have cache: write store: new CachedStore(store), with CachedStore from nestjs-session-stores/store',
    );
  }
  if (!secret) deprecate('req.secret; provide secret option');
  return overOurs(complete, checkStore(store)) as Handler;
}

/** Rejects options that express-session would ignore: the app would run without what they promise. */
function checkNoneOfOurs(options: ExpressSessionOptions): void {
  const names = [...OUR_OPTIONS, 'cache', 'identities'];
  const ours = names.find((name) => (options as Record<string, unknown>)[name] !== undefined);
  if (ours === undefined) return;
  const instead = options.store ? 'fromExpressStore(store)' : 'new ClusterStore()';
  throw new TypeError(
    `${ours} needs a store of this package, because express-session runs with any other: write store: ${instead}`,
  );
}

/**
 * Our middleware with express-session's options. Without the option `secret` there is one per secret in `req.secret`.
 */
function overOurs(options: ExpressSessionOptions, store: SessionStore): SessionMiddleware {
  const { idleTimeout, cookie, secret } = options;
  const attributes = typeof cookie === 'object' ? cookie : {};
  const sessionStore = toExpressStore(store, { idleTimeout, cookie: attributes });
  sessionStore.generate = (req: unknown) => exchangeOf(req)?.work.start();
  const middlewareFor = (signing: SigningSecret | SigningSecret[]): SessionMiddleware =>
    // As in express-session, a request that has a session keeps it.
    middlewareOf({ ...resolveExpressOptions(options, store, signing, deprecate), sessionStore }, 'skip');
  if (secret) return middlewareFor(secret);

  const bySecret = new Map<SigningSecret | SigningSecret[], SessionMiddleware>();
  const session = (req: unknown, res: unknown, next: (error?: unknown) => void): void => {
    const { secret: own, session: before } = req as { secret?: SigningSecret; session?: unknown };
    if (before !== undefined) return next();
    if (!own) return next(new Error('secret option required for sessions'));
    let middleware = bySecret.get(own);
    if (!middleware) bySecret.set(own, (middleware = middlewareFor(own)));
    middleware(req, res, next);
  };
  const close = async (): Promise<void> => {
    for (const one of bySecret.values()) await one.close();
  };
  return Object.assign(session, { close });
}

/** The drop-in for express-session, which `require('nestjs-session-stores/express')` returns too. */
const session = Object.assign(makeSession, {
  Store,
  Cookie,
  Session,
  MemoryStore,
  sessionMiddleware,
  fromExpressStore,
  toExpressStore,
  cookieIdentity,
  headerIdentity,
  CrossSiteError,
  SessionGoneError,
  SessionLimitError,
  SessionStoreError,
  SessionTooLargeError,
});
Object.defineProperty(session, 'name', { value: 'session' });
// An app that is compiled to CommonJS reads them from what `require()` returns. They are no statics in the types.
Object.defineProperties(session, { default: { value: session }, session: { value: session } });

/** The types that express-session exports as members of its function. */
declare namespace session {
  export type Store = expressSession.Store;
  export type Cookie = expressSession.Cookie;
  export type Session = expressSession.Session;
  export type MemoryStore = expressSession.MemoryStore;
  export type SessionData = expressSession.SessionData;
  export type SessionOptions = expressSession.SessionOptions;
  export type CookieOptions = expressSession.CookieOptions;
}

export default session;
export { session, session as 'module.exports' };
export { Cookie, MemoryStore, Session, Store } from 'express-session';
export type { CookieOptions, SessionData } from 'express-session';
export type { ExpressSessionOptions } from './options.js';
export { fromExpressStore, type ExpressStoreOptions } from '../stores/express/store.js';
export { toExpressStore, type StoreForExpress, type ToExpressStoreOptions } from './to-store.js';
export { CrossSiteError } from '../http/cross-site.js';
export { sessionMiddleware, type SessionMiddleware } from '../http/middleware.js';
export type { SessionCacheOptions } from '../cache/options.js';
export type { EncryptionKey } from '../encryption/keys.js';
export type { SessionEncryptOptions } from '../encryption/options.js';
export type { SessionCookieFactory, SessionOptions } from '../options/options.js';
export type { SessionLogger } from '../session/logger.js';
export type { SessionCookieOptions } from '../cookie/attributes.js';
export { cookieIdentity } from '../token/cookie-identity.js';
export { headerIdentity } from '../token/header-identity.js';
export type { SessionIdentity } from '../token/identity.js';
export { SessionGoneError, SessionStoreError, SessionTooLargeError } from '../contract/errors.js';
export { SessionLimitError } from '../session/limits.js';
