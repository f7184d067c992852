import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { AccountController } from './account.controller.js';
import { AuthController } from './auth.controller.js';
import { PreferencesController } from './preferences.controller.js';
import { SessionsController } from './sessions.controller.js';

/** The JSON interface. Other clients run against it: do not change it. */
@Module({
  imports: [AuthModule],
  controllers: [AuthController, AccountController, PreferencesController, SessionsController],
})
export class ApiModule {}
