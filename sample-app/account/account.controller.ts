import { Body, Get, Post, Query, Redirect } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { LoggedInGuard } from '../auth/logged-in.guard.js';
import { listPageOf } from '../pages/list-page.js';
import { PageController } from '../pages/page.controller.js';
import { accountPage } from './account.page.js';
import { AfterDto } from './after.dto.js';
import { DevicesService } from './devices.service.js';
import { LanguageDto, ThemeDto } from './preferences.dto.js';

/** Each preference is a form and a property of its own, so that two tabs which save different ones both count. */
@PageController('account', LoggedInGuard)
export class AccountController {
  constructor(private readonly devices: DevicesService) {}

  @Get()
  async show(@Query() { after }: AfterDto, @Session('user') user: string, @Session() session: Session) {
    const { id, theme, language } = session;
    const devices = await listPageOf(this.devices.page(user, id, after));
    return accountPage({ user, theme, language, devices, after });
  }

  @Post('theme')
  @Redirect('/account?notice=theme', 303)
  theme(@Body() { theme }: ThemeDto, @Session() session: Session): void {
    session.theme = theme;
  }

  @Post('language')
  @Redirect('/account?notice=language', 303)
  language(@Body() { language }: LanguageDto, @Session() session: Session): void {
    session.language = language;
  }
}
