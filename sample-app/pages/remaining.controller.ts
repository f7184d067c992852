import { Controller, Get, Header, HttpCode, Post, UseGuards } from '@nestjs/common';
import { Passive, Session, SessionStore } from 'nestjs-session-stores';
import { CsrfGuard } from './csrf.js';

/** How long a session lives if nothing else is requested, in milliseconds; 0 if no user is signed in. */
interface Remaining {
  left: number;
}

/** What the countdown of a page asks for. */
@Controller('session')
export class RemainingController {
  constructor(private readonly store: SessionStore) {}

  /** Passive, because a page that asks must not keep its user signed in. */
  @Get('remaining')
  @Passive()
  @Header('Cache-Control', 'no-store')
  remaining(@Session() session: Session): Remaining {
    return { left: session.user === undefined ? 0 : session.idleExpiresAt - this.store.now() };
  }

  @Post('stay')
  @HttpCode(200)
  @UseGuards(CsrfGuard)
  async stay(@Session() session: Session): Promise<Remaining> {
    await session.touch();
    return this.remaining(session);
  }
}
