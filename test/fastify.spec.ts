import { once } from 'node:events';
import { connect } from 'node:http2';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import {
  Catch,
  Controller,
  Get,
  Header,
  HttpException,
  Injectable,
  Module,
  Post,
  Redirect,
  Res,
  Req,
  Session as NestSession,
  StreamableFile,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CanActivate,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type ModuleMetadata,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { APP_FILTER, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { map, type Observable } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  Session,
  SESSION_MIDDLEWARE,
  SessionModule,
  sessionOf,
  SessionStoreError,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { Browser } from './http/browser.js';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Record<string, unknown>;
/** The parts of a Fastify instance that specs use. */
interface FastifyInstance {
  get(path: string, handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>): void;
  addHook(
    name: string,
    hook: (request: FastifyRequest, reply: FastifyReply, payload: unknown) => Promise<unknown>,
  ): void;
}
const instanceOf = (app: NestFastifyApplication): FastifyInstance =>
  app.getHttpAdapter().getInstance() as unknown as FastifyInstance;

/** The parts of Fastify's request and reply that handlers use. */
interface FastifyRequest {
  session: Bag & { destroy(): Promise<void> };
  sessionID: string;
  raw: { session: unknown };
}
interface FastifyReply {
  raw: import('node:http').ServerResponse;
  header(name: string, value: unknown): FastifyReply;
  code(status: number): FastifyReply;
  type(type: string): FastifyReply;
  send(body?: unknown): FastifyReply;
  redirect(url: string): FastifyReply;
  hijack(): FastifyReply;
  readonly sent: boolean;
}

let names = 0;
const newStore = (): RecordingStore =>
  new RecordingStore(new ClusterStore({ name: `fastify-${process.pid}-${names++}` }));

interface Running {
  app: NestFastifyApplication;
  store: RecordingStore;
  browser: Browser;
  /** What the session layer logged. */
  logged: string[];
}

async function run(
  parts: ModuleMetadata & {
    options?: Partial<SessionModuleOptions>;
    adapter?: FastifyAdapter;
    before?: (app: NestFastifyApplication) => unknown;
  },
): Promise<Running> {
  const { options, adapter = new FastifyAdapter(), before, ...module } = parts;
  const store = newStore();
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  const testing = await Test.createTestingModule({
    ...module,
    imports: [
      SessionModule.forRoot({ secret: 'fastify', store, logger: { warn: log, error: log }, ...options }),
      ...(module.imports ?? []),
    ],
  }).compile();
  const app = testing.createNestApplication<NestFastifyApplication>(adapter, { logger: false });
  await before?.(app);
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  return { app, store, browser: new Browser(await app.getUrl()), logged };
}

function getOverHttp2(url: string): (path: string) => Promise<{ headers: Bag; text: string }> {
  const client = connect(url);
  onTestFinished(() => void client.close());
  return async (path) => {
    const stream = client.request({ ':path': path });
    const [headers] = (await once(stream, 'response')) as [Bag];
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return { headers, text };
  };
}

/** The data of the only session that is stored. */
async function storedIn(store: RecordingStore): Promise<Bag | undefined> {
  const { records } = await store.page({ limit: 10 });
  expect(records.length).toBeLessThanOrEqual(1);
  const data = records[0]?.data;
  return data && Object.fromEntries(Object.entries(data).map(([name, text]) => [name, JSON.parse(text)]));
}

@Catch(SessionStoreError)
class SorryFilter implements ExceptionFilter {
  catch(_error: SessionStoreError, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<FastifyReply>().code(503).send({ sorry: true });
  }
}

describe('the session on a Fastify request', () => {
  @Controller()
  class LookController {
    @Get('nest')
    nest(@NestSession() theirs: Bag, @Session() ours: Session, @Req() req: FastifyRequest): boolean[] {
      (theirs as Bag)['seen'] = true;
      const same: unknown[] = [theirs, req.session, req.raw.session];
      return [...same.map((one) => one === ours), req.sessionID === ours.id];
    }

    @Get('replace')
    replace(@Req() req: FastifyRequest): unknown {
      req.session = { mine: true } as never;
      return req.raw.session;
    }

    @Get('destroy')
    async destroy(@Req() req: FastifyRequest): Promise<boolean> {
      await req.session.destroy();
      return req.session === undefined;
    }
  }

  it('is the same in @Session() of Nest and of this package, request.session and request.raw.session', async () => {
    const { browser, store } = await run({ controllers: [LookController] });
    expect((await browser.get('/nest')).json()).toEqual([true, true, true, true]);
    expect(await storedIn(store)).toEqual({ seen: true });
  });

  it('is removed from the request by destroy(), and replacing it saves nothing and is logged', async () => {
    const { browser, store, logged } = await run({ controllers: [LookController] });
    await browser.get('/nest');
    expect((await browser.get('/replace')).json()).toEqual({ mine: true });
    expect(await storedIn(store)).toEqual({ seen: true });
    expect(logged.join()).toContain('req.session was replaced');
    expect((await browser.get('/destroy')).text).toBe('true');
    expect(await storedIn(store)).toBeUndefined();
  });

  it('does not replace request.session of another plugin, and @Session() of this package still works', async () => {
    const adapter = new FastifyAdapter();
    adapter.getInstance().decorateRequest('session', { getter: () => ({ theirs: true }) } as never);
    @Controller()
    class BothController {
      @Get()
      both(@NestSession() theirs: unknown, @Session() ours: Session): unknown {
        return [theirs, typeof ours.regenerate];
      }
    }
    const { browser } = await run({ controllers: [BothController], adapter });
    expect((await browser.get('/')).json()).toEqual([{ theirs: true }, 'function']);
  });

  it('is separate for each of two apps in one process', async () => {
    const one = await run({ controllers: [LookController] });
    const two = await run({ controllers: [LookController], options: { name: 'two' } });
    two.browser.cookies.set('sid', 'x');
    await one.browser.get('/nest');
    await two.browser.get('/nest');
    expect([...one.browser.cookies.keys()]).toEqual(['sid']);
    expect([...two.browser.cookies.keys()]).toEqual(['sid', 'two']);
    expect(await storedIn(one.store)).toEqual({ seen: true });
    expect(await storedIn(two.store)).toEqual({ seen: true });
  });

  it('is available to middleware after app.use(app.get(SESSION_MIDDLEWARE)), and read once', async () => {
    const seen: unknown[] = [];
    const { browser, store } = await run({
      controllers: [LookController],
      before: (app) => {
        app.use(app.get(SESSION_MIDDLEWARE));
        app.use((req: { session?: Bag }, _res: unknown, next: () => void) => {
          seen.push(req.session?.['seen']);
          next();
        });
      },
    });
    await browser.get('/nest');
    await browser.get('/nest');
    expect(seen).toEqual([undefined, true]);
    expect(store.take()).toEqual(['create', 'read']);
  });

  it('exists for routes in forRoutes, and not for those in exclude, under a global prefix', async () => {
    @Controller()
    class PathsController {
      @Get(['in', 'out'])
      look(@Req() req: FastifyRequest): boolean {
        return req.session !== undefined;
      }
    }
    const before = (app: NestFastifyApplication): unknown => app.setGlobalPrefix('api');
    const looks = async ({ browser }: Running): Promise<string[]> => [
      (await browser.get('/api/in')).text,
      (await browser.get('/api/out')).text,
    ];
    expect(
      await looks(await run({ controllers: [PathsController], before, options: { forRoutes: ['in'] } })),
    ).toEqual(['true', 'false']);
    expect(
      await looks(await run({ controllers: [PathsController], before, options: { exclude: ['out'] } })),
    ).toEqual(['true', 'false']);
    expect(await looks(await run({ controllers: [PathsController], before }))).toEqual(['true', 'true']);
  });

  it('exists in routes of plugins that are registered before or after the app is created', async () => {
    const adapter = new FastifyAdapter();
    const plugin = (path: string) => async (fastify: FastifyInstance) => {
      fastify.get(path, async (request) => {
        request.session['by'] = path;
        return 'ok';
      });
    };
    void adapter.getInstance().register(plugin('/early') as never);
    const store = newStore();
    @Module({ imports: [SessionModule.forRoot({ secret: 'fastify', store })] })
    class AppModule {}
    const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, { logger: false });
    onTestFinished(() => app.close());
    await app.register(plugin('/late') as never);
    await app.listen(0, '127.0.0.1');
    const browser = new Browser(await app.getUrl());
    for (const path of ['/early', '/late']) {
      await browser.get(path);
      expect(await storedIn(store)).toEqual({ by: path });
    }
  });
});

describe('a response on Fastify', () => {
  @Controller()
  class ResponseController {
    @Get('json')
    json(@Session() session: Bag): unknown {
      session['way'] = 'json';
      return { ok: true };
    }

    @Get('text')
    text(@Session() session: Bag): string {
      session['way'] = 'text';
      return 'ok';
    }

    @Get('nothing')
    nothing(@Session() session: Bag): void {
      session['way'] = 'nothing';
    }

    @Get('file')
    file(@Session() session: Bag): StreamableFile {
      session['way'] = 'file';
      return new StreamableFile(Readable.from([Buffer.from('a'), Buffer.from('b')]));
    }

    @Get('redirected')
    @Redirect('/elsewhere', 303)
    redirected(@Session() session: Bag): void {
      session['way'] = 'redirected';
    }

    @Get('passthrough')
    passthrough(@Session() session: Bag, @Res({ passthrough: true }) reply: FastifyReply): string {
      session['way'] = 'passthrough';
      reply.header('set-cookie', 'mine=1').header('x-mine', '1');
      return 'ok';
    }

    @Get('send')
    send(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['way'] = 'send';
      reply.header('set-cookie', ['a=1', 'b=2']).send({ ok: true });
    }

    @Get('returned')
    async returned(@Session() session: Bag, @Res() reply: FastifyReply): Promise<FastifyReply> {
      session['way'] = 'returned';
      return reply.send('ok');
    }

    @Get('sent-and-thrown')
    sentAndThrown(@Session() session: Bag, @Res() reply: FastifyReply): never {
      session['way'] = 'sent-and-thrown';
      reply.send('ok');
      throw new Error('after the response');
    }

    @Get('stream')
    stream(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['way'] = 'stream';
      reply.type('text/plain').send(Readable.from(['a', 'b']));
    }

    @Get('web-stream')
    webStream(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['way'] = 'web-stream';
      reply.send(new Response('ab', { headers: { 'x-mine': '1' } }));
    }

    @Get('redirect')
    redirect(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['way'] = 'redirect';
      reply.code(302).redirect('/elsewhere');
    }

    @Get('hijack')
    hijack(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['way'] = 'hijack';
      reply.hijack();
      reply.raw.writeHead(200, { 'set-cookie': 'mine=1' });
      reply.raw.write('a');
      reply.raw.end('b');
    }

    @Get('raw')
    raw(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['way'] = 'raw';
      reply.raw.end('ab');
    }

    @Get('late')
    late(@Session() session: Bag, @Res() reply: FastifyReply): void {
      setTimeout(() => {
        session['way'] = 'late';
        reply.send('ab');
      }, 5);
    }
  }

  const WAYS = [
    ['json', 200, '{"ok":true}'],
    ['text', 200, 'ok'],
    ['nothing', 200, ''],
    ['file', 200, 'ab'],
    ['redirected', 303, ''],
    ['passthrough', 200, 'ok'],
    ['send', 200, '{"ok":true}'],
    ['returned', 200, 'ok'],
    ['sent-and-thrown', 200, 'ok'],
    ['stream', 200, 'ab'],
    ['web-stream', 200, 'ab'],
    ['redirect', 302, ''],
    ['hijack', 200, 'ab'],
    ['raw', 200, 'ab'],
    ['late', 200, 'ab'],
  ] as const;

  it.each(WAYS)(
    'of the handler %s is sent after the session is stored, with its cookie',
    async (way, status, text) => {
      const { browser, store } = await run({ controllers: [ResponseController] });
      let released = false;
      store.before = async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        released = true;
      };
      const response = await browser.get(`/${way}`);
      expect(released).toBe(true);
      expect([response.status, response.text]).toEqual([status, text]);
      const others = { passthrough: ['mine'], hijack: ['mine'], send: ['a', 'b'] }[way as string] ?? [];
      expect(response.setCookies.map((line) => line.split('=')[0])).toEqual([...others, 'sid']);
      store.before = undefined;
      expect(await storedIn(store)).toEqual({ way });
      expect(store.done).toEqual(['create']);
    },
  );

  // Fastify itself responds with 500 to a HEAD of a web `Response`.
  it.each(WAYS.filter(([way]) => way !== 'web-stream'))(
    'of the handler %s to HEAD has the cookie and no body',
    async (way, status) => {
      const { browser, store } = await run({ controllers: [ResponseController] });
      const response = await browser.send('HEAD', `/${way}`);
      expect([response.status, response.text]).toEqual([status, '']);
      expect(response.setCookies.at(-1)).toMatch(/^sid=/);
      expect(await storedIn(store)).toEqual({ way });
    },
  );

  it.each(WAYS)(
    'of the handler %s to app.inject() has the cookie of a stored session',
    async (way, status, text) => {
      const { app, store } = await run({ controllers: [ResponseController] });
      const response = await app.inject({ method: 'GET', url: `/${way}` });
      expect([response.statusCode, response.payload]).toEqual([status, text]);
      const sid = response.cookies.find(({ name }) => name === 'sid')!;
      expect(await storedIn(store)).toEqual({ way });
      await app.inject({ method: 'GET', url: '/json', cookies: { sid: sid.value } });
      expect(await storedIn(store)).toEqual({ way: 'json' });
    },
  );

  it.each(WAYS)('of the handler %s is a 503 without a cookie or headers if the store fails', async (way) => {
    const { browser, store } = await run({ controllers: [ResponseController] });
    store.failing = true;
    const response = await browser.get(`/${way}`);
    expect([response.status, response.headers['retry-after']]).toEqual([503, '1']);
    expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
    expect(response.setCookies).toEqual([]);
    expect(response.headers['x-mine']).toBeUndefined();
    expect(response.headers.location).toBeUndefined();
  });

  it.each(WAYS)('of the handler %s to app.inject() is a 503 if the store fails', async (way) => {
    const { app, store } = await run({ controllers: [ResponseController] });
    store.failing = true;
    const response = await app.inject({ method: 'GET', url: `/${way}` });
    expect([response.statusCode, response.headers['retry-after'], response.cookies]).toEqual([503, '1', []]);
  });

  it('over HTTP/2 has the cookie of a stored session, or is a 503 if the store fails', async () => {
    const { browser, store } = await run({
      controllers: [ResponseController],
      adapter: new FastifyAdapter({ http2: true }),
    });
    const get = getOverHttp2(browser.url);
    for (const [way, status, text] of WAYS) {
      const response = await get(`/${way}`);
      expect([way, response.headers[':status'], response.text]).toEqual([way, status, text]);
      expect(String(response.headers['set-cookie'])).toContain('sid=');
    }
    expect(store.take()).toEqual(WAYS.map(() => 'create'));
    store.failing = true;
    for (const [way] of WAYS) {
      const { headers } = await get(`/${way}`);
      expect([way, headers[':status'], headers['set-cookie']]).toEqual([way, 503, undefined]);
    }
  });

  it.each([false, true])(
    'looks sent while it is held, so that it is not sent twice (HTTP/2: %s)',
    async (http2) => {
      const adapter = new FastifyAdapter({ http2 } as object);
      const looks: unknown[] = [];
      const { browser, store } = await run({
        adapter,
        before: (app) => {
          instanceOf(app).get('/twice', async (request, reply) => {
            request.session['once'] = true;
            reply.send('once');
            looks.push([reply.sent, reply.raw.headersSent, reply.raw.writableEnded]);
            throw new Error('after the response');
          });
        },
      });
      const text = http2
        ? (await getOverHttp2(browser.url)('/twice')).text
        : (await browser.get('/twice')).text;
      expect([text, looks]).toEqual(['once', [[true, true, false]]]);
      expect(await storedIn(store)).toEqual({ once: true });
    },
  );

  it('passes through a plugin that compresses it in an asynchronous onSend hook', async () => {
    const { browser, store } = await run({
      controllers: [ResponseController],
      before: (app) => {
        instanceOf(app).addHook('onSend', async (_request, reply, payload) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          void reply.header('x-plugin', '1');
          if (typeof payload !== 'string') return payload;
          void reply.header('content-encoding', 'gzip');
          return Readable.from([payload.toUpperCase()]).pipe(createGzip());
        });
      },
    });
    const response = await browser.get('/text');
    expect(response.headers).toMatchObject({ 'x-plugin': '1', 'content-encoding': 'gzip' });
    expect(response.setCookies).toHaveLength(1);
    const fetched = await fetch(`${browser.url}/text`);
    expect([await fetched.text(), fetched.headers.getSetCookie().length]).toEqual(['OK', 1]);
    store.failing = true;
    expect((await browser.get('/text')).status).toBe(503);
  });
});

describe('errors on Fastify', () => {
  @Injectable()
  class Rejecting implements CanActivate, PipeTransform, NestInterceptor {
    canActivate(context: ExecutionContext): boolean {
      (sessionOf(context) as unknown as Bag)['where'] = 'guard';
      return false;
    }
    transform(): never {
      throw new HttpException('pipe', 422);
    }
    intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
      (sessionOf(context) as unknown as Bag)['where'] = 'interceptor';
      return next.handle().pipe(
        map(() => {
          throw new HttpException('interceptor', 409);
        }),
      );
    }
  }

  @Catch(HttpException)
  class WritingFilter implements ExceptionFilter {
    catch(_error: HttpException, host: ArgumentsHost): void {
      const http = host.switchToHttp();
      http.getRequest<FastifyRequest>().session['where'] = 'filter';
      http.getResponse<FastifyReply>().code(418).send('teapot');
    }
  }

  @Controller()
  class ErrorController {
    @Get('guard')
    @UseGuards(Rejecting)
    guard(): void {}

    @Post('pipe')
    @UsePipes(Rejecting)
    pipe(@Session('x') _x: string): void {}

    @Get('interceptor')
    @UseInterceptors(Rejecting)
    interceptor(): void {}

    @Get('handler')
    handler(@Session() session: Bag): never {
      session['where'] = 'handler';
      throw new HttpException('handler', 409);
    }

    @Get('filter')
    @UseFilters(WritingFilter)
    filter(): never {
      throw new HttpException('handler', 409);
    }

    @Get('serialising')
    serialising(@Session() session: Bag): unknown {
      session['where'] = 'serialising';
      return { toJSON: () => JSON.parse('{') };
    }

    @Get('stream')
    stream(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['where'] = 'stream';
      reply.send(
        new Readable({
          read() {
            this.destroy(new Error('no file'));
          },
        }),
      );
    }

    @Get('headers')
    @Header('Cache-Control', 'public')
    headers(@Session() session: Bag, @Res({ passthrough: true }) reply: FastifyReply): string {
      session['where'] = 'headers';
      reply.header('x-mine', '1').header('etag', 'x').type('text/csv').code(201);
      return 'a,b';
    }

    @Get('filtered')
    @UseFilters(SorryFilter)
    filtered(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['where'] = 'filtered';
      reply.header('content-length', '2').send('ok');
    }

    @Get('hijacked')
    @UseFilters(SorryFilter)
    hijacked(@Session() session: Bag, @Res() reply: FastifyReply): void {
      session['where'] = 'hijacked';
      reply.hijack();
      setTimeout(() => {
        reply.raw.writeHead(200, { 'x-mine': '1' });
        reply.raw.end('ok');
      }, 20);
    }
  }
  const controllers = [ErrorController];

  it.each([
    ['GET', 'guard', 403, 'guard'],
    ['POST', 'pipe', 422, undefined],
    ['GET', 'interceptor', 409, 'interceptor'],
    ['GET', 'handler', 409, 'handler'],
    ['GET', 'filter', 418, 'filter'],
    ['GET', 'serialising', 500, 'serialising'],
    ['GET', 'stream', 500, 'stream'],
  ])(
    '%s /%s responds with %i, and changes made before the error are stored',
    async (method, path, status, where) => {
      const { browser, store } = await run({ controllers });
      const response = await browser.send(method, `/${path}`);
      expect(response.status).toBe(status);
      expect(response.setCookies).toHaveLength(where ? 1 : 0);
      expect((await storedIn(store))?.['where']).toBe(where);
    },
  );

  it.each(['guard', 'interceptor', 'handler', 'filter', 'serialising', 'stream'])(
    '/%s responds with 503 if its changes cannot be stored',
    async (path) => {
      const { browser, store } = await run({ controllers });
      store.failing = true;
      const response = await browser.get(`/${path}`);
      expect([response.status, response.headers['retry-after'], response.setCookies]).toEqual([503, '1', []]);
    },
  );

  it('a failed commit reaches the filter of the controller, whose response has nothing of the handler', async () => {
    const { browser, store } = await run({ controllers });
    store.failing = true;
    const response = await browser.get('/filtered');
    expect([response.status, response.json()]).toEqual([503, { sorry: true }]);
  });

  it('an error response drops headers and status of the handler, and keeps headers of plugins', async () => {
    const { browser, store } = await run({
      controllers,
      before: (app) => {
        instanceOf(app).addHook('onRequest', async (_request, reply) => {
          void reply.header('x-plugin', 'kept').header('set-cookie', ['plugin=1']);
        });
      },
    });
    const fine = await browser.get('/headers');
    expect([fine.status, fine.headers['cache-control'], fine.headers['x-mine']]).toEqual([
      201,
      'no-store',
      '1',
    ]);
    expect(fine.setCookies).toEqual(['plugin=1', expect.stringMatching(/^sid=/)]);
    store.failing = true;
    const response = await new Browser(browser.url).get('/headers');
    expect(response.status).toBe(503);
    expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
    expect(response.headers).toMatchObject({ 'x-plugin': 'kept', 'retry-after': '1' });
    expect(response.setCookies).toEqual(['plugin=1']);
    for (const name of ['cache-control', 'x-mine', 'etag']) expect(response.headers[name]).toBeUndefined();
  });

  it('a hijacked reply becomes a 503 when the commit fails, and what its handler sends later is dropped', async () => {
    const { browser, store } = await run({ controllers });
    store.failing = true;
    const response = await browser.get('/hijacked');
    expect([response.status, response.headers['x-mine'], response.setCookies]).toEqual([503, undefined, []]);
    expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
  });

  it('a failed read is a 503, which global filters can change', async () => {
    const plain = await run({ controllers });
    await plain.browser.get('/handler');
    plain.store.failing = true;
    const response = await plain.browser.get('/handler');
    expect([response.status, response.headers['retry-after']]).toEqual([503, '1']);
    expect(response.text).not.toContain('recording');

    const filtered = await run({ controllers, providers: [{ provide: APP_FILTER, useClass: SorryFilter }] });
    await filtered.browser.get('/handler');
    filtered.store.failing = true;
    expect((await filtered.browser.get('/handler')).json()).toEqual({ sorry: true });
  });

  it('a path without a route has a session, and changes by middleware are stored', async () => {
    const { browser, store } = await run({
      before: (app) => {
        app.use(app.get(SESSION_MIDDLEWARE));
        app.use((req: { session: Bag }, _res: unknown, next: () => void) => {
          req.session['lost'] = true;
          next();
        });
      },
    });
    const response = await browser.get('/nowhere');
    expect([response.status, response.setCookies.length]).toEqual([404, 1]);
    expect(await storedIn(store)).toEqual({ lost: true });
    store.failing = true;
    expect((await browser.get('/nowhere')).status).toBe(503);
  });

  it('an error of later middleware reaches global filters, and changes made before it are stored', async () => {
    const { browser, store } = await run({
      providers: [{ provide: APP_FILTER, useClass: WritingFilter }],
      before: (app) => {
        app.use(app.get(SESSION_MIDDLEWARE));
        app.use((req: { session: Bag }, _res: unknown, next: (error: unknown) => void) => {
          req.session['before'] = true;
          next(new HttpException('middleware', 409));
        });
      },
    });
    await browser.get('/nowhere');
    expect(await storedIn(store)).toMatchObject({ before: true });
    store.failing = true;
    expect((await browser.get('/nowhere')).status).toBe(503);
  });

  it.each(['onSend', 'preHandler', 'onResponse'] as const)(
    'an error in a hook %s does not leave the client waiting',
    async (hook) => {
      const { browser, store } = await run({
        controllers,
        before: (app) => {
          let thrown = false;
          instanceOf(app).addHook(hook, async () => {
            if (thrown) return;
            thrown = true;
            throw new Error('hook');
          });
        },
      });
      const response = await browser.get('/headers');
      expect(response.status).toBe(hook === 'onResponse' ? 201 : 500);
      if (hook === 'preHandler') return;
      expect(response.setCookies).toHaveLength(1);
      expect(await storedIn(store)).toEqual({ where: 'headers' });
    },
  );

  it('the cookie is Secure if a proxy that Fastify trusts reports HTTPS', async () => {
    const secure = async (trustProxy: boolean): Promise<boolean> => {
      const { browser } = await run({ controllers, adapter: new FastifyAdapter({ trustProxy }) });
      const response = await browser.get('/headers', { headers: { 'x-forwarded-proto': 'https' } });
      return /; Secure/.test(response.setCookies[0]!);
    };
    expect(await secure(true)).toBe(true);
    expect(await secure(false)).toBe(false);
  });

  it('a client that disconnects while its response is held does no harm', async () => {
    const { browser, store, app } = await run({ controllers });
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    store.before = () => held;
    const { request } = await import('node:http');
    const outgoing = request(`${browser.url}/headers`, { agent: false });
    outgoing.on('error', () => {});
    outgoing.end();
    await eventually(() => store.calls.length === 1);
    outgoing.destroy();
    release();
    await eventually(() => store.done.length === 1);
    store.before = undefined;
    expect(app.getHttpServer().listening).toBe(true);
    expect((await browser.get('/headers')).status).toBe(201);
  });
});
