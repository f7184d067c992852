import { setTimeout as wait } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  Body,
  Controller,
  Get,
  HttpException,
  Inject,
  Injectable,
  Module,
  Param,
  Post,
  Res,
  UseFilters,
  UseGuards,
  Catch,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  type ModuleMetadata,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { Response } from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import {
  Session,
  SESSION_MIDDLEWARE,
  SessionModule,
  sessionOf,
  SessionService,
  SessionStore,
  SessionStoreError,
  SessionTooLargeError,
  cookieIdentity,
  headerIdentity,
  type ClearOptions,
  type SessionModuleOptions,
  type SessionOptionsFactory,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';
import { RecordingStore } from './stores/recording.store.js';

declare module 'nestjs-session-stores' {
  interface SessionData {
    user: string;
  }
}

@Injectable()
class LoggedIn implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return sessionOf(context)?.user !== undefined;
  }
}

@Controller()
class AccountController {
  constructor(private readonly sessions: SessionService) {}

  @Post('login')
  async login(@Body('user') user: string, @Session() session: Session): Promise<string> {
    await session.regenerate();
    session.user = user;
    void session.joinGroup(`user:${user}`);
    return session.id;
  }

  @Get('me')
  me(@Session('user') user?: string): { user: string | null } {
    return { user: user ?? null };
  }

  @Get('guarded')
  @UseGuards(LoggedIn)
  guarded(): string {
    return 'in';
  }

  @Post('logout-everywhere')
  async logoutEverywhere(@Session('user') user: string): Promise<{ ended: number }> {
    return { ended: await this.sessions.clearGroup(`user:${user}`) };
  }

  @Post('only-here/:user')
  async onlyHere(@Param('user') user: string, @Session() session: Session): Promise<{ ended: number }> {
    await session.regenerate();
    session.user = user;
    await session.joinGroup(`user:${user}`);
    return { ended: await this.sessions.clearGroup(`user:${user}`, { except: session }) };
  }
}

const secret = 'module';
const opened: INestApplication[] = [];
let names = 0;
const newStore = (): RecordingStore =>
  new RecordingStore(new ClusterStore({ name: `module-${process.pid}-${names++}` }));

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

interface Running {
  app: INestApplication;
  browser: Browser;
}

async function run(
  imports: ModuleMetadata['imports'],
  {
    controllers = [AccountController],
    before,
  }: { controllers?: ModuleMetadata['controllers']; before?: (app: INestApplication) => void } = {},
): Promise<Running> {
  const testing = await Test.createTestingModule({ imports, controllers }).compile();
  const app = testing.createNestApplication({ logger: false });
  before?.(app);
  await app.listen(0, '127.0.0.1');
  opened.push(app);
  return { app, browser: new Browser(await app.getUrl()) };
}

async function expectSessions(browser: Browser): Promise<void> {
  expect((await browser.get('/me')).json()).toEqual({ user: null });
  expect((await browser.post('/login', { user: 'ann' })).status).toBe(201);
  expect((await browser.get('/me')).json()).toEqual({ user: 'ann' });
}

describe('SessionModule', () => {
  it('provides sessions by forRoot, in a ClusterStore by default', async () => {
    const { app, browser } = await run([SessionModule.forRoot({ secret })]);
    await expectSessions(browser);
    expect(app.get(SessionStore)).toBeInstanceOf(ClusterStore);
  });

  @Injectable()
  class Settings implements SessionOptionsFactory {
    readonly store = newStore();
    createSessionOptions(): SessionModuleOptions {
      return { secret, store: this.store };
    }
  }
  @Module({ providers: [Settings], exports: [Settings] })
  class SettingsModule {}

  it.each([
    [
      'useFactory',
      { inject: [Settings], useFactory: (settings: Settings) => settings.createSessionOptions() },
    ],
    [
      'an async useFactory',
      { inject: [Settings], useFactory: async (settings: Settings) => settings.createSessionOptions() },
    ],
    ['useExisting', { useExisting: Settings }],
    ['useClass', { useClass: Settings }],
  ])('takes its options from %s of forRootAsync', async (_, how) => {
    const { app, browser } = await run([
      SessionModule.forRootAsync({ imports: [SettingsModule], ...how } as Parameters<
        typeof SessionModule.forRootAsync
      >[0]),
    ]);
    await expectSessions(browser);
    expect(app.get(SessionStore)).toBeInstanceOf(RecordingStore);
  });

  it('is global, so that a feature module need not import it, unless isGlobal is false', async () => {
    @Injectable()
    class Feature {
      constructor(readonly sessions: SessionService) {}
    }
    @Module({ providers: [Feature] })
    class FeatureModule {}
    const { app } = await run([SessionModule.forRoot({ secret }), FeatureModule]);
    expect(app.get(Feature).sessions).toBeInstanceOf(SessionService);
    await expect(run([SessionModule.forRoot({ secret, isGlobal: false }), FeatureModule])).rejects.toThrow(
      /SessionService/,
    );
  });

  it('uses, opens and closes the store that overrideProvider provides', async () => {
    const store = newStore();
    const testing = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret })],
      controllers: [AccountController],
    })
      .overrideProvider(SessionStore)
      .useValue(store)
      .compile();
    const app = testing.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    await expectSessions(new Browser(await app.getUrl()));
    expect(store.calls.map(({ operation }) => operation)).toContain('create');
    expect(store).toMatchObject({ opened: 1, closed: 0 });
    await app.close();
    expect(store).toMatchObject({ opened: 1, closed: 1 });
  });

  it('does not open the store before the app is initialised', async () => {
    const store = newStore();
    const testing = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret, store })],
    }).compile();
    const app = testing.createNestApplication({ logger: false });
    opened.push(app);
    expect(store.opened).toBe(0);
    await app.init();
    expect(store.opened).toBe(1);
  });

  it('closes the store after pending handlers have finished', async () => {
    const store = newStore();
    const gates = new Gates();
    @Controller()
    class SlowController {
      @Post('slow')
      async slow(@Session() session: Session): Promise<void> {
        session.user = 'ann';
        await gates.pass('handler');
      }
    }
    const { app, browser } = await run([SessionModule.forRoot({ secret, store })], {
      controllers: [SlowController],
    });
    opened.pop();
    const response = browser.post('/slow');
    await gates.reached('handler');
    const closing = app.close();
    gates.open('handler');
    expect((await response).status).toBe(201);
    await closing;
    expect(store.take()).toEqual(['create']);
    expect(store.closed).toBe(1);
  });

  it('renews the expiry once per request with rolling: true', async () => {
    const store = newStore();
    const cookie = { maxAge: 60_000 };
    const { browser } = await run([SessionModule.forRoot({ secret, store, cookie, rolling: true })]);
    await browser.post('/login', { user: 'ann' });
    expect(store.take()).toEqual(['create']);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
    expect(store.take()).toEqual(['read', 'update']);
  });

  it('covers all paths, including those under a global prefix', async () => {
    const { browser } = await run([SessionModule.forRoot({ secret, store: newStore() })], {
      before: (app) => app.setGlobalPrefix('api', { exclude: ['login'] }),
    });
    await browser.post('/login', { user: 'ann' });
    expect((await browser.get('/api/me')).json()).toEqual({ user: 'ann' });
  });

  it.each([{ forRoutes: ['login', 'me'] }, { exclude: ['guarded'] }])(
    'covers only the routes that %o selects',
    async (routes) => {
      const { browser } = await run([SessionModule.forRoot({ secret, store: newStore(), ...routes })]);
      await expectSessions(browser);
      expect((await browser.get('/guarded')).status).toBe(500);
    },
  );

  it.each([
    [{ forRoutes: 'cart' }, /^forRoutes must be a list of routes/],
    [{ forRoutes: [] }, /^forRoutes must be a list of routes/],
    [{ exclude: 'health' }, /^exclude must be a list of routes/],
    [{ forRoute: ['cart'] }, /^Unknown session option "forRoute"\. .+forRoutes, exclude, recheck, isGlobal/],
  ])('rejects the options %j with an error that says what to write', async (wrong, message) => {
    await expect(run([SessionModule.forRoot({ secret, ...wrong } as never)])).rejects.toThrow(message);
  });

  it('rejects a factory that returns nothing with an error that says to return the options', async () => {
    await expect(run([SessionModule.forRootAsync({ useFactory: () => undefined as never })])).rejects.toThrow(
      /return them, as in useFactory/,
    );
  });

  it('reads each session once even if the app mounts SESSION_MIDDLEWARE itself', async () => {
    const store = newStore();
    const users: unknown[] = [];
    const { browser } = await run([SessionModule.forRoot({ secret, store })], {
      before: (app) => {
        app.use(app.get(SESSION_MIDDLEWARE));
        app.use((req: { session?: { user?: string } }, _res: unknown, next: () => void) => {
          users.push(req.session?.user);
          next();
        });
      },
    });
    await expectSessions(browser);
    expect(users).toEqual([undefined, undefined, 'ann']);
    expect(store.take()).toEqual(['create', 'read']);
  });

  it.each([
    [{}, /secret is required/],
    [{ secret, idleTimeout: -1 }, /idleTimeout must be a positive number/],
    [{ secret, store: {} }, /store must be a SessionStore/],
  ])('does not start with the options %o', async (options, message) => {
    await expect(run([SessionModule.forRoot(options as SessionModuleOptions)])).rejects.toThrow(message);
  });
});

describe('SessionModule at start, while the store cannot be opened,', () => {
  /** A store whose backend is unreachable until `isUp`, and the lines that its app logs. */
  function unreachable(timeout = 2000) {
    const store = new RecordingStore(new ClusterStore({ name: `module-${process.pid}-${names++}`, timeout }));
    const state = { isUp: false };
    const open = store.open.bind(store);
    store.open = async () => {
      if (state.isUp) return open();
      store.opened++;
      throw new SessionStoreError('recording', 'open', 'no server. Start one', {
        cause: new Error('connection refused'),
      });
    };
    const logged: string[] = [];
    const log = (line: string): void => void logged.push(line);
    return { store, state, logged, logger: { warn: log, error: log } };
  }

  it('tries for the timeout of the store, logs that, and starts as soon as it is open', async () => {
    const { store, state, logged, logger } = unreachable();
    const starting = run([SessionModule.forRoot({ secret, store, logger })]);
    await eventually(() => store.opened > 1);
    state.isUp = true;
    await expectSessions((await starting).browser);
    expect(logged).toEqual([
      'the store could not be opened and is retried for 2000 ms: [session:recording] open: no server. Start one (connection refused)',
    ]);
  });

  it('gives up when the timeout of the store is over, with the reason', async () => {
    const { store, logger } = unreachable(600);
    const begun = performance.now();
    await expect(run([SessionModule.forRoot({ secret, store, logger })])).rejects.toThrow(/Start one/);
    expect(store.opened).toBeGreaterThan(1);
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('does not try again after an error that is not a SessionStoreError', async () => {
    const { store, logger } = unreachable();
    store.open = () => {
      store.opened++;
      return Promise.reject(new TypeError('wrong options'));
    };
    await expect(run([SessionModule.forRoot({ secret, store, logger })])).rejects.toThrow('wrong options');
    expect(store.opened).toBe(1);
  });

  it("serves without sessions with onStoreError: 'anonymous', logs that once, and has sessions once it is open", async () => {
    const { store, state, logged, logger } = unreachable();
    const { app, browser } = await run([
      SessionModule.forRoot({ secret, store, logger, onStoreError: 'anonymous' }),
    ]);
    expect((await browser.get('/me')).json()).toEqual({ user: null });
    expect((await browser.post('/login', { user: 'ann' })).status).toBe(503);
    expect(logged).toEqual([
      expect.stringMatching(/without a session until .+Start one \(connection refused\)/),
    ]);
    state.isUp = true;
    await eventually(async () => (await browser.post('/login', { user: 'ann' })).status === 201);
    expect((await browser.get('/me')).json()).toEqual({ user: 'ann' });
    const { opened: attempts } = store;
    await app.close();
    expect({ opened: store.opened, closed: store.closed }).toEqual({ opened: attempts, closed: 1 });
  });

  it("stops trying when the app closes, with onStoreError: 'anonymous'", async () => {
    const { store, logger } = unreachable();
    const { app } = await run([SessionModule.forRoot({ secret, store, logger, onStoreError: 'anonymous' })]);
    await eventually(() => store.opened > 2);
    await app.close();
    const { opened: attempts } = store;
    await wait(600);
    expect(store.opened).toBe(attempts);
  });
});

describe('@Session() and sessionOf()', () => {
  it('give guards and handlers the session or one property of it', async () => {
    const { browser } = await run([SessionModule.forRoot({ secret, store: newStore() })]);
    expect((await browser.get('/guarded')).status).toBe(403);
    await browser.post('/login', { user: 'ann' });
    expect((await browser.get('/guarded')).text).toBe('in');
  });

  it('throw if the middleware did not run, with an error that shows the missing line', async () => {
    const errors: string[] = [];
    @Catch()
    class KeepFilter implements ExceptionFilter {
      catch(error: Error, host: ArgumentsHost): void {
        errors.push(error.message);
        host.switchToHttp().getResponse<Response>().status(500).end();
      }
    }
    @Controller()
    @UseFilters(KeepFilter)
    class Bare {
      @Get()
      get(@Session() session: Session): unknown {
        return session;
      }
    }
    const { browser } = await run([], { controllers: [Bare] });
    expect((await browser.get('/')).status).toBe(500);
    expect(errors[0]).toContain('SessionModule.forRoot({ secret })');
  });
});

describe('a commit in Nest', () => {
  @Catch(SessionStoreError)
  class SorryFilter implements ExceptionFilter {
    catch(_error: SessionStoreError, host: ArgumentsHost): void {
      host.switchToHttp().getResponse<Response>().status(503).json({ sorry: true });
    }
  }

  @Controller()
  class WriteController {
    constructor(@Inject(SessionStore) private readonly store: RecordingStore) {}

    @Post('filtered')
    @UseFilters(SorryFilter)
    filtered(@Session() session: Session): string {
      session.user = 'ann';
      this.store.failing = true;
      return 'saved';
    }

    @Post('plain')
    plain(@Session() session: Session): string {
      session.user = 'ann';
      this.store.failing = true;
      return 'saved';
    }

    @Post('awaited')
    async awaited(@Session() session: Session, @Res({ passthrough: true }) res: Response): Promise<void> {
      res.setHeader('x-mine', '1');
      await session.save();
      this.store.failing = true;
      await session.regenerate();
    }

    @Post('teapot')
    teapot(@Session() session: Session): string {
      session.user = 'ann';
      throw new HttpException('teapot', 418);
    }
  }

  async function runWrites(): Promise<{ browser: Browser; store: RecordingStore }> {
    const store = newStore();
    const { browser } = await run([SessionModule.forRoot({ secret, store })], {
      controllers: [WriteController],
    });
    return { browser, store };
  }

  it('that fails reaches the exception filter of the controller, and no cookie is sent', async () => {
    const { browser } = await runWrites();
    const response = await browser.post('/filtered');
    expect(response).toMatchObject({ status: 503, text: '{"sorry":true}', setCookies: [] });
  });

  it("that fails while the handler awaits it is a 503 with Retry-After and without the handler's headers", async () => {
    const { browser } = await runWrites();
    const response = await browser.post('/awaited');
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(response.headers).not.toHaveProperty('x-mine');
  });

  it('that fails is a 503 with Retry-After if the app has no exception filter', async () => {
    const { browser } = await runWrites();
    const response = await browser.post('/plain');
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(response.text).not.toContain('recording');
  });

  it('saves the changes of a handler that throws, and the response is its error', async () => {
    const { browser, store } = await runWrites();
    const response = await browser.post('/teapot');
    expect(response.status).toBe(418);
    expect(response.setCookies).toHaveLength(1);
    expect(store.take()).toEqual(['create']);
  });
});

describe('SessionService', () => {
  /** Two browsers in which ann has logged in, and a third in which ben has. */
  async function withSessions(): Promise<{ sessions: SessionService; browsers: Browser[]; ids: string[] }> {
    const { app, browser } = await run([SessionModule.forRoot({ secret, store: newStore() })]);
    const browsers = [browser, new Browser(browser.url), new Browser(browser.url)];
    const ids: string[] = [];
    for (const [index, one] of browsers.entries()) {
      ids.push((await one.post('/login', { user: index === 2 ? 'ben' : 'ann' })).text);
    }
    return { sessions: app.get(SessionService), browsers, ids };
  }
  const usersOf = (browsers: Browser[]): Promise<unknown[]> =>
    Promise.all(browsers.map(async (browser) => (await browser.get('/me')).json()['user']));
  const idsOf = async (views: AsyncIterable<{ id: string }>): Promise<string[]> => {
    const ids: string[] = [];
    for await (const { id } of views) ids.push(id);
    return ids.toSorted();
  };

  it('lists and counts the sessions of a group, and all sessions', async () => {
    const { sessions, ids } = await withSessions();
    expect(await idsOf(sessions.list('user:ann'))).toEqual(ids.slice(0, 2).toSorted());
    expect(await idsOf(sessions.listAll())).toEqual(ids.toSorted());
    expect(await sessions.count('user:ann')).toBe(2);
    expect(await sessions.countAll()).toBe(3);
    const { views } = await sessions.page({ group: 'user:ben', limit: 10 });
    expect(views.map(({ id }) => id)).toEqual([ids[2]]);
  });

  it('returns views that are parsed and frozen, without secret or secret hash', async () => {
    const { sessions, ids } = await withSessions();
    const view = (await sessions.find(ids[0]!))!;
    const fields = ['client', 'createdAt', 'data', 'expiresAt', 'groups', 'id', 'label', 'lastSeenAt'];
    expect(Object.keys(view).toSorted()).toEqual(fields);
    expect({ ...view.data }).toEqual({ user: 'ann' });
    expect(view.groups).toEqual(['user:ann']);
    const isFrozen = {
      view: Object.isFrozen(view),
      data: Object.isFrozen(view.data),
      groups: Object.isFrozen(view.groups),
    };
    expect(isFrozen).toEqual({ view: true, data: true, groups: true });
  });

  it('finds no session for an id that does not exist', async () => {
    const { sessions } = await withSessions();
    expect(await sessions.find('nobody')).toBeUndefined();
  });

  it('destroys one session, and resolves to whether it was live', async () => {
    const { sessions, browsers, ids } = await withSessions();
    expect(await sessions.destroy(ids[2]!)).toBe(true);
    expect(await sessions.destroy(ids[2]!)).toBe(false);
    expect(await usersOf(browsers)).toEqual(['ann', 'ann', null]);
  });

  it.each<[string, (id: string) => ClearOptions['except']]>([
    ['an object with an id', (id) => ({ id })],
    ['an id', (id) => id],
    ['a list of ids', (id) => [id]],
  ])('destroys a group except %s, and resolves to the number of destroyed sessions', async (_, except) => {
    const { sessions, browsers, ids } = await withSessions();
    expect(await sessions.clearGroup('user:ann', { except: except(ids[0]!) })).toBe(1);
    expect(await usersOf(browsers)).toEqual(['ann', null, 'ben']);
  });

  it('destroys all sessions, and resolves to their number', async () => {
    const { sessions, browsers } = await withSessions();
    expect(await sessions.clearAll()).toBe(3);
    expect(await usersOf(browsers)).toEqual([null, null, null]);
  });

  it('lets a handler log in and log out everywhere else, with a session that is not stored yet', async () => {
    const { browsers } = await withSessions();
    expect((await browsers[0]!.post('/only-here/ann')).json()).toEqual({ ended: 1 });
    expect(await usersOf(browsers)).toEqual(['ann', null, 'ben']);
  });

  it('lets a handler log out a user everywhere', async () => {
    const { browsers } = await withSessions();
    expect((await browsers[0]!.post('/logout-everywhere')).json()).toEqual({ ended: 2 });
    expect(await usersOf(browsers)).toEqual([null, null, 'ben']);
  });

  it('creates a session without a request, whose token is valid in a cookie and in a header', async () => {
    const identities = [cookieIdentity({ maxAge: 60_000 }), headerIdentity()];
    const { app, browser } = await run([
      SessionModule.forRoot({ secret, store: newStore(), identities, maxSize: 1000 }),
    ]);
    const sessions = app.get(SessionService);
    const before = Date.now();
    const { session, token } = await sessions.create({ user: 'ann' }, { groups: ['user:ann', 'user:ann'] });
    expect(session).toMatchObject({ data: { user: 'ann' }, groups: ['user:ann'] });
    expect(session.expiresAt - before).toBeGreaterThanOrEqual(60_000);
    expect(session.expiresAt - Date.now()).toBeLessThanOrEqual(60_000);
    expect(JSON.stringify(session)).not.toContain(token.slice(-20));

    expect((await browser.get('/me', { headers: { 'x-auth-token': token } })).json()).toEqual({
      user: 'ann',
    });
    expect((await browser.get('/me', { headers: { cookie: `sid=${token}` } })).json()).toEqual({
      user: 'ann',
    });
    expect(await sessions.clearGroup('user:ann')).toBe(1);
    expect((await browser.get('/me', { headers: { cookie: `sid=${token}` } })).json()).toEqual({
      user: null,
    });
  });

  it('creates a session with its own maxAge, which requests keep and absoluteTimeout limits', async () => {
    const { app, browser } = await run([
      SessionModule.forRoot({ secret, store: newStore(), rolling: true, absoluteTimeout: 90_000 }),
    ]);
    const sessions = app.get(SessionService);
    const { session, token } = await sessions.create({ user: 'ann' }, { maxAge: 50_000 });
    const response = await browser.get('/me', { headers: { cookie: `sid=${token}` } });
    const { expiresAt } = (await sessions.find(session.id))!;
    expect(expiresAt - Date.now()).toBeGreaterThan(45_000);
    expect(expiresAt - Date.now()).toBeLessThanOrEqual(50_000);
    expect(response.setCookies[0]).toContain(`Expires=${new Date(expiresAt).toUTCString()}`);
    const { session: capped } = await sessions.create({}, { maxAge: 500_000 });
    expect(capped.expiresAt - Date.now()).toBeLessThanOrEqual(90_000);
  });

  it('creates a session whose cookie attributes come from the cookie function of its first request', async () => {
    const { app, browser } = await run([
      SessionModule.forRoot({
        secret,
        store: newStore(),
        rolling: true,
        cookie: () => ({ sameSite: 'strict', httpOnly: false }),
      }),
    ]);
    const { token } = await app.get(SessionService).create({ user: 'ann' }, { maxAge: 60_000 });
    const [cookie] = (await browser.get('/me', { headers: { cookie: `sid=${token}` } })).setCookies;
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).not.toMatch(/HttpOnly/);
  });

  it.each<
    [string, [data: Record<string, unknown>, options?: object], RegExp | (new (...args: never[]) => Error)]
  >([
    ['data above maxSize', [{ text: 'x'.repeat(1000) }], SessionTooLargeError],
    ["a member's name in its data", [{ id: 'mine' }], /session.id is reserved/],
    ["another member's name in its data", [{ identity: 'mine' }], /session.identity is reserved/],
    ['a value that cannot be serialized', [{ big: 1n }], /its value cannot be serialized as JSON/],
    ['a maxAge of 0', [{}, { maxAge: 0 }], /maxAge must be/],
    ['an infinite maxAge', [{}, { maxAge: Infinity }], /must be finite/],
    ['a group that is not a string', [{}, { groups: [5] }], TypeError],
  ])('does not create a session with %s', async (_, parameters, error) => {
    const { app } = await run([SessionModule.forRoot({ secret, store: newStore(), maxSize: 1000 })]);
    const sessions = app.get(SessionService);
    await expect(sessions.create(...parameters)).rejects.toThrow(error);
    expect(await sessions.countAll()).toBe(0);
  });

  const METHODS: Record<string, (sessions: SessionService, value: never) => unknown> = {
    list: (sessions, value) => sessions.list(value),
    page: (sessions, value) => sessions.page({ group: value }),
    count: (sessions, value) => sessions.count(value),
    clearGroup: (sessions, value) => sessions.clearGroup(value),
    find: (sessions, value) => sessions.find(value),
    destroy: (sessions, value) => sessions.destroy(value),
    'clearGroup with except': (sessions, value) => sessions.clearGroup('user:ann', { except: [value] }),
  };

  it.each(Object.keys(METHODS))(
    'throws a TypeError from %s for a group or id that is not a string, so that undefined never means all',
    async (method) => {
      const { sessions } = await withSessions();
      for (const value of [undefined, null, { $ne: null }, 5, ['user:ann']] as never[])
        await expect(async () => METHODS[method]!(sessions, value), inspect(value)).rejects.toThrow(
          TypeError,
        );
      expect(await sessions.countAll()).toBe(3);
    },
  );

  it.each<[string, (sessions: SessionService) => Promise<unknown>, string]>([
    ['create', (to) => to.create({}, { group: 'a' } as object), 'Valid options: groups, maxAge'],
    ['create', (to) => to.create({}, ['user:ann'] as object), 'write { groups, maxAge }'],
    ['page', (to) => to.page({ group: 'user:ann', max: 5 } as never), 'Valid options: group, after, limit'],
    ['pageAll', (to) => to.pageAll({ group: 'user:ann' } as object), 'Write page({ group })'],
    ['clearGroup', (to) => to.clearGroup('user:ann', { keep: 'id' } as object), 'Valid options: except'],
    ['clearGroup', (to) => to.clearGroup('user:ann', 'id' as never), 'write { except: session }'],
    ['clearGroup', (to) => to.clearGroup('user:ann', new Set(['id']) as object), 'write { except: session }'],
    ['clearAll', (to) => to.clearAll({ keep: 'id' } as object), 'Valid options: except'],
  ])(
    'rejects options of %s that do not exist, and neither makes nor ends a session: %#',
    async (_, call, hint) => {
      const { sessions } = await withSessions();
      await expect(call(sessions)).rejects.toBeInstanceOf(TypeError);
      await expect(call(sessions)).rejects.toThrow(hint);
      expect(await sessions.countAll()).toBe(3);
    },
  );

  it('rejects a page with a limit above 1 000', async () => {
    const { sessions } = await withSessions();
    await expect(sessions.page({ group: 'user:ann', limit: 1001 })).rejects.toThrow(TypeError);
  });
});
