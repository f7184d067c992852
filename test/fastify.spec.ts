import { once } from 'node:events';
import { request } from 'node:http';
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
    nest(@NestSession() theirs: Bag, @Session() ours: Session, @Req() req: FastifyRequest): object {
      theirs['seen'] = true;
      const isOurs = (one: unknown): boolean => one === ours;
      return {
        ofNest: isOurs(theirs),
        onRequest: isOurs(req.session),
        onRawRequest: isOurs(req.raw.session),
        sessionID: req.sessionID === ours.id,
      };
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
    expect((await browser.get('/nest')).json()).toEqual({
      ofNest: true,
      onRequest: true,
      onRawRequest: true,
      sessionID: true,
    });
    expect(await storedIn(store)).toEqual({ seen: true });
  });

  it('saves nothing and is logged if another object replaces it', async () => {
    const { browser, store, logged } = await run({ controllers: [LookController] });
    await browser.get('/nest');
    expect((await browser.get('/replace')).json()).toEqual({ mine: true });
    expect(await storedIn(store)).toEqual({ seen: true });
    expect(logged.join()).toContain('req.session was replaced');
  });

  it('is removed from the request and the store by destroy()', async () => {
    const { browser, store } = await run({ controllers: [LookController] });
    await browser.get('/nest');
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
        return { theirs, regenerateOfOurs: typeof ours.regenerate };
      }
    }
    const { browser } = await run({ controllers: [BothController], adapter });
    expect((await browser.get('/')).json()).toEqual({
      theirs: { theirs: true },
      regenerateOfOurs: 'function',
    });
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

  it.each([
    { options: { forRoutes: ['in'] }, onOut: false },
    { options: { exclude: ['out'] }, onOut: false },
    { options: {}, onOut: true },
  ])('exists under a global prefix on the routes that $options select', async ({ options, onOut }) => {
    @Controller()
    class PathsController {
      @Get(['in', 'out'])
      look(@Req() req: FastifyRequest): boolean {
        return req.session !== undefined;
      }
    }
    const { browser } = await run({
      controllers: [PathsController],
      before: (app) => app.setGlobalPrefix('api'),
      options,
    });
    expect((await browser.get('/api/in')).json()).toBe(true);
    expect((await browser.get('/api/out')).json()).toBe(onOut);
  });

  it.each(['before', 'after'])(
    'exists in the routes of a plugin that is registered %s the app is created',
    async (when) => {
      const plugin = async (fastify: FastifyInstance): Promise<void> => {
        fastify.get('/plugin', async (req) => {
          req.session['by'] = 'plugin';
          return 'ok';
        });
      };
      const adapter = new FastifyAdapter();
      const store = newStore();
      @Module({ imports: [SessionModule.forRoot({ secret: 'fastify', store })] })
      class AppModule {}
      if (when === 'before') void adapter.getInstance().register(plugin as never);
      const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter, { logger: false });
      onTestFinished(() => app.close());
      if (when === 'after') await app.register(plugin as never);
      await app.listen(0, '127.0.0.1');
      await new Browser(await app.getUrl()).get('/plugin');
      expect(await storedIn(store)).toEqual({ by: 'plugin' });
    },
  );
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

  interface Way {
    way: string;
    status: number;
    text: string;
    /** The cookies that the handler itself sets. */
    cookies?: string[];
  }

  const WAYS: Way[] = [
    { way: 'json', status: 200, text: '{"ok":true}' },
    { way: 'text', status: 200, text: 'ok' },
    { way: 'nothing', status: 200, text: '' },
    { way: 'file', status: 200, text: 'ab' },
    { way: 'redirected', status: 303, text: '' },
    { way: 'passthrough', status: 200, text: 'ok', cookies: ['mine'] },
    { way: 'send', status: 200, text: '{"ok":true}', cookies: ['a', 'b'] },
    { way: 'returned', status: 200, text: 'ok' },
    { way: 'sent-and-thrown', status: 200, text: 'ok' },
    { way: 'stream', status: 200, text: 'ab' },
    { way: 'web-stream', status: 200, text: 'ab' },
    { way: 'redirect', status: 302, text: '' },
    { way: 'hijack', status: 200, text: 'ab', cookies: ['mine'] },
    { way: 'raw', status: 200, text: 'ab' },
    { way: 'late', status: 200, text: 'ab' },
  ];

  it.each(WAYS)(
    'of the handler $way is sent after the session is stored, with its cookie',
    async ({ way, status, text, cookies = [] }) => {
      const { browser, store } = await run({ controllers: [ResponseController] });
      let isStoring = false;
      store.before = async () => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        isStoring = true;
      };
      const response = await browser.get(`/${way}`);
      expect(isStoring).toBe(true);
      expect(response).toMatchObject({ status, text });
      expect(response.setCookies.map((line) => line.split('=')[0])).toEqual([...cookies, 'sid']);
      store.before = undefined;
      expect(await storedIn(store)).toEqual({ way });
      expect(store.done).toEqual(['create']);
    },
  );

  // Fastify itself responds with 500 to a HEAD of a web `Response`.
  it.each(WAYS.filter(({ way }) => way !== 'web-stream'))(
    'of the handler $way to HEAD has the cookie and no body',
    async ({ way, status }) => {
      const { browser, store } = await run({ controllers: [ResponseController] });
      const response = await browser.send('HEAD', `/${way}`);
      expect(response).toMatchObject({ status, text: '' });
      expect(response.setCookies.at(-1)).toMatch(/^sid=/);
      expect(await storedIn(store)).toEqual({ way });
    },
  );

  it.each(WAYS)(
    'of the handler $way to app.inject() has the cookie of a stored session',
    async ({ way, status, text }) => {
      const { app, store } = await run({ controllers: [ResponseController] });
      const response = await app.inject({ method: 'GET', url: `/${way}` });
      expect(response).toMatchObject({ statusCode: status, payload: text });
      const sid = response.cookies.find(({ name }) => name === 'sid')!;
      expect(await storedIn(store)).toEqual({ way });
      await app.inject({ method: 'GET', url: '/json', cookies: { sid: sid.value } });
      expect(await storedIn(store)).toEqual({ way: 'json' });
    },
  );

  it.each(WAYS)(
    'of the handler $way is a 503 without its headers or a cookie if the store fails',
    async ({ way }) => {
      const { browser, store } = await run({ controllers: [ResponseController] });
      store.failing = true;
      const response = await browser.get(`/${way}`);
      expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, setCookies: [] });
      expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
      expect(response.headers).not.toHaveProperty('x-mine');
      expect(response.headers).not.toHaveProperty('location');
    },
  );

  it.each(WAYS)('of the handler $way to app.inject() is a 503 if the store fails', async ({ way }) => {
    const { app, store } = await run({ controllers: [ResponseController] });
    store.failing = true;
    const response = await app.inject({ method: 'GET', url: `/${way}` });
    expect(response).toMatchObject({ statusCode: 503, headers: { 'retry-after': '1' }, cookies: [] });
  });

  describe('over HTTP/2', () => {
    /** One app for all handlers, because starting one for each would take seconds. */
    async function runOverHttp2() {
      const adapter = new FastifyAdapter({ http2: true });
      const { browser, store } = await run({ controllers: [ResponseController], adapter });
      return { get: getOverHttp2(browser.url), store };
    }

    it('has the cookie of a stored session', async () => {
      const { get, store } = await runOverHttp2();
      for (const { way, status, text } of WAYS) {
        const response = await get(`/${way}`);
        expect(response, way).toMatchObject({ headers: { ':status': status }, text });
        expect(String(response.headers['set-cookie']), way).toContain('sid=');
      }
      expect(store.take()).toEqual(WAYS.map(() => 'create'));
    });

    it('is a 503 without a cookie if the store fails', async () => {
      const { get, store } = await runOverHttp2();
      store.failing = true;
      for (const { way } of WAYS) {
        const { headers } = await get(`/${way}`);
        expect(headers[':status'], way).toBe(503);
        expect(headers, way).not.toHaveProperty('set-cookie');
      }
    });
  });

  it.each([
    ['HTTP/1.1', false],
    ['HTTP/2', true],
  ])('over %s looks sent while it is held, so that it is not sent twice', async (_, http2) => {
    const adapter = new FastifyAdapter({ http2 } as object);
    const looks: unknown[] = [];
    const { browser, store } = await run({
      adapter,
      before: (app) => {
        instanceOf(app).get('/twice', async (req, reply) => {
          req.session['once'] = true;
          reply.send('once');
          const { headersSent, writableEnded } = reply.raw;
          looks.push({ sent: reply.sent, headersSent, writableEnded });
          throw new Error('after the response');
        });
      },
    });
    const text = http2
      ? (await getOverHttp2(browser.url)('/twice')).text
      : (await browser.get('/twice')).text;
    expect(text).toBe('once');
    expect(looks).toEqual([{ sent: true, headersSent: true, writableEnded: false }]);
    expect(await storedIn(store)).toEqual({ once: true });
  });

  it('that a plugin compresses in an asynchronous onSend hook has the cookie, or is a 503 if the store fails', async () => {
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
    expect(await fetched.text()).toBe('OK');
    expect(fetched.headers.getSetCookie()).toHaveLength(1);
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
    ['GET', '/guard', { status: 403, where: 'guard' }],
    ['POST', '/pipe', { status: 422, where: undefined }],
    ['GET', '/interceptor', { status: 409, where: 'interceptor' }],
    ['GET', '/handler', { status: 409, where: 'handler' }],
    ['GET', '/filter', { status: 418, where: 'filter' }],
    ['GET', '/serialising', { status: 500, where: 'serialising' }],
    ['GET', '/stream', { status: 500, where: 'stream' }],
  ])(
    '%s %s responds with its error, and changes made before the error are stored',
    async (method, path, { status, where }) => {
      const { browser, store } = await run({ controllers });
      const response = await browser.send(method, path);
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
      expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, setCookies: [] });
    },
  );

  it('a failed commit reaches the filter of the controller, whose response has nothing of the handler', async () => {
    const { browser, store } = await run({ controllers });
    store.failing = true;
    const response = await browser.get('/filtered');
    expect(response).toMatchObject({ status: 503, text: '{"sorry":true}' });
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
    expect(fine).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store', 'x-mine': '1' } });
    expect(fine.setCookies).toEqual(['plugin=1', expect.stringMatching(/^sid=/)]);
    store.failing = true;
    const response = await new Browser(browser.url).get('/headers');
    expect(response.status).toBe(503);
    expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
    expect(response.headers).toMatchObject({ 'x-plugin': 'kept', 'retry-after': '1' });
    expect(response.setCookies).toEqual(['plugin=1']);
    for (const name of ['cache-control', 'x-mine', 'etag']) expect(response.headers).not.toHaveProperty(name);
  });

  it('a hijacked reply becomes a 503 when the commit fails, and the response of its handler is dropped', async () => {
    const { browser, store } = await run({ controllers });
    store.failing = true;
    const response = await browser.get('/hijacked');
    expect(response).toMatchObject({ status: 503, setCookies: [] });
    expect(response.headers).not.toHaveProperty('x-mine');
    expect(response.json()).toEqual({ statusCode: 503, message: 'Service Unavailable' });
  });

  it('a failed read is a 503 without the message of the store', async () => {
    const { browser, store } = await run({ controllers });
    await browser.get('/handler');
    store.failing = true;
    const response = await browser.get('/handler');
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(response.text).not.toContain('recording');
  });

  it('a failed read reaches global filters', async () => {
    const providers = [{ provide: APP_FILTER, useClass: SorryFilter }];
    const { browser, store } = await run({ controllers, providers });
    await browser.get('/handler');
    store.failing = true;
    expect((await browser.get('/handler')).json()).toEqual({ sorry: true });
  });

  it('a path without a route has a session, and changes by middleware are stored or result in a 503', async () => {
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
    expect(response.status).toBe(404);
    expect(response.setCookies).toHaveLength(1);
    expect(await storedIn(store)).toEqual({ lost: true });
    store.failing = true;
    expect((await browser.get('/nowhere')).status).toBe(503);
  });

  it('an error of later middleware reaches global filters, and changes made before it are stored or result in a 503', async () => {
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
    expect(await browser.get('/nowhere')).toMatchObject({ status: 418, text: 'teapot' });
    expect(await storedIn(store)).toEqual({ before: true, where: 'filter' });
    store.failing = true;
    expect((await browser.get('/nowhere')).status).toBe(503);
  });

  it.each([
    { hook: 'preHandler', status: 500, stored: undefined },
    { hook: 'onSend', status: 500, stored: { where: 'headers' } },
    { hook: 'onResponse', status: 201, stored: { where: 'headers' } },
  ])(
    'an error in the hook $hook does not leave the client waiting, and changes made before it are stored',
    async ({ hook, status, stored }) => {
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
      expect(response.status).toBe(status);
      expect(response.setCookies).toHaveLength(stored ? 1 : 0);
      expect(await storedIn(store)).toEqual(stored);
    },
  );

  it.each([true, false])(
    'with trustProxy: %s, the cookie is Secure behind a proxy that reports HTTPS only if it is trusted',
    async (trustProxy) => {
      const { browser } = await run({ controllers, adapter: new FastifyAdapter({ trustProxy }) });
      const { setCookies } = await browser.get('/headers', { headers: { 'x-forwarded-proto': 'https' } });
      expect(setCookies).toHaveLength(1);
      expect(setCookies[0]!.includes('; Secure')).toBe(trustProxy);
    },
  );

  it('the app keeps serving after a client has disconnected while its response was held', async () => {
    const { browser, store, app } = await run({ controllers });
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    store.before = () => held;
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
