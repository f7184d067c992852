import { Controller, Delete, Get, HttpCode, NotFoundException, Param, Post, UseGuards } from '@nestjs/common';
import { Session, SessionService } from 'nestjs-session-stores';
import { AuthService } from '../auth/auth.service.js';
import { groupOf } from '../session-data.js';
import { LoggedInGuard } from '../auth/logged-in.guard.js';

@Controller()
@UseGuards(LoggedInGuard)
export class SessionsController {
  constructor(
    private readonly sessions: SessionService,
    private readonly auth: AuthService,
  ) {}

  @Get('sessions')
  async list(@Session('user') user: string, @Session('id') current: string) {
    // `key` is this interface's own word for the id: other clients read it.
    const devices = [];
    for await (const { id: key, client, createdAt, expiresAt } of this.sessions.list(groupOf(user))) {
      devices.push({
        key,
        current: key === current,
        userAgent: client?.first.userAgent ?? null,
        createdAt,
        expiresAt,
      });
    }
    return devices;
  }

  @Delete('sessions/:key')
  @HttpCode(204)
  async end(@Param('key') key: string, @Session('user') user: string, @Session() session: Session) {
    if (!(await this.auth.end(session, user, key))) throw new NotFoundException('you have no such session');
  }

  @Post('logout-others')
  @HttpCode(200)
  async logoutOthers(@Session('user') user: string, @Session() session: Session) {
    return { ended: await this.auth.endOthers(session, user) };
  }

  @Post('logout-everywhere')
  @HttpCode(200)
  async logoutEverywhere(@Session('user') user: string, @Session() session: Session) {
    return { ended: await this.auth.endAll(session, user) };
  }
}
