import {
  Inject,
  Logger,
  Module,
  type DynamicModule,
  type MiddlewareConsumer,
  type NestModule,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { APP_INTERCEPTOR, ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import type { Server } from 'node:http';
import { CrossSiteGuard } from './cross-site.js';
import { hideMessages } from './default-filter.js';
import { mountOn, prepareFastify } from './fastify.js';
import { addresseeOf } from './handshake.js';
import { PassiveGuard } from './passive.js';
import { provideUpgrades } from './upgrades.js';
import { SessionInterceptor } from './session.interceptor.js';
import { SocketSessions } from '../handshake/socket-sessions.js';
import { createMiddleware } from '../http/middleware.js';
import {
  ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  OPTIONS_TYPE,
  SESSION_OPTIONS,
  type SessionModuleOptions,
  SESSION_CONFIG,
} from './session.module-definition.js';
import { withDecorators } from '../options/decorated-store.js';
import { checkStore } from '../options/check-store.js';
import { resolveOptions } from '../options/options.js';
import { checkClock } from '../session/clock-check.js';
import type { SessionConfig } from '../session/config.js';
import { OpenConnections } from '../session/connections.js';
import { SessionService } from './session.service.js';
import { StoreOpening } from './store-opening.js';
import { SessionStore } from '../contract/store.js';

/** The injection token of the middleware, for apps that mount it themselves: `app.use(app.get(SESSION_MIDDLEWARE))`. */
export const SESSION_MIDDLEWARE = Symbol('SESSION_MIDDLEWARE');

/** Gives a Nest app sessions: a store under `SessionStore`, a `SessionService`, `@Session()`, and the middleware. */
@Module({
  providers: [
    // Replaced by what `forRoot` and `forRootAsync` provide.
    { provide: SESSION_OPTIONS, useFactory: withoutOptions },
    { provide: SessionStore, inject: [SESSION_OPTIONS], useFactory: storeOf },
    { provide: SESSION_CONFIG, inject: [SESSION_OPTIONS, SessionStore], useFactory: configOf },
    {
      provide: SESSION_MIDDLEWARE,
      inject: [SESSION_CONFIG, SocketSessions],
      useFactory: (config: SessionConfig, { addresseeOf: addressee }: SocketSessions) =>
        createMiddleware(config, { failureGoesTo: 'self', addresseeOf: addressee }),
    },
    {
      provide: OpenConnections,
      inject: [SESSION_OPTIONS, SESSION_CONFIG],
      useFactory: ({ recheck }: SessionModuleOptions, { store, logger, absoluteTimeout }: SessionConfig) =>
        new OpenConnections({ store, logger, every: recheck, absoluteTimeout }),
    },
    {
      provide: SocketSessions,
      inject: [SESSION_CONFIG, OpenConnections, HttpAdapterHost],
      useFactory: (config: SessionConfig, connections: OpenConnections, adapterHost: HttpAdapterHost) =>
        new SocketSessions(config, connections, (handshake) =>
          addresseeOf(adapterHost.httpAdapter, handshake),
        ),
    },
    { provide: APP_INTERCEPTOR, useClass: SessionInterceptor },
    SessionService,
  ],
  exports: [SessionStore, SESSION_MIDDLEWARE, SessionService],
})
export class SessionModule
  extends ConfigurableModuleClass
  implements NestModule, OnModuleInit, OnApplicationShutdown
{
  private readonly opening: StoreOpening;

  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionModuleOptions,
    @Inject(SESSION_MIDDLEWARE) private readonly middleware: ReturnType<typeof createMiddleware>,
    @Inject(SESSION_CONFIG) private readonly config: SessionConfig,
    private readonly store: SessionStore,
    private readonly connections: OpenConnections,
    private readonly sockets: SocketSessions,
    private readonly adapterHost: HttpAdapterHost,
    app: ApplicationConfig,
  ) {
    super();
    // Before the app's own guards, because a request that they reject must not renew its session either. An `APP_GUARD`
    // of this module would come after those of the root module.
    app.addGlobalGuard(new PassiveGuard());
    if (config.crossSite !== 'allow') app.addGlobalGuard(new CrossSiteGuard());
    this.opening = new StoreOpening(config);
    hideMessages();
    // Early, before plugins are registered. A testing module gets its adapter only later, so `configure` repeats it.
    prepareFastify(adapterHost.httpAdapter);
  }

  /** Sessions for the whole app: `imports: [SessionModule.forRoot({ secret })]`. Global unless `isGlobal: false`. */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    if (!options)
      throw new TypeError('SessionModule.forRoot needs options: write SessionModule.forRoot({ secret })');
    return super.forRoot(options);
  }

  /** As `forRoot`, with options that are injected: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return super.forRootAsync(options);
  }

  // Here and not in `onModuleInit`, which runs after the routes were registered.
  configure(consumer: MiddlewareConsumer): void {
    const { forRoutes, exclude = [] } = this.options;
    prepareFastify(this.adapterHost.httpAdapter);
    provideUpgrades(this.adapterHost.httpAdapter.getHttpServer() as Server | undefined, this.sockets);
    if (forRoutes === undefined && exclude.length === 0) {
      const adapter = this.adapterHost.httpAdapter;
      if (onAllPaths.has(adapter)) {
        this.config.logger.warn(
          'SessionModule is imported twice for all paths, and the first gives every request its session. Import it once, in the root module, because it is global; or give each its own forRoutes',
        );
      }
      onAllPaths.add(adapter);
      // With a global prefix, a module's middleware does not run for `/graphql`. The adapter's does.
      mountOn(adapter, this.middleware);
    } else {
      consumer
        .apply(this.middleware)
        .exclude(...exclude)
        .forRoutes(...(forRoutes ?? ['{*path}']));
    }
  }

  async onModuleInit(): Promise<void> {
    if (isDefault.has(this.store)) {
      if (openDefaults.size > 0) {
        this.config.logger.warn(
          "Another SessionModule in this process uses the default store, so both share their sessions. Give each a store of its own: store: new ClusterStore({ name: 'admin' })",
        );
      }
      openDefaults.add(this.store);
    }
    await this.opening.open();
    checkClock(this.config);
  }

  // Not earlier: handlers in flight finish between `beforeApplicationShutdown` and this.
  async onApplicationShutdown(): Promise<void> {
    await this.sockets.finish();
    this.connections.close();
    this.opening.close();
    openDefaults.delete(this.store);
    this.middleware.release();
    await this.store.close?.();
  }
}

/** The adapters of apps in which a module gives every request a session. */
const onAllPaths = new WeakSet<object>();

/** The stores that were made because none was set. */
const isDefault = new WeakSet<SessionStore>();
const openDefaults = new Set<SessionStore>();

function withoutOptions(): never {
  throw new TypeError('SessionModule is imported without options: write SessionModule.forRoot({ secret })');
}

async function storeOf(options: SessionModuleOptions): Promise<SessionStore> {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('forRootAsync got no options: return them, as in useFactory: () => ({ secret })');
  }
  const { forRoutes, exclude } = options;
  checkRoutes('forRoutes', forRoutes);
  checkRoutes('exclude', exclude);
  const { logger = new Logger(SessionModule.name) } = options;
  if (options.store !== undefined) return withDecorators(checkStore(options.store), options, logger);
  if (process.env['NODE_ENV'] === 'production') {
    logger.warn(
      'No store is set, so sessions are kept in memory and end with the process. Set one: store: new RedisStore({ url })',
    );
  }
  const { ClusterStore } = await import('../stores/cluster/index.js');
  const store = withDecorators(new ClusterStore(), options, logger);
  isDefault.add(store);
  return store;
}

function checkRoutes(option: string, routes: unknown): void {
  if (routes === undefined || (Array.isArray(routes) && (routes.length > 0 || option === 'exclude'))) return;
  throw new TypeError(`${option} must be a list of routes: write ${option}: ['cart']`);
}

function configOf(options: SessionModuleOptions, store: SessionStore): SessionConfig {
  // These options are the module's own.
  const { forRoutes: _, exclude: __, recheck: ___, ...rest } = options;
  return resolveOptions({ logger: new Logger(SessionModule.name), ...rest, store });
}
