import { Controller, Get, UseGuards } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { LoggedInGuard } from '../auth/logged-in.guard.js';

@Controller('me')
@UseGuards(LoggedInGuard)
export class AccountController {
  @Get()
  me(@Session() session: Session) {
    const { user, theme = null, language = null, visits = 0 } = session;
    session.visits = visits + 1;
    return { user, theme, language, visits: session.visits, worker: process.pid };
  }
}
