import type { IncomingMessage, ServerResponse } from 'node:http';
import { isStoreError, type SessionStoreError } from '../contract/errors.js';
import { withDecorators } from '../options/decorated-store.js';
import { checkStore } from '../options/check-store.js';
import { resolveOptions, type SessionOptions } from '../options/options.js';
import { checkClock } from '../session/clock-check.js';
import { reasonIn } from '../session/conditions.js';
import type { SessionConfig } from '../session/config.js';
import { isPassiveRequest } from '../session/passive.js';
import type { SessionWork } from '../session/work.js';
import { identify } from '../token/presented.js';
import type { Token } from '../token/token.js';
import { CrossSiteCheck } from './cross-site.js';
import { attach, exchangeOf } from './attached.js';
import { SessionExchange, type SessionIncomingMessage } from './exchange.js';
import { isAllowedByCors, isEngineRequest, ownAddresseeOf } from './engine.js';
import { OriginCheck } from './origin-check.js';
import { reasonOf, sayWhenToRetryAfter } from './failure.js';
import { AllowedOrigins, type Addressee } from './origins.js';
import { needPatch } from './patch.js';

/** A middleware function with Express's signature. */
export type SessionHandler = (req: unknown, res: unknown, next: (error?: unknown) => void) => void;

/** A session middleware for Express that owns its store. */
export interface SessionMiddleware extends SessionHandler {
  /** Closes the store that the first request opened. Does nothing if there was no request. */
  close(): Promise<void>;
}

/** The responder if the commit of a sealed response fails: the next error handler, or the middleware itself. */
export type FailureTarget = 'next' | 'self';

/** What happens to a request that has a session of another package: it fails, or it keeps that session. */
export type ForeignSession = 'reject' | 'skip';

const FOREIGN_SESSION =
  'Another session middleware ran before this one. Remove it, such as app.use(session(…)) of express-session in main.ts';

/**
 * Sessions for plain Express: `app.use(sessionMiddleware({ secret, store: new ClusterStore() }))`. The first request
 * opens the store. Throws a `TypeError` for invalid options.
 */
export function sessionMiddleware(options: SessionOptions): SessionMiddleware {
  const { store, cache, encrypt, migrateFrom, logger = console } = Object(options) as SessionOptions;
  const isPlain = cache === undefined && encrypt === undefined && migrateFrom === undefined;
  if (isPlain) return middlewareOf(resolveOptions(options));
  const decorated = withDecorators(checkStore(store), options, logger);
  return middlewareOf(resolveOptions({ ...options, store: decorated }));
}

/** The middleware for plain Express, from checked options. The first request opens the store. */
export function middlewareOf(config: SessionConfig, foreign?: ForeignSession): SessionMiddleware {
  const { open, close } = opener(config);
  const middleware = createMiddleware(config, { failureGoesTo: 'next', ready: open, foreign });
  return Object.assign(middleware, {
    close() {
      middleware.release();
      return close();
    },
  });
}

/** A middleware with its part in the patch of Node's response class. */
export interface PatchingHandler extends SessionHandler {
  /** Called when no more requests come: restores Node's class, if no other middleware needs the patch. */
  release(): void;
}

/** How a middleware fits into the app around it. */
export interface MiddlewarePlace {
  failureGoesTo: FailureTarget;
  /** Awaited before the store is read. */
  ready?: () => Promise<void> | undefined;
  /** What to do with a request that has a session of another package; default `'reject'`. */
  foreign?: ForeignSession | undefined;
  /** Returns the host that a handshake of Socket.IO was sent to; default: by its own headers. */
  addresseeOf?: (handshake: IncomingMessage) => Addressee;
}

/** How an app that uses the middleware in Socket.IO's engine allows the origins of its other sites. */
const LIST_IT =
  "list it in Nest with withSessions(adapter, app, { origins: ['https://app.example.com'] }), or allow it with credentials in Socket.IO's option cors: { origin: ['https://app.example.com'], credentials: true }";

/** The middleware, from checked options. */
export function createMiddleware(
  config: SessionConfig,
  { failureGoesTo, ready, foreign = 'reject', addresseeOf = ownAddresseeOf }: MiddlewarePlace,
): PatchingHandler {
  const { signer, onStoreError, logger, conditions } = config;
  const origins = new OriginCheck(new AllowedOrigins(), logger, LIST_IT);
  const crossSites = CrossSiteCheck.for(config);
  let isForeignLogged = false;

  /** The error of a request that has a session of another package. Logged once. */
  const foreignSession = (): Error => {
    if (!isForeignLogged) logger.error(FOREIGN_SESSION);
    isForeignLogged = true;
    return new Error(FOREIGN_SESSION);
  };

  /** Serves a request without a session. Logs the first request of an outage. */
  const serveAnonymously = (work: SessionWork, error: SessionStoreError): void => {
    conditions.begin('unreachable', `requests are served without a session: ${reasonIn(error)}`);
    work.startAnonymous(error);
  };

  const session: SessionHandler = (incoming, outgoing, next) => {
    const req = incoming as SessionIncomingMessage;
    const res = outgoing as ServerResponse;
    // This middleware is mounted twice, or another of ours has this path.
    if (exchangeOf(req)) return next();
    if (req.session !== undefined && req.session !== null)
      return next(foreign === 'skip' ? undefined : foreignSession());
    // When a socket opens, Socket.IO passes middleware of `io.engine.use` a response object of its own. It reads the
    // headers that are set on it at once, so the response cannot be held.
    const opensSocket = typeof res.getHeaders !== 'function';
    const begin = (): void => {
      if (!opensSocket) exchange.seal();
      next();
    };
    let exchange: SessionExchange;
    try {
      const presented = identify(config.identitiesFor?.(req) ?? config.identities, req);
      if (!presented) return next();
      let tokens: readonly Token[] = signer.verified(presented.texts);
      const isEngine = isEngineRequest(req);
      // Browsers send cookies, and nothing else, with every socket that a page opens.
      const isRefused =
        tokens.length > 0 &&
        presented.by.isCookie &&
        isEngine &&
        !origins.allows(req, addresseeOf(req), isAllowedByCors(req, res));
      if (isRefused) tokens = [];
      const crossSite =
        presented.by.isCookie && !isEngine && !opensSocket ? crossSites?.requestOf(req) : undefined;
      exchange = new SessionExchange(config, req, res, {
        identity: presented.by,
        // A new session would replace the one that was rejected, in the client's cookie.
        carriesToken: !opensSocket && !isRefused,
        isPassive: isPassiveRequest(config, req),
        isSocket: opensSocket || isEngine,
        crossSite,
        next: failureGoesTo === 'next' ? next : undefined,
      });
      attach(exchange);
      const { work } = exchange;
      const opening = ready?.();
      if (tokens.length === 0 && !opening) {
        crossSite?.loaded(false);
        work.start();
      } else {
        const mayBeCached = isSafe(req) && (config.cachesSockets || !exchange.isSocket);
        const load = (): Promise<void> => work.load(tokens, { mayBeCached });
        const loading = opening ? opening.then(load) : load();
        loading.then(
          () => {
            if (!work.isCached) conditions.end('unreachable');
            checkClock(config);
            crossSite?.loaded(work.held !== undefined);
            // In Nest, a handler may accept such requests, and it is not known yet.
            if (crossSite?.isUnsettled && failureGoesTo === 'next') return next(crossSite.rejection());
            begin();
          },
          (error: unknown) => {
            if (onStoreError === 'anonymous' && isStoreError(error)) {
              crossSite?.loaded(false);
              serveAnonymously(work, error);
              return begin();
            }
            sayWhenToRetryAfter(error, res);
            next(reasonOf(error));
          },
        );
        return;
      }
    } catch (error) {
      // An error from the app's own functions: `genid`, `cookie`, `passive` or an identity.
      return next(error);
    }
    begin();
  };
  return Object.assign(session, { release: needPatch() });
}

/** Whether a request may not change anything, so that a cached session is fresh enough. */
function isSafe({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Opens a store at the first request, and closes it only if it was opened. */
function opener({ store }: SessionConfig): {
  open: () => Promise<void> | undefined;
  close: () => Promise<void>;
} {
  let state: 'closed' | 'opening' | 'open' = 'closed';
  return {
    open() {
      if (state === 'open') return undefined;
      state = 'opening';
      return Promise.resolve(store.open?.()).then(() => {
        // It may have been closed meanwhile.
        if (state === 'opening') state = 'open';
      });
    },
    async close() {
      if (state === 'closed') return;
      state = 'closed';
      await store.close?.();
    },
  };
}
