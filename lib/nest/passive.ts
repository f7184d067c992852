import {
  applyDecorators,
  SetMetadata,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { hasMetadata } from './metadata.js';
import { isNestedResolver } from './transports/graphql.js';
import { transportOf } from './transports/index.js';

const PASSIVE = Symbol.for('nestjs-session-stores/passive/1');

/** Rejects nothing. Tells the session of a request whether its handler is passive. */
export class PassiveGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (isNestedResolver(context)) return true;
    transportOf(context)?.workOf(context)?.noteHandler(hasMetadata(context, PASSIVE));
    return true;
  }
}

/**
 * Makes the requests of a handler passive: they may use their session, but do not renew it. `@Passive()` on a handler or a
 * class: of a controller, a gateway or resolvers. A GraphQL operation is passive if all its queries, or mutations, are.
 */
export function Passive(): MethodDecorator & ClassDecorator {
  // Nest 11 runs no global guards in gateways.
  return applyDecorators(SetMetadata(PASSIVE, true), UseGuards(new PassiveGuard()));
}
