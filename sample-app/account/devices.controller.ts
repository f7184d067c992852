import { Body, Post, Redirect } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { AuthService } from '../auth/auth.service.js';
import { LoggedInGuard } from '../auth/logged-in.guard.js';
import { withNotice } from '../pages/notices.js';
import { PageController } from '../pages/page.controller.js';
import { DeviceDto, RenameDto } from './device.dto.js';

@PageController('account/devices', LoggedInGuard)
export class DevicesController {
  constructor(private readonly auth: AuthService) {}

  @Post('end')
  @Redirect('/account', 303)
  async end(@Body() { id }: DeviceDto, @Session('user') user: string, @Session() session: Session) {
    const isEnded = await this.auth.end(session, user, id);
    return withNotice('/account', isEnded ? 'device' : 'device-gone');
  }

  @Post('rename')
  @Redirect('/account', 303)
  async rename(@Body() { id, label }: RenameDto, @Session('user') user: string) {
    const isRenamed = await this.auth.rename(user, id, label.trim());
    return withNotice('/account', isRenamed ? 'renamed' : 'device-gone');
  }

  @Post('end-others')
  @Redirect('/account', 303)
  async endOthers(@Session('user') user: string, @Session() session: Session) {
    return withNotice('/account', 'others', await this.auth.endOthers(session, user));
  }

  @Post('end-all')
  @Redirect('/sign-in?notice=everywhere', 303)
  async endAll(@Session('user') user: string, @Session() session: Session): Promise<void> {
    await this.auth.endAll(session, user);
  }
}
