import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { PagesModule } from '../pages/pages.module.js';
import { AccountController } from './account.controller.js';
import { DevicesController } from './devices.controller.js';
import { DevicesService } from './devices.service.js';
import { AccountEventsController } from './events.controller.js';

@Module({
  imports: [AuthModule, PagesModule],
  controllers: [AccountController, DevicesController, AccountEventsController],
  providers: [DevicesService],
})
export class AccountModule {}
