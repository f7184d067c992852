import { Controller, Sse, type MessageEvent } from '@nestjs/common';
import { Passive, Session } from 'nestjs-session-stores';
import type { Observable } from 'rxjs';
import { PageEvents } from './events.js';

/** What every page of a session listens to. Without a guard: an error status would only be noise in the console. */
@Controller('events')
export class EventsController {
  constructor(private readonly events: PageEvents) {}

  /** Passive, because a page connects again by itself. */
  @Sse()
  @Passive()
  watch(@Session() session: Session): Observable<MessageEvent> {
    const isSignedIn = session.user !== undefined || session.admin === true;
    return isSignedIn ? this.events.signedIn() : this.events.signedOut();
  }
}
