import { createHash, timingSafeEqual } from 'node:crypto';
import { BadRequestException, Body, Get, Post, Query, Redirect, UseFilters } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { Session } from 'nestjs-session-stores';
import { AuthService } from '../auth/auth.service.js';
import { backTo } from '../pages/form-error.filter.js';
import { PageController } from '../pages/page.controller.js';
import { ADMINS } from '../session-data.js';
import { Cart } from '../shop/cart.js';
import { adminSignInPage } from './admin-sign-in.page.js';
import { PasswordDto } from './admin.dto.js';

@PageController('admin')
export class AdminSignInController {
  constructor(
    private readonly config: ConfigService,
    private readonly auth: AuthService,
  ) {}

  @Get('sign-in')
  show(@Query('problem') problem: string) {
    return adminSignInPage(problem);
  }

  @Post('sign-in')
  @Redirect('/admin', 303)
  @UseFilters(backTo('/admin/sign-in'))
  async signIn(@Body() { password }: PasswordDto, @Session() session: Session): Promise<void> {
    if (!isSame(password, this.config.getOrThrow('ADMIN_PASSWORD'))) throw new BadRequestException();
    const { user, theme, language } = session;
    const { lines } = new Cart(session);
    // A new session, because a token of the old one may have leaked and must not gain admin rights. The cart and the
    // preferences are copied.
    await session.regenerate();
    if (user !== undefined) {
      await this.auth.enter(session, user);
      Object.assign(session, { theme, language });
      for (const { product, quantity } of lines) new Cart(session).put(product, quantity);
    }
    session.admin = true;
    await session.joinGroup(ADMINS);
  }

  @Post('sign-out')
  @Redirect('/', 303)
  async signOut(@Session() session: Session): Promise<void> {
    if (session.user === undefined) return session.destroy();
    delete session.admin;
    await session.leaveGroup(ADMINS);
  }
}

/** Takes equally long for all passwords. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(a!, b!);
}
