import { Body, Get, Post, Query, Redirect, UseFilters } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { backTo } from '../pages/form-error.filter.js';
import { PageController } from '../pages/page.controller.js';
import { AuthService } from './auth.service.js';
import { SignInDto } from './sign-in.dto.js';
import { signInPage } from './sign-in.page.js';

@PageController('')
export class SignInController {
  constructor(private readonly auth: AuthService) {}

  @Get('sign-in')
  show(@Query('problem') problem: string) {
    return signInPage(problem);
  }

  @Post('sign-in')
  @Redirect('/shop', 303)
  @UseFilters(backTo('/sign-in'))
  async signIn(@Body() { user }: SignInDto, @Session() session: Session): Promise<void> {
    await this.auth.signIn(session, user);
  }

  @Post('sign-out')
  @Redirect('/sign-in?notice=bye', 303)
  @UseFilters(backTo('/sign-in'))
  async signOut(@Session() session: Session): Promise<void> {
    await session.destroy();
  }
}
