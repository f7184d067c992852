import type { ExecutionContext } from '@nestjs/common';
import { lastValueFrom, Observable, takeUntil } from 'rxjs';
import { isStoreError } from '../../contract/errors.js';
import { exchangeOf } from '../../http/attached.js';
import type { SessionExchange } from '../../http/exchange.js';
import { keepBoth, sayWhenToRetryAfter, sendFailure } from '../../http/failure.js';
import type { OpenConnections } from '../../session/connections.js';
import { dropReplyHeaders, isHijacked, rawRequest } from '../fastify.js';
import type { Transport } from './transport.js';

/** The metadata by which Nest marks handlers of server-sent events. Their response begins long before they end. */
const SSE_METADATA = '__sse__';

export const NO_SESSION =
  'This request has no session. Import SessionModule.forRoot({ secret }) in the root module, and check that its forRoutes, exclude and cookie.path cover this route';

/** Handlers of HTTP requests, on Express and Fastify. The session is committed after the handler. */
export const http: Transport<SessionExchange> = {
  workOf: (context) => exchangeOf(rawRequest(context.getArgByIndex<object>(0))),
  whyNone: () => NO_SESSION,
  settle(exchange, handler, { context, connections }) {
    if (!exchange) return handler.handle();
    if (isEventStream(context)) return handler.handle().pipe(takeUntil(endOf(exchange, connections)));
    return new Observable((subscriber) => {
      const run = (): Promise<unknown> => lastValueFrom(handler.handle(), { defaultValue: undefined });
      commitAfter(run, exchange, context.getArgByIndex(1)).then(
        (value) => {
          subscriber.next(value);
          subscriber.complete();
        },
        (error: unknown) => subscriber.error(error),
      );
      // An interceptor around this one, such as one with a timeout, may respond while the handler runs.
      return () => exchange.abandonHandler();
    });
  },
};

/** Whether a handler sends server-sent events. */
export function isEventStream(context: ExecutionContext): boolean {
  return Reflect.hasMetadata(SSE_METADATA, context.getHandler());
}

/** Emits when the session of a request has ended. */
function endOf(exchange: SessionExchange, connections: OpenConnections): Observable<void> {
  const { work } = exchange;
  return new Observable((subscriber) => {
    const open = connections.register({
      // A session that ends with its request is in no store.
      held: () => (exchange.isIsolated ? undefined : work.held),
      settled: () => work.settled,
      readAt: work.readAt,
      end: () => subscriber.next(),
    });
    open.begin();
    return () => open.release();
  });
}

/** Runs the handler and commits the session. Rejects with the error of a failed commit, even if the handler threw. */
async function commitAfter(
  handler: () => Promise<unknown>,
  exchange: SessionExchange,
  response: object,
): Promise<unknown> {
  try {
    return await exchange.handled(handler);
  } catch (error) {
    const { failure } = exchange;
    if (failure || isStoreError(error)) startOver(response, exchange, failure ? failure.error : error);
    if (!failure) throw error;
    if (error !== failure.error)
      keepBoth(failure.error, error, (late, what) => exchange.failedLate(late, what));
    // A filter only ends a reply that looks sent, which would be an empty 200.
    if (isHijacked(response)) sendFailure(exchange.res, failure.error);
    throw failure.error;
  }
}

/** Drops the handler's headers, which an error response must not carry. */
function startOver(response: object, exchange: SessionExchange, error: unknown): void {
  dropReplyHeaders(response);
  exchange.dropHeaders();
  sayWhenToRetryAfter(error, exchange.res);
}
