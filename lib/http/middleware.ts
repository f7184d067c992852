import type { ServerResponse } from 'node:http';
import { SessionStoreError } from '../contract/errors.js';
import {
  resolveOptions,
  type ResolvedIdentity,
  type SessionConfig,
  type SessionOptions,
} from '../options/options.js';
import {
  NO_TOKEN_ON_SOCKET,
  reasonOf,
  sayWhenToRetry,
  SessionRequest,
  type SessionIncomingMessage,
} from '../session/work.js';
import { sealResponse } from './seal.js';

/** A function of Express's form. */
export type SessionHandler = (req: unknown, res: unknown, next: (error?: unknown) => void) => void;

/** A middleware of Express's form. */
export interface SessionMiddleware extends SessionHandler {
  /** Closes the store that the first request opened. */
  close(): Promise<void>;
}

/** Who answers when the commit of a sealed response fails: the next error handler, or the middleware itself. */
export type FailureAnswer = 'next' | 'self';

/**
 * Sessions for plain Express: `app.use(sessionMiddleware({ secret, store: new ClusterStore() }))`. The store is opened
 * at the first request. Throws a `TypeError` for wrong options.
 */
export function sessionMiddleware(options: SessionOptions): SessionMiddleware {
  return middlewareOf(resolveOptions(options));
}

/** The middleware for plain Express over checked options; it opens the store at the first request. */
export function middlewareOf(config: SessionConfig): SessionMiddleware {
  const opened = opener(config);
  return Object.assign(createMiddleware(config, 'next', opened.open), { close: opened.close });
}

/** The middleware over checked options; `ready` is awaited before a store is first read. */
export function createMiddleware(
  config: SessionConfig,
  failureAnswer: FailureAnswer,
  ready?: () => Promise<void> | undefined,
): SessionHandler {
  const { signer, onStoreError, logger } = config;
  let isAway = false;

  /** Says once for an outage that it has begun. */
  const serveAnonymously = (request: SessionRequest, error: SessionStoreError): void => {
    if (!isAway) logger.warn(`requests are served without a session: ${error.message}`);
    isAway = true;
    request.startAnonymous(error);
  };

  return function session(incoming, outgoing, next) {
    const req = incoming as SessionIncomingMessage;
    const res = outgoing as ServerResponse;
    // Another session middleware, or this one mounted twice, was here before.
    if (req.session !== undefined || SessionRequest.of(req)) return next();
    // Socket.IO shows middleware of `io.engine.use` a response of its own making when a socket opens: what is set on it
    // is read at once, so that nothing can be held back for it.
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
        failureAnswer === 'next' ? next : undefined,
      );
      if (opensSocket) request.noToken = NO_TOKEN_ON_SOCKET;
      const opening = ready?.();
      if (tokens.length === 0 && !opening) {
        request.start();
      } else {
        const loading = opening ? opening.then(() => request.load(tokens)) : request.load(tokens);
        loading.then(
          () => {
            isAway = false;
            begin();
          },
          (error: unknown) => {
            if (onStoreError === 'anonymous' && error instanceof SessionStoreError) {
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
      // What an app's own functions throw: `genid`, `cookie` and identities.
      return next(error);
    }
    begin();
  };
}

/**
 * What a request presents, and the identity that decides about it; `undefined` when none applies. A header is there
 * because a client's own code put it there, a cookie comes by itself: so headers are asked first.
 */
export function identify(
  identities: readonly ResolvedIdentity[],
  req: SessionIncomingMessage,
): { by: ResolvedIdentity; texts: readonly string[] } | undefined {
  let first: ResolvedIdentity | undefined;
  let cookie: { by: ResolvedIdentity; texts: readonly string[] } | undefined;
  for (const by of identities) {
    const { identity, isCookie } = by;
    if (identity.appliesTo && !identity.appliesTo(req)) continue;
    first ??= by;
    const texts = isCookie && cookie ? undefined : identity.get(req);
    if (texts === undefined) continue;
    if (!isCookie) return { by, texts };
    cookie = { by, texts };
  }
  return cookie ?? (first && { by: first, texts: [] });
}

/** Opens a store once, at the first request; a failed attempt is made again by the next. */
function opener({ store }: SessionConfig): {
  open: () => Promise<void> | undefined;
  close: () => Promise<void>;
} {
  let opening: Promise<void> | undefined;
  let isOpen = false;
  return {
    open() {
      if (isOpen) return undefined;
      opening ??= Promise.resolve(store.open?.()).then(
        () => {
          isOpen = true;
        },
        (error: unknown) => {
          opening = undefined;
          throw error;
        },
      );
      return opening;
    },
    async close() {
      await opening?.catch(() => {});
      if (!isOpen) return;
      isOpen = false;
      opening = undefined;
      await store.close?.();
    },
  };
}
