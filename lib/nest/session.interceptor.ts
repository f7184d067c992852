import {
  HttpException,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, from, lastValueFrom, Observable, takeUntil } from 'rxjs';
import { isStoreError } from '../contract/errors.js';
import { dropReplyHeaders, isHijacked, rawRequest } from './fastify.js';
import { workOf } from '../http/exchange.js';
import { messageOf } from './message.js';
import { SessionRecheck } from '../session/recheck.js';
import { failureOf, sayWhenToRetry, sendFailure } from '../http/failure.js';
import type { SessionRequest } from '../session/work.js';
import { dropHeaders } from '../http/seal.js';

/** The metadata by which Nest marks handlers of server-sent events. Their response begins long before they end. */
const SSE_METADATA = '__sse__';

/**
 * Commits the session after the handler of an HTTP request or of a message, so that a failed commit reaches exception
 * filters.
 */
@Injectable()
export class SessionInterceptor implements NestInterceptor {
  constructor(private readonly recheck: SessionRecheck) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() === 'ws') {
      const message = messageOf(context.switchToWs().getClient());
      return message ? message.handled(next) : next.handle();
    }
    // The resolvers of one operation share a session, which is committed once, before the operation's response.
    if ((context.getType() as string) === 'graphql') return next.handle().pipe(catchError(rethrowAsHttp));
    if (context.getType() !== 'http') return next.handle();
    const http = context.switchToHttp();
    const request = workOf(rawRequest(http.getRequest<object>()));
    if (!request) return next.handle();
    if (Reflect.hasMetadata(SSE_METADATA, context.getHandler())) {
      return next.handle().pipe(takeUntil(this.endOf(request)));
    }
    return from(commitAfter(next, request, http.getResponse<object>()));
  }

  /** Emits when the session of a request has ended. */
  private endOf(request: SessionRequest): Observable<void> {
    return new Observable((subscriber) =>
      this.recheck.watch(
        () => request.held,
        () => subscriber.next(),
      ),
    );
  }
}

/**
 * Rethrows our errors as `HttpException`: GraphQL drivers send the message of any other error to the client as it is.
 */
function rethrowAsHttp(error: unknown): never {
  const failure = failureOf(error);
  if (!failure) throw error;
  throw new HttpException(failure, failure.statusCode, { cause: error });
}

/** Runs the handler and commits the session. Rejects with the error of a failed commit, even if the handler threw. */
async function commitAfter(next: CallHandler, request: SessionRequest, response: object): Promise<unknown> {
  let value: unknown;
  let thrown: { error: unknown } | undefined;
  try {
    // A handler that streams into a response whose commit failed would wait for its end, and the end for a filter.
    value = await Promise.race([
      lastValueFrom(next.handle(), { defaultValue: undefined }),
      commitFailureOf(request),
    ]);
    await request.commit();
  } catch (error) {
    // The error of a failed commit is in `request.failure`. Any other error is the handler's.
    thrown = { error };
    await request.commit()?.catch(() => {});
  } finally {
    request.guard = undefined;
  }
  const { failure } = request;
  if (failure) {
    startOver(response, request, failure.error);
    if (thrown && thrown.error !== failure.error && failure.error instanceof Error) {
      failure.error.cause = thrown.error;
    }
    // A filter only ends a reply that looks sent, which would be an empty 200.
    if (isHijacked(response)) sendFailure(request.res, failure.error);
    throw failure.error;
  }
  if (isStoreError(thrown?.error)) startOver(response, request, thrown.error);
  if (thrown) throw thrown.error;
  return value;
}

/** Drops the handler's headers, which an error response must not carry. */
function startOver(response: object, request: SessionRequest, error: unknown): void {
  dropReplyHeaders(response, request);
  dropHeaders(request.req);
  sayWhenToRetry(request.res, error);
}

/** Rejects if the commit fails after the handler has begun its response. */
function commitFailureOf(request: SessionRequest): Promise<never> {
  return new Promise((_, reject) => {
    request.guard = reject;
  });
}
