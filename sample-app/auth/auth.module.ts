import { Module } from '@nestjs/common';
import { AuthService } from './auth.service.js';
import { SignInController } from './sign-in.controller.js';

@Module({ controllers: [SignInController], providers: [AuthService], exports: [AuthService] })
export class AuthModule {}
