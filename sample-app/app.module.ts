import { Module, ValidationPipe } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { APP_PIPE } from '@nestjs/core';
import { SessionModule } from 'nestjs-session-stores';
import { AccountModule } from './account/account.module.js';
import { AdminModule } from './admin/admin.module.js';
import { ApiModule } from './api/api.module.js';
import { HealthModule } from './health/health.module.js';
import { HomeModule } from './home/home.module.js';
import { PagesModule } from './pages/pages.module.js';
import { ShopModule } from './shop/shop.module.js';
import { StoreOutage } from './store/outage.js';
import { OutageStore } from './store/outage.store.js';
import { StoreModule } from './store/store.module.js';
import { createStore } from './store/stores.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true }),
    SessionModule.forRootAsync({
      imports: [StoreModule],
      inject: [ConfigService, StoreOutage],
      useFactory: async (config: ConfigService, outage: StoreOutage) => ({
        secret: config.getOrThrow<string>('SESSION_SECRET'),
        cookie: { maxAge: Number(config.getOrThrow<string>('IDLE_TIMEOUT')) },
        rotateAfter: 15 * 60_000,
        client: true,
        crossSite: 'reject' as const,
        store: new OutageStore(await createStore(config), outage),
      }),
    }),
    ApiModule,
    PagesModule,
    HomeModule,
    ShopModule,
    AccountModule,
    AdminModule,
    HealthModule,
  ],
  providers: [{ provide: APP_PIPE, useValue: new ValidationPipe({ whitelist: true }) }],
})
export class AppModule {}
