import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { rawRequest } from './fastify.js';
import type { Session as SessionType } from '../session/session.js';
import { workOf } from '../http/exchange.js';
import { messageOf } from './message.js';
import type { SessionIncomingMessage } from '../session/work.js';

/** The session as a handler gets it: its data, and its methods. */
export type Session = SessionType;

type Pipe = Type<PipeTransform> | PipeTransform;

/**
 * The session of a request or message, for guards and interceptors. `undefined` after it was destroyed. Throws if no
 * session middleware ran, and for a message if its socket's session has ended.
 */
export function sessionOf(context: ExecutionContext): Session | undefined {
  const request = requestOf(context);
  const isMessage = context.getType() === 'ws';
  const work = workOf(request);
  if (isMessage ? !request : !work) throw new Error(isMessage ? NO_SESSION_ON_SOCKET : NO_SESSION);
  const session = request!.session ?? undefined;
  if (session !== undefined && work?.isOwn(session) === false) throw new Error(REPLACED);
  return session as Session | undefined;
}

const NO_SESSION_ON_SOCKET =
  'This socket has no session. Write app.useWebSocketAdapter(withSessions(new IoAdapter(app), app)) in main.ts, with withSessions from nestjs-session-stores/sockets';
const NO_SESSION =
  'This request has no session. Import SessionModule.forRoot({ secret }) in the root module, and check that its forRoutes, exclude and cookie.path cover this route';
const REPLACED = 'req.session was replaced with something else. Set its properties instead';

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
    // SWC emits this function as the parameter's type, so class-transformer would copy the session into a new object.
    // The metadata exists already, because it is defined before parameter decorators run.
    const types =
      property === undefined &&
      method !== undefined &&
      Reflect.getMetadata('design:paramtypes', target, method);
    if (types) types[index] = Object;
  };
}

/** Whether this is the upgraded request of a WebSocket, or the object that graphql-ws puts in a request's place. */
function isSocket(request: object | undefined): boolean {
  const { extra, headers } = (request ?? {}) as { extra?: unknown; headers?: { upgrade?: string } };
  return extra !== undefined || headers?.upgrade !== undefined;
}

/** The request of a handler of any kind; `undefined` if it has none. */
function requestOf(context: ExecutionContext): SessionIncomingMessage | undefined {
  const type: string = context.getType();
  if (type === 'graphql') {
    // The arguments of a resolver are parent, arguments, context and info.
    const { req } = (context.getArgByIndex(2) ?? {}) as { req?: object };
    const info = context.getArgByIndex(3) as { operation?: { operation?: string } } | undefined;
    const request = req && rawRequest(req);
    if (!workOf(request) && (info?.operation?.operation === 'subscription' || isSocket(request))) {
      throw new Error(
        'GraphQL over a WebSocket, as for subscriptions, has no session, because its operations have no HTTP requests of their own. Use the session in a query or mutation over HTTP, and pass a subscription what it needs in connectionParams',
      );
    }
    return request;
  }
  if (type === 'ws') return messageOf(context.switchToWs().getClient())?.req;
  return type === 'http' ? rawRequest(context.switchToHttp().getRequest<object>()) : undefined;
}
