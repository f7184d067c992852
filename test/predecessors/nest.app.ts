import type { ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SessionModule, SessionService, type SessionModuleOptions } from 'nestjs-session-stores';
import { onTestFinished } from 'vitest';
import { Browser } from '../http/browser.js';

/** An app that has its sessions from `SessionModule` alone, as the migration pages describe. */
export interface NestApp {
  sessions: SessionService;
  browser(): Browser;
  close(): Promise<void>;
}

/** Starts an app behind one proxy. */
export async function startNest(options: SessionModuleOptions, rest: ModuleMetadata): Promise<NestApp> {
  class AppModule {}
  const app = await NestFactory.create<NestExpressApplication>(
    { module: AppModule, imports: [SessionModule.forRoot(options)], ...rest },
    { logger: false, abortOnError: false },
  );
  app.set('trust proxy', 1);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return {
    sessions: app.get(SessionService),
    browser: () => new Browser(url),
    close: () => app.close(),
  };
}

/** Like `startNest`. The app serves until the test has finished. */
export async function serveNest(options: SessionModuleOptions, rest: ModuleMetadata): Promise<NestApp> {
  const app = await startNest(options, rest);
  onTestFinished(() => app.close());
  return app;
}
