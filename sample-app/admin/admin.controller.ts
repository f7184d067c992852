import { Body, Get, HttpCode, Post, Query, Redirect } from '@nestjs/common';
import { Session, SessionService } from 'nestjs-session-stores';
import { listPageOf } from '../pages/list-page.js';
import { withNotice } from '../pages/notices.js';
import { PageController } from '../pages/page.controller.js';
import { StoreOutage } from '../store/outage.js';
import { DemoDto, GroupDto, ListDto, OutageDto, SessionIdDto } from './admin.dto.js';
import { AdminGuard } from './admin.guard.js';
import { AdminService } from './admin.service.js';
import { DemoService } from './demo.service.js';
import { listPage } from './list.page.js';
import { overviewPage } from './overview.page.js';

@PageController('admin', AdminGuard)
export class AdminController {
  constructor(
    private readonly admin: AdminService,
    private readonly demo: DemoService,
    private readonly sessions: SessionService,
    private readonly outage: StoreOutage,
  ) {}

  @Get()
  async overview() {
    return overviewPage(await this.admin.overview());
  }

  @Get('sessions')
  async list(@Query() list: ListDto, @Session('id') current: string) {
    return listPage(list, await listPageOf(this.admin.page(list)), current);
  }

  @Post('sessions/end')
  @Redirect('/admin/sessions', 303)
  async end(@Body() { id }: SessionIdDto) {
    return withNotice('/admin/sessions', (await this.sessions.destroy(id)) ? 'session' : 'session-gone');
  }

  @Post('groups/end')
  @Redirect('/admin', 303)
  async endGroup(@Body() { group }: GroupDto, @Session() session: Session) {
    return withNotice('/admin', 'group', await this.sessions.clearGroup(group, { except: session }));
  }

  @Post('demo')
  @Redirect('/admin', 303)
  async createDemo(@Body() { count }: DemoDto) {
    await this.demo.create(count);
    return withNotice('/admin', 'demo', count);
  }

  /** A part of them, for a page that shows its progress. */
  @Post('demo/some')
  @HttpCode(204)
  async createSome(@Body() { count }: DemoDto): Promise<void> {
    await this.demo.create(count);
  }

  @Post('outage')
  @Redirect('/admin', 303)
  startOutage(@Body() { seconds }: OutageDto) {
    this.outage.start(seconds * 1_000);
    return withNotice('/admin', 'outage', seconds);
  }
}
