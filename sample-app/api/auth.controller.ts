import { Body, Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { LoginDto } from './dto/login.dto.js';
import { groupOf } from './session-data.js';

@Controller()
export class AuthController {
  @Post('login')
  async login(
    @Body() { user }: LoginDto,
    @Headers('user-agent') userAgent: string | undefined,
    @Session() session: Session,
  ) {
    // A new session, so that nobody who planted the one before shares it.
    await session.regenerate();
    session.user = user;
    session.userAgent = userAgent;
    session.joinGroup(groupOf(user));
    return { user, worker: process.pid };
  }

  @Post('logout')
  @HttpCode(204)
  async logout(@Session() session: Session): Promise<void> {
    await session.destroy();
  }
}
