import { Module, ValidationPipe } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { APP_PIPE } from '@nestjs/core';
import { SessionModule } from 'nestjs-session-stores';
import { AccountController } from './account.controller.js';
import { AuthController } from './auth.controller.js';
import { HomeController } from './home.controller.js';
import { PreferencesController } from './preferences.controller.js';
import { SessionsController } from './sessions.controller.js';
import { createStore } from './stores.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true }),
    SessionModule.forRootAsync({
      inject: [ConfigService],
      useFactory: async (config: ConfigService) => ({
        secret: config.getOrThrow<string>('SESSION_SECRET'),
        cookie: { maxAge: 30 * 60_000 },
        store: await createStore(config),
      }),
    }),
  ],
  controllers: [HomeController, AuthController, AccountController, PreferencesController, SessionsController],
  providers: [{ provide: APP_PIPE, useValue: new ValidationPipe({ whitelist: true }) }],
})
export class AppModule {}
