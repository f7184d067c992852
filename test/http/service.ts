import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SessionModule, SessionService, type SessionOptions, type SessionStore } from 'nestjs-session-stores';
import { onTestFinished } from 'vitest';

/** The service of a Nest app on a store, until the test has finished. */
export async function serviceOn(
  store: SessionStore,
  options: Partial<SessionOptions> = {},
): Promise<SessionService> {
  @Module({ imports: [SessionModule.forRoot({ secret: 'app', ...options, store })] })
  class App {}
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  onTestFinished(() => app.close());
  return app.get(SessionService);
}
