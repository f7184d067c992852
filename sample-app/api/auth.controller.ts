import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { AuthService } from '../auth/auth.service.js';
import { LoginDto } from './dto/login.dto.js';

@Controller()
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('login')
  async login(@Body() { user }: LoginDto, @Session() session: Session) {
    await this.auth.signIn(session, user);
    return { user, worker: process.pid };
  }

  @Post('logout')
  @HttpCode(204)
  async logout(@Session() session: Session): Promise<void> {
    await session.destroy();
  }
}
