import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import { sessionOf } from 'nestjs-session-stores';
import { mergeMap, type Observable } from 'rxjs';
import { layout } from './layout.js';
import type { Page } from './page.js';
import { Visitor } from './visitor.js';

/** What a handler returns: a page, or where its `@Redirect()` leads, unless to its own path. */
type Result = Page | { url: string } | undefined;

/** Puts what a handler returns into the layout. */
@Injectable()
export class PageInterceptor implements NestInterceptor<Result, Exclude<Result, Page> | string> {
  intercept(
    context: ExecutionContext,
    next: CallHandler<Result>,
  ): Observable<Exclude<Result, Page> | string> {
    const http = context.switchToHttp();
    // Not even "back" shows a page again after a sign-out.
    http.getResponse<Response>().set('Cache-Control', 'no-store');
    return next.handle().pipe(
      mergeMap(async (result) => {
        const session = sessionOf(context);
        if (!result || 'url' in result) return result;
        // Said once, whichever of several tabs is first.
        const signedOut = session?.signedOut === undefined ? undefined : await session.take('signedOut');
        const visitor = new Visitor(http.getRequest<Request>(), session, signedOut);
        return layout({ ...result, main: result.main(visitor) }, visitor);
      }),
    );
  }
}
