import type { ServerResponse } from 'node:http';
import { SessionStoreError } from './session.errors.js';
import { resolveOptions, type SessionConfig, type SessionOptions } from './session.options.js';
import { SessionRequest, type SessionIncomingMessage } from './session.request.js';
import { sealResponse, type SealedSession } from './session.response.js';

/** A middleware of Express's form. */
export interface SessionMiddleware {
  (req: unknown, res: unknown, next: (error?: unknown) => void): void;
  /** Closes the store that the first request opened. */
  close(): Promise<void>;
}

/** Who answers when the commit of a sealed response fails: the next error handler, or the middleware itself. */
export type FailureAnswer = 'next' | 'self';

/** Seconds after which a client may try again when the store is away. */
const RETRY_AFTER = '1';

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
  const path = config.cookie.path!;

  return function session(incoming, outgoing, next) {
    const req = incoming as SessionIncomingMessage;
    const res = outgoing as ServerResponse;
    // Another session middleware, or this one mounted twice, was here before.
    if (req.session !== undefined || SessionRequest.of(req)) return next();
    if (!isUnder(path, req.originalUrl ?? req.url ?? '/')) return next();

    const request = new SessionRequest(config, req);
    const tokens = signer.presented(req.headers.cookie, name);
    const begin = (): void => {
      sealResponse(res, new RequestSeal(request, config, res, failureAnswer === 'next' ? next : undefined));
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
      prepareError(res, error);
      next(error);
    });
  };
}

/** Tells a client that may try again when. */
export function prepareError(res: ServerResponse, error: unknown): void {
  if (error instanceof SessionStoreError && !res.headersSent) res.setHeader('Retry-After', RETRY_AFTER);
}

/** What the sealed response asks of one request. */
class RequestSeal implements SealedSession {
  constructor(
    private readonly request: SessionRequest,
    private readonly config: SessionConfig,
    private readonly res: ServerResponse,
    private readonly next: ((error: unknown) => void) | undefined,
  ) {}

  get guarded(): boolean {
    return this.request.guarded;
  }

  commit(): Promise<void> | undefined {
    return this.request.commit();
  }

  takeCookie(): string | undefined {
    return this.request.takeCookie();
  }

  failed(error: unknown): void {
    const { res } = this;
    prepareError(res, error);
    if (this.guarded) return;
    if (this.next) return this.next(error);
    this.failedLate(error);
    const status = statusOf(error);
    const body = JSON.stringify({
      statusCode: status,
      message: status === 503 ? 'Service Unavailable' : 'Internal Server Error',
    });
    res.statusCode = status;
    res.setHeader('Content-Type', 'application/json; charset=utf-8');
    res.setHeader('Content-Length', Buffer.byteLength(body));
    res.end(body);
  }

  failedLate(error: unknown): void {
    this.config.logger.error('the session was not saved', error);
  }
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

function statusOf(error: unknown): number {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' && status >= 500 && status < 600 ? status : 500;
}
