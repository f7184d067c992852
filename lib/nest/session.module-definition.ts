import { ConfigurableModuleBuilder, type MiddlewareConsumer } from '@nestjs/common';
import type { SessionOptions } from '../options/options.js';

type Routes = ReturnType<MiddlewareConsumer['apply']>;

/** The injection token of the checked options. */
export const SESSION_CONFIG = Symbol('SESSION_CONFIG');

/** The options of `SessionModule.forRoot` and `forRootAsync`. */
export interface SessionModuleOptions extends SessionOptions {
  /** The routes with sessions, as in Nest's `MiddlewareConsumer`; default: all paths. */
  forRoutes?: Parameters<Routes['forRoutes']> | undefined;
  /** The routes without sessions, as in Nest's `MiddlewareConsumer`; default: none. */
  exclude?: Parameters<Routes['exclude']> | undefined;
  /**
   * How often the sessions of open `@Sse()` streams and sockets are checked, in milliseconds; default 30 000,
   * `Infinity` for never. A stream or socket is closed when its session has expired; and, on a store without a feed, when
   * it was destroyed.
   */
  recheck?: number | undefined;
}

/** The class of `forRootAsync({ useClass })` and `useExisting`. */
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
