import type { ServerResponse } from 'node:http';
import { resolveOptions, type SessionConfig, type SessionOptions } from './session.options.js';
import { reasonOf, sayWhenToRetry, SessionRequest, type SessionIncomingMessage } from './session.request.js';
import { sealResponse } from './session.response.js';

/** A middleware of Express's form. */
export interface SessionMiddleware {
  (req: unknown, res: unknown, next: (error?: unknown) => void): void;
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
  const config = resolveOptions(options);
  const opened = opener(config);
  return Object.assign(createMiddleware(config, 'next', opened.open), { close: opened.close });
}

/** The middleware over checked options; `ready` is awaited before a store is first read. */
export function createMiddleware(
  config: SessionConfig,
  failureAnswer: FailureAnswer,
  ready?: () => Promise<void> | undefined,
): (req: unknown, res: unknown, next: (error?: unknown) => void) => void {
  const { signer, name } = config;
  const path = config.cookie.plain.path!;

  return function session(incoming, outgoing, next) {
    const req = incoming as SessionIncomingMessage;
    const res = outgoing as ServerResponse;
    // Another session middleware, or this one mounted twice, was here before.
    if (req.session !== undefined || SessionRequest.of(req)) return next();
    if (!isUnder(path, req.originalUrl ?? req.url ?? '/')) return next();

    const tokens = signer.presented(req.headers.cookie, name);
    const request = new SessionRequest(config, req, res, failureAnswer === 'next' ? next : undefined);
    const begin = (): void => {
      sealResponse(res, request);
      next();
    };
    const opening = ready?.();
    if (tokens.length === 0 && !opening) {
      try {
        request.start();
      } catch (error) {
        return next(error);
      }
      return begin();
    }
    const loading = opening ? opening.then(() => request.load(tokens)) : request.load(tokens);
    loading.then(begin, (error: unknown) => {
      sayWhenToRetry(res, error);
      next(reasonOf(error));
    });
  };
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

/** Whether a request's path is one that the cookie is sent to (RFC 6265, section 5.1.4). */
function isUnder(path: string, url: string): boolean {
  if (path === '/') return true;
  if (!url.startsWith(path)) return false;
  const next = url[path.length];
  return path.endsWith('/') || next === undefined || next === '/' || next === '?';
}
