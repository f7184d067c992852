import { Controller, Delete, Get, HttpCode, NotFoundException, Param, Post, UseGuards } from '@nestjs/common';
import { Session, SessionService } from 'nestjs-session-stores';
import { LoggedInGuard } from './logged-in.guard.js';
import { groupOf } from './session-data.js';

@Controller()
@UseGuards(LoggedInGuard)
export class SessionsController {
  constructor(private readonly sessions: SessionService) {}

  @Get('sessions')
  async list(@Session('user') user: string, @Session('id') current: string) {
    // `key` is this interface's own word for the id: other clients read it.
    const devices = [];
    for await (const { id: key, data, createdAt, expiresAt } of this.sessions.list(groupOf(user))) {
      devices.push({
        key,
        current: key === current,
        userAgent: data.userAgent ?? null,
        createdAt,
        expiresAt,
      });
    }
    return devices;
  }

  @Delete('sessions/:key')
  @HttpCode(204)
  async end(@Param('key') key: string, @Session('user') user: string, @Session() session: Session) {
    const found = await this.sessions.find(key);
    if (!found?.groups.includes(groupOf(user))) throw new NotFoundException('you have no such session');
    // Its own `destroy` clears the cookie too.
    await (key === session.id ? session.destroy() : this.sessions.destroy(key));
  }

  @Post('logout-others')
  @HttpCode(200)
  async logoutOthers(@Session('user') user: string, @Session() session: Session) {
    return { ended: await this.sessions.clearGroup(groupOf(user), { except: session }) };
  }

  @Post('logout-everywhere')
  @HttpCode(200)
  async logoutEverywhere(@Session('user') user: string, @Session() session: Session) {
    const ended = await this.sessions.clearGroup(groupOf(user));
    // Ended already; this clears the cookie.
    await session.destroy();
    return { ended };
  }
}
