import { HttpException, type ExecutionContext } from '@nestjs/common';
import { catchError } from 'rxjs';
import { exchangeOf } from '../../http/attached.js';
import { failureOf } from '../../http/failure.js';
import { rawRequest } from '../fastify.js';
import { NO_SESSION } from './http.js';
import type { HandlerWork, Transport } from './transport.js';

const NO_SESSION_ON_SOCKET =
  'This GraphQL operation has no session. Over a WebSocket, write subscriptions: subscriptionsWithSessions() in GraphQLModule.forRoot, with subscriptionsWithSessions from nestjs-session-stores/graphql. If you set `context`, return the req that it is called with';

/** The context of an operation over a WebSocket → the work on its session. */
const operations = new WeakMap<object, HandlerWork>();

/** Whether an operation has this context already. */
export function isOperation(context: object): boolean {
  return operations.has(context);
}

/** Lets the resolvers of an operation over a WebSocket find its session by their context. */
export function addOperation(context: object, work: HandlerWork): void {
  operations.set(context, work);
}

/**
 * Resolvers of GraphQL. Those of one operation share a session, which is committed once, before the operation's response.
 */
export const graphql: Transport = {
  workOf: (context) => operations.get(contextOf(context)) ?? exchangeOf(requestOf(context)),
  whyNone: (context) =>
    isSubscription(context) || isSocket(requestOf(context)) ? NO_SESSION_ON_SOCKET : NO_SESSION,
  settle: (_, handler) => handler.handle().pipe(catchError(rethrowAsHttp)),
};

/** The context of an operation. The arguments of a resolver are parent, arguments, context and info. */
function contextOf(context: ExecutionContext): { req?: object } {
  return context.getArgByIndex<{ req?: object } | undefined>(2) ?? {};
}

/** Node's request of an operation; `undefined` if its context has none. */
function requestOf(context: ExecutionContext): object | undefined {
  const { req } = contextOf(context);
  return req && rawRequest(req);
}

/** Whether a resolver resolves a field inside a result, as part of the operation that selects the field. */
export function isNestedResolver(context: ExecutionContext): boolean {
  const info = context.getArgByIndex(3) as { path?: { prev?: unknown } } | undefined;
  return context.getType<string>() === 'graphql' && info?.path?.prev !== undefined;
}

function isSubscription(context: ExecutionContext): boolean {
  const info = context.getArgByIndex(3) as { operation?: { operation?: string } } | undefined;
  return info?.operation?.operation === 'subscription';
}

/** Whether this is the upgraded request of a WebSocket, or no request, such as what graphql-ws puts in its place. */
function isSocket(request: object | undefined): boolean {
  const { headers } = (request ?? {}) as { headers?: { upgrade?: string } };
  return headers === undefined || headers.upgrade !== undefined;
}

/**
 * Rethrows our errors as `HttpException`: GraphQL drivers send the message of any other error to the client unchanged.
 */
function rethrowAsHttp(error: unknown): never {
  const failure = failureOf(error);
  if (!failure) throw error;
  throw new HttpException(failure, failure.statusCode, { cause: error });
}
