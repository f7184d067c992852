import { ForbiddenException, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { failureOf } from '../http/failure.js';
import { hasMetadata } from './metadata.js';
import { isNestedResolver } from './transports/graphql.js';
import { transportOf } from './transports/index.js';

const ALLOW_CROSS_SITE = Symbol.for('nestjs-session-stores/allow-cross-site/1');

/** Rejects a handler's requests from pages of other sites, as the option `crossSite` says. */
export class CrossSiteGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isNestedResolver(context)) return true;
    const accepts = hasMetadata(context, ALLOW_CROSS_SITE);
    await transportOf(context)?.workOf(context)?.checkSite?.(accepts).catch(rethrowAsHttp);
    return true;
  }
}

/** Rethrows the error of a cross-site request as what filters and GraphQL drivers know. */
function rethrowAsHttp(error: unknown): never {
  const failure = failureOf(error);
  throw failure?.statusCode === 403 ? new ForbiddenException(failure, { cause: error }) : error;
}

/**
 * Accepts requests of pages of other sites, whatever the option `crossSite` says: for the callback of a login provider
 * that posts a form, such as SAML or Sign in with Apple. `@AllowCrossSite()` on a handler or a class: of a controller, or
 * of resolvers. Such a handler must check by itself that the user has begun the login.
 */
export function AllowCrossSite(): MethodDecorator & ClassDecorator {
  return SetMetadata(ALLOW_CROSS_SITE, true);
}
