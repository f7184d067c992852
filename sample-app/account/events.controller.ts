import { Controller, Query, Sse, type MessageEvent } from '@nestjs/common';
import { Passive, Session } from 'nestjs-session-stores';
import {
  EMPTY,
  catchError,
  defer,
  distinctUntilChanged,
  exhaustMap,
  map,
  timer,
  type Observable,
} from 'rxjs';
import { PageEvents } from '../pages/events.js';
import { AfterDto } from './after.dto.js';
import { DevicesService } from './devices.service.js';
import { devicesView } from './devices.view.js';

/** How often a list that is on a screen is read again, in milliseconds. */
const EVERY = 1_000;

@Controller('account/events')
export class AccountEventsController {
  constructor(
    private readonly events: PageEvents,
    private readonly devices: DevicesService,
  ) {}

  /** The page of devices that starts at `after`, whenever it has changed. */
  @Sse()
  @Passive()
  watch(
    @Query() { after }: AfterDto,
    @Session() { user, id, csrfToken = '' }: Session,
  ): Observable<MessageEvent> {
    if (user === undefined) return this.events.signedOut();
    // A store that fails leaves the list as it is, until the next look.
    const page = defer(() => this.devices.page(user, id, after)).pipe(catchError(() => EMPTY));
    const changes = timer(0, EVERY).pipe(
      exhaustMap(() => page),
      map((devices) => devicesView(devices, user, csrfToken).text),
      distinctUntilChanged(),
      map((data) => ({ type: 'devices', data })),
    );
    return this.events.signedIn(changes);
  }
}
