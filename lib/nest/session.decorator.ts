import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { rawRequest } from './fastify.js';
import type { Session as SessionType } from '../session/session.js';
import { workOf } from '../http/exchange.js';
import { messageOf } from './message.js';
import type { SessionIncomingMessage } from '../session/work.js';

/** What a handler holds: your data, and what a session can do. */
export type Session = SessionType;

type Pipe = Type<PipeTransform> | PipeTransform;

/**
 * The session of the request or message that `context` is about, for guards and interceptors; `undefined` after it was
 * destroyed. Throws when no session middleware ran, and for a message whose socket's session has ended.
 */
export function sessionOf(context: ExecutionContext): Session | undefined {
  const request = requestOf(context);
  const isMessage = context.getType() === 'ws';
  if (request?.session === undefined && !(isMessage ? request : workOf(request))) {
    throw new Error(
      isMessage
        ? 'no session here: write app.useWebSocketAdapter(withSessions(new IoAdapter(app), app)) in main.ts, with withSessions from nestjs-session-stores/sockets'
        : 'no session here: import SessionModule.forRoot({ secret }) in the root module, and check that its forRoutes, exclude and cookie.path cover this route',
    );
  }
  return request!.session as Session | undefined;
}

const fromSession = createParamDecorator(
  (property: string | undefined, context: ExecutionContext): unknown => {
    const session = sessionOf(context);
    if (property === undefined) return session;
    return session === undefined ? undefined : (session as unknown as Record<string, unknown>)[property];
  },
);

/** Injects the session: `@Session() session: Session`. */
export function Session(): ParameterDecorator;
/** Injects one value of the session, through pipes: `@Session('user', ParseIntPipe) user: number`. */
export function Session(property: string, ...pipes: Pipe[]): ParameterDecorator;
export function Session(property?: string, ...pipes: Pipe[]): ParameterDecorator {
  const inject = property === undefined ? fromSession() : fromSession(property, ...pipes);
  return (target, method, index) => {
    inject(target, method, index);
    // SWC emits this function as the parameter's type, and class-transformer would then make a new object of it. A
    // session must arrive as it is. The metadata is there already: it is defined before parameter decorators run.
    const types =
      property === undefined &&
      method !== undefined &&
      Reflect.getMetadata('design:paramtypes', target, method);
    if (types) types[index] = Object;
  };
}

/** Whether this is what graphql-ws gives a resolver's context in a request's place, or the request that was upgraded. */
function isSocket(request: object | undefined): boolean {
  const { extra, headers } = (request ?? {}) as { extra?: unknown; headers?: { upgrade?: string } };
  return extra !== undefined || headers?.upgrade !== undefined;
}

/** The request behind any kind of handler that has one. */
function requestOf(context: ExecutionContext): SessionIncomingMessage | undefined {
  const type: string = context.getType();
  if (type === 'graphql') {
    // Resolvers are called with parent, arguments, context, info.
    const { req } = (context.getArgByIndex(2) ?? {}) as { req?: object };
    const info = context.getArgByIndex(3) as { operation?: { operation?: string } } | undefined;
    const request = req && rawRequest(req);
    if (!workOf(request) && (info?.operation?.operation === 'subscription' || isSocket(request))) {
      throw new Error(
        'GraphQL over a WebSocket, as for subscriptions, has no session: its operations come without HTTP requests of their own. Do what needs the session in a query or mutation over HTTP, and hand a subscription what it needs in connectionParams',
      );
    }
    return request;
  }
  if (type === 'ws') return messageOf(context.switchToWs().getClient())?.req;
  return type === 'http' ? rawRequest(context.switchToHttp().getRequest<object>()) : undefined;
}
