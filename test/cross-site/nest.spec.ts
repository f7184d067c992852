import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Catch,
  Controller,
  ForbiddenException,
  Get,
  Module,
  Post,
  RequestMethod,
  Sse,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type INestApplication,
  type MiddlewareConsumer,
  type NestModule,
} from '@nestjs/common';
import { GraphQLModule, Mutation, Query, Resolver } from '@nestjs/graphql';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { interval, map, take, type Observable } from 'rxjs';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  AllowCrossSite,
  CrossSiteError,
  SESSION_MIDDLEWARE,
  Session,
  SessionModule,
  SessionService,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { Browser } from '../http/browser.js';
import { MapStore } from '../stores/map.store.js';
import { RecordingStore } from '../stores/recording.store.js';
import { fromOtherSite } from './requests.js';

type Bag = Session & Record<string, unknown>;

/** What has run. */
let ran: string[];
let caught: unknown;

class NotingGuard implements CanActivate {
  canActivate(): boolean {
    ran.push('guard');
    return true;
  }
}

@Catch(ForbiddenException)
class ForbiddenFilter implements ExceptionFilter {
  catch(error: ForbiddenException, host: ArgumentsHost): void {
    caught = error;
    const response = host
      .switchToHttp()
      .getResponse<{ status(code: number): { send(body: object): void } }>();
    response.status(403).send({ filtered: true });
  }
}

@Controller()
class Account {
  @Post('login')
  async login(@Session() session: Bag) {
    ran.push('login');
    await session.regenerate();
    session['user'] = 'ann';
    return { id: session.id };
  }

  @Get('me')
  me(@Session('user') user: string | undefined) {
    return { user: user ?? null };
  }

  @Post('write')
  @UseGuards(NotingGuard)
  write(@Session() session: Bag) {
    ran.push('write');
    session['theme'] = 'dark';
  }

  @Post('acs')
  @AllowCrossSite()
  async acs(@Session() session: Bag) {
    const before = session['user'] ?? null;
    await session.regenerate();
    session['user'] = 'saml';
    return { before, state: session['state'] ?? null };
  }
}

@Controller('events')
class Events {
  @Sse('', { method: RequestMethod.POST })
  stream(@Session() session: Bag): Observable<{ data: number }> {
    session['user'] = 'ann';
    return interval(50).pipe(
      take(6),
      map((data) => ({ data })),
    );
  }
}

@Controller('callbacks')
@AllowCrossSite()
class Callbacks {
  @Post('apple')
  apple(@Session() session: Bag) {
    session['user'] = 'apple';
    return { noted: session['noted'] ?? null };
  }
}

@Resolver()
class Accounts {
  @Query(() => String)
  user(@Session('user') user: string | undefined) {
    return user ?? 'none';
  }

  @Mutation(() => Boolean)
  write(@Session() session: Bag) {
    ran.push('write');
    session['theme'] = 'dark';
    return true;
  }

  @Mutation(() => Boolean)
  async login(@Session() session: Bag) {
    session['user'] = 'ann';
    await session.save();
    return true;
  }

  @Mutation(() => Boolean)
  @AllowCrossSite()
  callback(@Session() session: Bag) {
    session['callback'] = true;
    return true;
  }
}

/** Middleware that uses the session before any handler is known. */
async function notes(
  req: { originalUrl: string; session: Bag },
  _res: unknown,
  next: () => void,
): Promise<void> {
  if (!req.originalUrl.includes('?note')) return next();
  req.session['noted'] = true;
  await req.session.save();
  next();
}

@Module({
  imports: [
    GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      autoSchemaFile: true,
      graphiql: false,
    }),
  ],
  controllers: [Account, Callbacks, Events],
  providers: [Accounts],
})
class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(notes).forRoutes('{*path}');
  }
}

type RawHandler = (req: unknown, res: { send(body: object): void }) => void;

interface Started {
  app: INestApplication;
  url: string;
  store: RecordingStore;
  logged: string[];
}

async function start(
  adapter: 'Express' | 'Fastify',
  options: Partial<SessionModuleOptions>,
  ...filters: ExceptionFilter[]
): Promise<Started> {
  const store = new RecordingStore(new MapStore());
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  const testing = await Test.createTestingModule({
    imports: [
      SessionModule.forRoot({ secret: 'app', store, logger: { warn: log, error: log }, ...options }),
      AppModule,
    ],
  }).compile();
  const platform = adapter === 'Express' ? new ExpressAdapter() : new FastifyAdapter({ trustProxy: true });
  const app = testing.createNestApplication(platform, { logger: false });
  if (adapter === 'Express') (app as NestExpressApplication).set('trust proxy', true);
  onTestFinished(() => app.close());
  app.useGlobalFilters(...filters);
  if (adapter === 'Express') app.use(app.get(SESSION_MIDDLEWARE));
  const instance = app.getHttpAdapter().getInstance() as { post(path: string, handler: RawHandler): void };
  instance.post('/raw', (_req, res) => {
    ran.push('raw');
    res.send({ raw: true });
  });
  await app.listen(0, '127.0.0.1');
  return { app, url: await app.getUrl(), store, logged };
}

const loggedInAt = async (url: string): Promise<Browser> => {
  const browser = new Browser(url);
  await browser.post('/login');
  ran = [];
  return browser;
};
const userOf = async (browser: Browser): Promise<unknown> =>
  (await browser.get('/me')).json<{ user: unknown }>().user;

beforeEach(() => {
  ran = [];
  caught = undefined;
});

describe.each(['Express', 'Fastify'] as const)("crossSite: 'reject' in Nest on %s", (adapter) => {
  it('rejects a handler before the guards of the app, and renews nothing', async () => {
    const { url, store } = await start(adapter, { crossSite: 'reject', touchAfter: 0 });
    const browser = await loggedInAt(url);
    store.take();
    const response = await fromOtherSite(browser, '/write');
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ statusCode: 403 });
    expect(response.setCookies).toEqual([]);
    expect(ran).toEqual([]);
    expect(store.take()).toEqual(['read']);
  });

  it('knows its host from a proxy that the platform trusts', async () => {
    const { url } = await start(adapter, { crossSite: 'reject' });
    const browser = await loggedInAt(url);
    const proxied = { 'x-forwarded-host': 'app.example.com:8443', 'x-forwarded-proto': 'https' };
    for (const [origin, status] of [
      ['https://app.example.com:8443', 201],
      ['https://app.example.com', 403],
      [url, 403],
    ] as const) {
      const response = await browser.send('POST', '/write', { headers: { ...proxied, origin } });
      expect(response.status, origin).toBe(status);
    }
  });

  it('knows its port from the proxy, if Host has another one', async () => {
    const { url } = await start(adapter, { crossSite: 'reject' });
    const browser = await loggedInAt(url);
    const { hostname } = new URL(url);
    const proxied = { 'x-forwarded-host': `${hostname}:8443`, 'x-forwarded-proto': 'https' };
    for (const [origin, status] of [
      [`https://${hostname}:8443`, 201],
      [`https://${hostname}:9443`, 403],
    ] as const) {
      const response = await browser.send('POST', '/write', { headers: { ...proxied, origin } });
      expect(response.status, origin).toBe(status);
    }
  });

  it('gives exception filters a ForbiddenException, whose cause is the CrossSiteError', async () => {
    const { url } = await start(adapter, { crossSite: 'reject' }, new ForbiddenFilter());
    const browser = await loggedInAt(url);
    expect((await fromOtherSite(browser, '/write')).json()).toEqual({ filtered: true });
    expect((caught as Error).cause).toBeInstanceOf(CrossSiteError);
  });

  it('accepts a handler, or all of a controller, with @AllowCrossSite()', async () => {
    const { url, logged } = await start(adapter, { crossSite: 'reject' });
    const browser = await loggedInAt(url);
    const acs = await fromOtherSite(browser, '/acs');
    expect(acs.json()).toEqual({ before: 'ann', state: null });
    expect(await userOf(browser)).toBe('saml');
    expect((await fromOtherSite(browser, '/callbacks/apple')).status).toBe(201);
    expect(await userOf(browser)).toBe('apple');
    expect(logged).toEqual([]);
  });

  it('responds with a 403 for a handler that is not one of Nest, and saves nothing', async () => {
    const { url, store, logged } = await start(adapter, { crossSite: 'reject', touchAfter: 0 });
    const browser = await loggedInAt(url);
    store.take();
    const response = await fromOtherSite(browser, '/raw');
    expect(response.status).toBe(403);
    expect(response.json()).toMatchObject({ statusCode: 403 });
    expect(store.take()).toEqual(['read']);
    expect((await fromOtherSite(browser, '/nothing')).status).toBe(403);
    expect((await browser.post('/raw')).json()).toEqual({ raw: true });
    expect(logged).toEqual([expect.stringContaining('was rejected')]);
  });

  it('rejects mutations and queries of GraphQL over POST one by one, except with @AllowCrossSite()', async () => {
    const { url } = await start(adapter, { crossSite: 'reject' });
    const browser = await loggedInAt(url);
    const ask = async (query: string) =>
      (await fromOtherSite(browser, '/graphql', { body: { query } })).json<{
        data: Record<string, unknown> | null;
        errors?: { extensions: { code: string } }[];
      }>();
    for (const query of ['mutation { write }', '{ user }']) {
      const { data, errors } = await ask(query);
      expect(data, query).toBeNull();
      expect(errors![0]!.extensions.code).toBe('FORBIDDEN');
    }
    expect(ran).toEqual([]);
    expect(await ask('mutation { callback }')).toEqual({ data: { callback: true } });
    const get = await browser.send('GET', `/graphql?query=${encodeURIComponent('{ user }')}`, {
      headers: { 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' },
    });
    expect(get.json()).toEqual({ data: { user: 'ann' } });
    // After one that is accepted too.
    expect((await ask('mutation { callback write }')).data).toBeNull();
    expect(ran).toEqual([]);
  });
});

describe.each(['Express', 'Fastify'] as const)("crossSite: 'isolate' in Nest on %s", (adapter) => {
  it('gives the client no session of a handler, or of one that is not of Nest', async () => {
    const { app, url } = await start(adapter, { crossSite: 'isolate' });
    for (const path of ['/login', '/raw?note']) {
      const response = await fromOtherSite(new Browser(url), path);
      expect(response.status, path).toBeLessThan(300);
      expect(response.setCookies, path).toEqual([]);
    }
    expect(await app.get(SessionService).countAll()).toBe(0);
  });

  it('gives it the session of a handler with @AllowCrossSite(), with what middleware has stored before', async () => {
    const { url, logged } = await start(adapter, { crossSite: 'isolate' });
    const browser = new Browser(url);
    expect((await fromOtherSite(browser, '/callbacks/apple?note')).json()).toEqual({ noted: true });
    expect(await userOf(browser)).toBe('apple');
    expect((await fromOtherSite(new Browser(url), '/acs')).setCookies).toHaveLength(1);
    expect(logged).toEqual([]);
  });

  it('gives it none if only some of the mutations of an operation have @AllowCrossSite()', async () => {
    const { app, url } = await start(adapter, { crossSite: 'isolate' });
    const ask = (query: string) => fromOtherSite(new Browser(url), '/graphql', { body: { query } });
    expect((await ask('mutation { callback }')).setCookies).toHaveLength(1);
    const stored = await app.get(SessionService).countAll();
    for (const query of ['mutation { login callback }', 'mutation { callback login }'])
      expect((await ask(query)).setCookies, query).toEqual([]);
    expect(await app.get(SessionService).countAll()).toBe(stored);
  });

  it('lets a stream of events end by itself, although its session is in no store', async () => {
    const { app, url } = await start(adapter, { crossSite: 'isolate', recheck: 20 });
    const { text, setCookies } = await fromOtherSite(new Browser(url), '/events');
    expect(text.match(/^data: \d$/gm)).toHaveLength(6);
    expect(setCookies).toEqual([]);
    expect(await app.get(SessionService).countAll()).toBe(0);
  });

  it('fails the request of a handler with @AllowCrossSite() if the store is down', async () => {
    const { url, store } = await start(adapter, { crossSite: 'isolate' });
    store.failing = ['create'];
    expect((await fromOtherSite(new Browser(url), '/callbacks/apple?note')).status).toBe(503);
  });
});

it('without the option, @AllowCrossSite() changes nothing', async () => {
  const { url } = await start('Express', {});
  const browser = await loggedInAt(url);
  expect((await fromOtherSite(browser, '/write')).status).toBe(201);
  expect((await fromOtherSite(browser, '/acs')).status).toBe(201);
});
