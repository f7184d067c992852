import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { checkNoOthers } from '../contract/option-checks.js';
import type { Session as SessionType } from '../session/session.js';
import { workOf } from './transports/index.js';
import type { HandlerWork } from './transports/transport.js';

/** The session as a handler gets it: its data, and its methods. */
export type Session = SessionType;

type Pipe = Type<PipeTransform> | PipeTransform;

const REPLACED = 'req.session was replaced with something else. Set its properties instead';

/**
 * The session of a request or message, for guards and interceptors. `undefined` after it was destroyed. Throws if no
 * session middleware ran, and for a message if its socket's session has ended.
 */
export function sessionOf(context: ExecutionContext): Session | undefined;
/**
 * As above, but reads the session first if the request got it from the option `cache`. Unsaved changes are saved before
 * that.
 */
export function sessionOf(context: ExecutionContext, options: { fresh: true }): Promise<Session | undefined>;
export function sessionOf(
  context: ExecutionContext,
  options?: { fresh: true },
): Session | undefined | Promise<Session | undefined> {
  const work = workOf(context);
  if (options === undefined) return sessionIn(work);
  const { fresh, ...others } = options;
  checkNoOthers('sessionOf', others, 'fresh');
  return fresh ? work.refresh().then(() => sessionIn(work)) : sessionIn(work);
}

function sessionIn(work: HandlerWork): Session | undefined {
  const session = work.session ?? undefined;
  if (session !== undefined && !work.isOwn(session)) throw new Error(REPLACED);
  return session as Session | undefined;
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
    // SWC emits this function as the parameter's type, so class-transformer would copy the session into a new object.
    // The metadata exists already, because it is defined before parameter decorators run.
    const types =
      property === undefined &&
      method !== undefined &&
      Reflect.getMetadata('design:paramtypes', target, method);
    if (types) types[index] = Object;
  };
}
