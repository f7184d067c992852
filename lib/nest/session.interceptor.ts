import {
  HttpException,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { STATUS_CODES } from 'node:http';
import { catchError, from, lastValueFrom, Observable, takeUntil } from 'rxjs';
import { isGoneError, isStoreError } from '../contract/errors.js';
import { dropReplyHeaders, isHijacked, rawRequest } from './fastify.js';
import { workOf } from '../http/exchange.js';
import { messageOf } from './message.js';
import { SessionRecheck } from '../session/recheck.js';
import { sayWhenToRetry, type SessionRequest } from '../session/work.js';
import { dropHeaders } from '../http/seal.js';

/** Nest marks handlers of server-sent events with this metadata; they answer long before they end. */
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
    // The resolvers of one operation share a session, which is committed once, before the operation's answer.
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

  /** Emits when the session of `request` has ended. */
  private endOf(request: SessionRequest): Observable<void> {
    return new Observable((subscriber) =>
      this.recheck.watch(
        () => request.held,
        () => subscriber.next(),
      ),
    );
  }
}

/** GraphQL drivers know the status of Nest's exceptions only, and send the message of all others as it is. */
function rethrowAsHttp(error: unknown): never {
  if (!isStoreError(error) && !isGoneError(error)) throw error;
  const { statusCode, expose } = error;
  const message = expose ? error.message : STATUS_CODES[statusCode]!;
  throw new HttpException({ statusCode, message }, statusCode, { cause: error });
}

async function commitAfter(next: CallHandler, request: SessionRequest, response: object): Promise<unknown> {
  let value: unknown;
  let thrown: { error: unknown } | undefined;
  try {
    // A handler that streams into a response whose commit failed waits for that to end, and that for its filter.
    value = await Promise.race([
      lastValueFrom(next.handle(), { defaultValue: undefined }),
      failureOf(request),
    ]);
    await request.commit();
  } catch (error) {
    // The failure of a commit comes back through `request.failure`; all else is the handler's own.
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
    // Filters that see a reply as sent only end it, which would be an empty 200.
    if (isHijacked(response)) request.sendFailure(failure.error);
    throw failure.error;
  }
  if (isStoreError(thrown?.error)) startOver(response, request, thrown.error);
  if (thrown) throw thrown.error;
  return value;
}

/** Leaves the response to an error answer, which must not carry the handler's headers. */
function startOver(response: object, request: SessionRequest, error: unknown): void {
  dropReplyHeaders(response, request);
  dropHeaders(request.res);
  sayWhenToRetry(request.res, error);
}

/** Rejects when the answer that the handler has begun cannot be committed. */
function failureOf(request: SessionRequest): Promise<never> {
  return new Promise((_, reject) => {
    request.guard = reject;
  });
}
