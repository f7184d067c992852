import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { Request, Response } from 'express';
import { sessionOf } from 'nestjs-session-stores';
import { map, type Observable } from 'rxjs';
import { SEEN_EVERY } from '../session-data.js';
import { layout } from './layout.js';
import type { Page } from './page.js';
import { Visitor } from './visitor.js';

/** What a handler returns: a page, or where its `@Redirect()` leads, unless to its own path. */
type Result = Page | { url: string } | undefined;

/** Puts what a handler returns into the layout, and notes that the session is in use. */
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
      map((result) => {
        const session = sessionOf(context);
        if (session?.user !== undefined && Date.now() - (session.seenAt ?? 0) > SEEN_EVERY) {
          session.seenAt = Date.now();
        }
        if (!result || 'url' in result) return result;
        const visitor = new Visitor(http.getRequest<Request>(), session);
        return layout({ ...result, main: result.main(visitor) }, visitor);
      }),
    );
  }
}
