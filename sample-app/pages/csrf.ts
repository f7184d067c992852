import { ForbiddenException, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { csrfSync } from 'csrf-sync';
import type { Request } from 'express';
import { html, type Html } from './html.js';

const { generateToken, isRequestValid } = csrfSync({
  getTokenFromRequest: ({ body }: { body?: { csrf?: string } }) => body?.csrf,
  size: 24,
});

/** The token that this session's forms carry. The first call makes one, and so stores the session. */
export const csrfTokenOf = (request: Request): string => generateToken(request);

export const csrfField = (token: string): Html => html`<input type="hidden" name="csrf" value="${token}" />`;

export class StaleFormException extends ForbiddenException {
  constructor() {
    super('This form is out of date. Nothing was changed.');
  }
}

/**
 * Lets a form in that carries the token of its session. A guard and not middleware, so that a form of a session that has
 * ended is sent to the sign-in page by the guard before it.
 */
@Injectable()
export class CsrfGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    if (request.method !== 'GET' && !isRequestValid(request)) throw new StaleFormException();
    return true;
  }
}
