import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { StoreModule } from '../store/store.module.js';
import { AdminSignInController } from './admin-sign-in.controller.js';
import { AdminController } from './admin.controller.js';
import { AdminService } from './admin.service.js';
import { DemoService } from './demo.service.js';

@Module({
  imports: [AuthModule, StoreModule],
  controllers: [AdminSignInController, AdminController],
  providers: [AdminService, DemoService],
})
export class AdminModule {}
