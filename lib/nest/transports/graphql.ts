import { HttpException, type ExecutionContext } from '@nestjs/common';
import { catchError } from 'rxjs';
import { exchangeOf, type SessionExchange } from '../../http/exchange.js';
import { failureOf } from '../../http/failure.js';
import { rawRequest } from '../fastify.js';
import { NO_SESSION } from './http.js';
import type { Transport } from './transport.js';

const NO_SESSION_ON_SOCKET =
  'GraphQL over a WebSocket, as for subscriptions, has no session, because its operations have no HTTP requests of their own. Use the session in a query or mutation over HTTP, and give the client a ticket for its subscriptions there';

/**
 * Resolvers of GraphQL over HTTP. Those of one operation share a session, which is committed once, before the operation's
 * response.
 */
export const graphql: Transport<SessionExchange> = {
  workOf: (context) => exchangeOf(requestOf(context)),
  whyNone: (context) =>
    isSubscription(context) || isSocket(requestOf(context)) ? NO_SESSION_ON_SOCKET : NO_SESSION,
  settle: (_, handler) => handler.handle().pipe(catchError(rethrowAsHttp)),
};

/** Node's request of an operation; `undefined` if its context has none. */
function requestOf(context: ExecutionContext): object | undefined {
  // The arguments of a resolver are parent, arguments, context and info.
  const { req } = (context.getArgByIndex(2) ?? {}) as { req?: object };
  return req && rawRequest(req);
}

function isSubscription(context: ExecutionContext): boolean {
  const info = context.getArgByIndex(3) as { operation?: { operation?: string } } | undefined;
  return info?.operation?.operation === 'subscription';
}

/** Whether this is the upgraded request of a WebSocket, or the object that graphql-ws puts in a request's place. */
function isSocket(request: object | undefined): boolean {
  const { extra, headers } = (request ?? {}) as { extra?: unknown; headers?: { upgrade?: string } };
  return extra !== undefined || headers?.upgrade !== undefined;
}

/**
 * Rethrows our errors as `HttpException`: GraphQL drivers send the message of any other error to the client unchanged.
 */
function rethrowAsHttp(error: unknown): never {
  const failure = failureOf(error);
  if (!failure) throw error;
  throw new HttpException(failure, failure.statusCode, { cause: error });
}
