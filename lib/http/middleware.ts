import type { ServerResponse } from 'node:http';
import { isStoreError, type SessionStoreError } from '../contract/errors.js';
import { resolveOptions, type SessionOptions } from '../options/options.js';
import type { SessionConfig } from '../session/config.js';
import {
  NO_TOKEN_ON_SOCKET,
  reasonOf,
  sayWhenToRetry,
  SessionRequest,
  type SessionIncomingMessage,
} from '../session/work.js';
import { identify } from '../token/presented.js';
import { attach, workOf } from './exchange.js';
import { sealResponse } from './seal.js';

/** A middleware function with Express's signature. */
export type SessionHandler = (req: unknown, res: unknown, next: (error?: unknown) => void) => void;

/** A session middleware for Express that owns its store. */
export interface SessionMiddleware extends SessionHandler {
  /** Closes the store that the first request opened. Does nothing if there was no request. */
  close(): Promise<void>;
}

/** What responds if the commit of a sealed response fails: the next error handler, or the middleware itself. */
export type FailureTarget = 'next' | 'self';

/**
 * Sessions for plain Express: `app.use(sessionMiddleware({ secret, store: new ClusterStore() }))`. The first request
 * opens the store. Throws a `TypeError` for invalid options.
 */
export function sessionMiddleware(options: SessionOptions): SessionMiddleware {
  return middlewareOf(resolveOptions(options));
}

/** The middleware for plain Express, from checked options. The first request opens the store. */
export function middlewareOf(config: SessionConfig): SessionMiddleware {
  const opened = opener(config);
  return Object.assign(createMiddleware(config, 'next', opened.open), { close: opened.close });
}

/** The middleware, from checked options. `ready` is awaited before the store is read. */
export function createMiddleware(
  config: SessionConfig,
  failureGoesTo: FailureTarget,
  ready?: () => Promise<void> | undefined,
): SessionHandler {
  const { signer, onStoreError, logger } = config;
  let isUnreachable = false;

  /** Serves a request without a session. Logs the first request of an outage. */
  const serveAnonymously = (request: SessionRequest, error: SessionStoreError): void => {
    if (!isUnreachable) logger.warn(`requests are served without a session: ${error.message}`);
    isUnreachable = true;
    request.startAnonymous(error);
  };

  return function session(incoming, outgoing, next) {
    const req = incoming as SessionIncomingMessage;
    const res = outgoing as ServerResponse;
    // Another session middleware has run before, or this one is mounted twice.
    if (req.session !== undefined || workOf(req)) return next();
    // When a socket opens, Socket.IO passes middleware of `io.engine.use` a response object of its own. It reads the
    // headers that are set on it at once, so the response cannot be held.
    const opensSocket = typeof res.getHeaders !== 'function';
    const begin = (): void => {
      if (!opensSocket) sealResponse(res, request);
      next();
    };
    let request: SessionRequest;
    try {
      const presented = identify(config.identitiesFor?.(req) ?? config.identities, req);
      if (!presented) return next();
      const tokens = signer.verified(presented.texts);
      request = new SessionRequest(
        config,
        presented.by,
        req,
        res,
        failureGoesTo === 'next' ? next : undefined,
      );
      attach(req, request);
      if (opensSocket) request.noToken = NO_TOKEN_ON_SOCKET;
      const opening = ready?.();
      if (tokens.length === 0 && !opening) {
        request.start();
      } else {
        const loading = opening ? opening.then(() => request.load(tokens)) : request.load(tokens);
        loading.then(
          () => {
            isUnreachable = false;
            begin();
          },
          (error: unknown) => {
            if (onStoreError === 'anonymous' && isStoreError(error)) {
              serveAnonymously(request, error);
              return begin();
            }
            sayWhenToRetry(res, error);
            next(reasonOf(error));
          },
        );
        return;
      }
    } catch (error) {
      // An error from the app's own functions: `genid`, `cookie` or an identity.
      return next(error);
    }
    begin();
  };
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
        state = 'open';
      });
    },
    async close() {
      if (state === 'closed') return;
      state = 'closed';
      await store.close?.();
    },
  };
}
