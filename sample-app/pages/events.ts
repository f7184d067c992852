import { Injectable, type MessageEvent, type OnModuleDestroy } from '@nestjs/common';
import { NEVER, Subject, concat, of, takeUntil, type Observable } from 'rxjs';

/** How soon a page connects again when its stream was closed, in milliseconds. */
const RETRY = 300;

/**
 * The streams of pages. When a session ends, its stream is closed at once, the page connects again, and is told that it is
 * signed out.
 */
@Injectable()
export class PageEvents implements OnModuleDestroy {
  private readonly closing = new Subject<void>();

  /** A stream of `events` that ends with the app, which would wait for it otherwise. */
  signedIn(events: Observable<MessageEvent> = NEVER): Observable<MessageEvent> {
    const hello = { type: 'signed-in', data: '', retry: RETRY };
    return concat(of(hello), events).pipe(takeUntil(this.closing));
  }

  signedOut(): Observable<MessageEvent> {
    return of({ type: 'signed-out', data: '' });
  }

  onModuleDestroy(): void {
    this.closing.next();
  }
}
