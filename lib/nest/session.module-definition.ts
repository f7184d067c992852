import { ConfigurableModuleBuilder, type MiddlewareConsumer } from '@nestjs/common';
import type { SessionOptions } from '../options/options.js';

type Routes = ReturnType<MiddlewareConsumer['apply']>;

/** The checked options, for what is injected. */
export const SESSION_CONFIG = Symbol('SESSION_CONFIG');

/** What `SessionModule.forRoot` and `forRootAsync` take. */
export interface SessionModuleOptions extends SessionOptions {
  /** The routes that have sessions, as for Nest's `MiddlewareConsumer`; default: all paths. */
  forRoutes?: Parameters<Routes['forRoutes']>;
  /** The routes that have none, as for Nest's `MiddlewareConsumer`; default: none. */
  exclude?: Parameters<Routes['exclude']>;
  /**
   * How often `@Sse()` streams and sockets that hold a session are checked again, in milliseconds, to close them when it has ended, or its secret was replaced;
   * default 30 000, `Infinity` for never.
   */
  recheck?: number;
}

/** What `forRootAsync({ useClass })` and `useExisting` name. */
export interface SessionOptionsFactory {
  createSessionOptions(): SessionModuleOptions | Promise<SessionModuleOptions>;
}

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: SESSION_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<SessionModuleOptions>({ moduleName: 'Session' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createSessionOptions' satisfies keyof SessionOptionsFactory)
  .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();
