import {
  Catch,
  Controller,
  Get,
  Head,
  Header,
  Module,
  Param,
  Redirect,
  Req,
  Res,
  Sse,
  StreamableFile,
  UseFilters,
  type ArgumentsHost,
  type ExceptionFilter,
  type INestApplication,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import compression from 'compression';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { of } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Session,
  SessionModule,
  SessionStoreError,
  sessionMiddleware,
  type SessionMiddleware,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { serve, type TestServer } from './http/server.js';
import { RecordingStore } from './stores/recording.store.js';

const LINES = Array.from(
  { length: 200 },
  (_, index) => `line ${index} of a text long enough to be compressed\n`,
);
const TEXT = LINES.join('');
const lines = (): Readable => Readable.from(LINES);

interface Change {
  session: Session & Record<string, unknown>;
  req: Request;
  res: Response;
}

/** How a handler responds after it has changed the session, under plain Express and with `@Res()` under Nest. */
const HANDLERS: Record<string, (change: Change) => unknown> = {
  json: ({ res }) => res.json({ fine: true }),
  'json-then-throw': ({ res }) => {
    res.json({ fine: true });
    throw new Error('thrown after the response');
  },
  'json-then-reject': async ({ res }) => {
    res.json({ fine: true });
    await Promise.resolve();
    throw new Error('rejected after the response');
  },
  status: ({ res }) => res.status(201).send('created'),
  'write-head': ({ res }) => {
    res.writeHead(202, 'As You Wish', { 'Content-Type': 'text/plain', 'Set-Cookie': ['mine=1'] });
    res.end('accepted');
  },
  'write-head-array': ({ res }) => {
    res.writeHead(202, ['Content-Type', 'text/plain', 'Set-Cookie', 'mine=1']);
    res.end('accepted');
  },
  redirect: ({ res }) => res.redirect(303, '/elsewhere'),
  empty: ({ res }) => res.status(204).end(),
  chunks: ({ res }) => {
    for (const line of LINES) res.write(line);
    res.end();
  },
  'end-with-callback': ({ res }) =>
    new Promise<void>((resolve) => {
      res.write('one ', 'utf8', () => {
        res.end('two', () => resolve());
      });
    }),
  pipe: ({ res }) => void lines().pipe(res),
  pipeline: ({ res }) => pipeline(lines(), res),
  'flush-headers': ({ res }) => {
    res.type('text/plain').flushHeaders();
    res.write('a');
    res.end('b');
  },
  'end-twice': ({ res }) => {
    res.end('once');
    res.end('twice');
  },
  'header-after-end': ({ res }) => {
    res.end('done');
    expect(res.headersSent).toBe(true);
    expect(res.writableEnded).toBe(false);
    expect(() => res.setHeader('x-late', '1')).toThrow(/after they are sent/);
    expect(() => res.writeHead(500)).toThrow(/after they are sent/);
    res.statusCode = 500;
  },
  'not-modified': ({ res }) => res.set('ETag', '"v1"').status(304).end(),
  'unawaited-save': ({ session, res }) => {
    void session.save();
    res.json({ fine: true });
  },
  'unawaited-regenerate': ({ session, res }) => {
    void session.regenerate();
    session['changed'] = 'again';
    res.json({ fine: true });
  },
};

/** What the client receives on success. The body is `{ fine: true }` by default. */
const RESPONSES: Record<string, { status?: number; body?: string }> = {
  status: { status: 201, body: 'created' },
  'write-head': { status: 202, body: 'accepted' },
  'write-head-array': { status: 202, body: 'accepted' },
  redirect: { status: 303, body: 'See Other. Redirecting to /elsewhere' },
  empty: { status: 204, body: '' },
  chunks: { body: TEXT },
  'end-with-callback': { body: 'one two' },
  pipe: { body: TEXT },
  pipeline: { body: TEXT },
  'flush-headers': { body: 'ab' },
  'end-twice': { body: 'once' },
  'header-after-end': { body: 'done' },
  'not-modified': { status: 304, body: '' },
  // These exist only in Nest.
  returned: {},
  'with-header': {},
  streamable: { body: TEXT },
  'nest-redirect': { status: 302, body: 'Found. Redirecting to /elsewhere' },
  sse: { body: 'data: 1\n\ndata: 2\n\n' },
};
const FINE = '{"fine":true}';

/** Changes the session and sets headers: the start of every handler here. */
function change(session: unknown, req: Request, res: Response): Change {
  const changed = session as Change['session'];
  changed['changed'] = req.path;
  res.setHeader('x-handler', 'yes');
  res.setHeader('Cache-Control', 'public');
  return { session: changed, req, res };
}

@Catch(SessionStoreError)
class SorryFilter implements ExceptionFilter {
  catch(_error: SessionStoreError, host: ArgumentsHost): void {
    host.switchToHttp().getResponse<Response>().status(503).json({ sorry: true });
  }
}

@Controller()
@UseFilters(SorryFilter)
class NestOnly {
  @Get('returned')
  returned(@Session() session: Session, @Req() req: Request, @Res({ passthrough: true }) res: Response) {
    change(session, req, res);
    return { fine: true };
  }

  @Get('with-header')
  @Header('Cache-Control', 'public')
  @Header('x-handler', 'yes')
  withHeader(@Session() session: Session) {
    (session as Change['session'])['changed'] = 'with-header';
    return { fine: true };
  }

  @Get('streamable')
  streamable(@Session() session: Session, @Req() req: Request, @Res({ passthrough: true }) res: Response) {
    change(session, req, res);
    return new StreamableFile(lines());
  }

  @Get('nest-redirect')
  @Redirect('/elsewhere', 302)
  redirect(@Session() session: Session, @Req() req: Request, @Res({ passthrough: true }) res: Response) {
    change(session, req, res);
  }

  @Sse('sse')
  sse(@Session() session: Session, @Req() req: Request, @Res({ passthrough: true }) res: Response) {
    change(session, req, res);
    return of({ data: '1' }, { data: '2' });
  }

  @Head('json-head')
  head(@Session() session: Session, @Req() req: Request, @Res() res: Response) {
    change(session, req, res).res.json({ fine: true });
  }
}

/** All of `HANDLERS` as routes of a Nest controller. */
@Controller()
@UseFilters(SorryFilter)
class ResHandlers {}
for (const [name, handle] of Object.entries(HANDLERS)) {
  Object.defineProperty(ResHandlers.prototype, name, {
    configurable: true,
    value: (session: Session, req: Request, res: Response) => handle(change(session, req, res)),
  });
  Session()(ResHandlers.prototype, name, 0);
  Req()(ResHandlers.prototype, name, 1);
  Res()(ResHandlers.prototype, name, 2);
  Get(name)(ResHandlers.prototype, name, Object.getOwnPropertyDescriptor(ResHandlers.prototype, name)!);
}

interface Subject {
  name: string;
  store: RecordingStore;
  server: TestServer;
  /** The names of the handlers it serves. */
  handlers: string[];
  /** The body of its error response. */
  failure: string | RegExp;
  logged: string[];
  close(): Promise<void>;
}

const newStore = (name: string): RecordingStore =>
  new RecordingStore(new ClusterStore({ name: `responses-${process.pid}-${name}` }));

function loggerOf(logged: string[]): { warn(message: string): void; error(message: string): void } {
  return { warn: (message) => void logged.push(message), error: (message) => void logged.push(message) };
}

async function plainExpress(
  name: string,
  before: RequestHandler[] = [],
  after: RequestHandler[] = [],
): Promise<Subject> {
  const store = newStore(name);
  const logged: string[] = [];
  const middleware: SessionMiddleware = sessionMiddleware({
    secret: 'responses',
    store,
    logger: loggerOf(logged),
  });
  const app = express();
  for (const one of before) app.use(one);
  app.use(middleware as RequestHandler);
  for (const one of after) app.use(one);
  for (const [path, handle] of Object.entries(HANDLERS)) {
    app.get(`/${path}`, (req, res) => handle(change(req.session, req, res)) as void);
  }
  app.get('/throw-before', () => {
    throw new Error('thrown before the session changed');
  });
  app.get('/throw-after', (req, res) => {
    change(req.session, req, res);
    throw new Error('thrown after the session changed');
  });
  app.get('/late', (req, res) => late(req, res));
  app.get('/held', (req, res) => held(change(req.session, req, res)));
  app.get('/too-late', (req, res) => tooLate(req, res));
  app.get('/refused/:what', (req, res) =>
    respondInvalidly(req.params['what'], change(req.session, req, res)),
  );
  app.use((error: Error & { status?: number }, _req: Request, res: Response, next: NextFunction) => {
    if (res.headersSent) return next(error);
    res.status(error.status ?? 500).json({ handled: error.name });
  });
  const server = await serve(app);
  return {
    name,
    store,
    server,
    handlers: Object.keys(HANDLERS),
    failure: '{"handled":"SessionStoreError"}',
    logged,
    close: async () => {
      await server.close();
      await middleware.close();
    },
  };
}

async function nest(name: string): Promise<Subject> {
  const store = newStore(name);
  const logged: string[] = [];
  @Controller()
  class Thrown {
    @Get('throw-before')
    before(): never {
      throw new Error('thrown before the session changed');
    }
    @Get('throw-after')
    after(
      @Session() session: Session,
      @Req() req: Request,
      @Res({ passthrough: true }) res: Response,
    ): never {
      change(session, req, res);
      throw new Error('thrown after the session changed');
    }
    @Get('late')
    late(@Req() req: Request, @Res() res: Response): Promise<void> {
      return late(req, res);
    }
    @Get('too-late')
    tooLate(@Req() req: Request, @Res() res: Response): Promise<void> {
      return tooLate(req, res);
    }
    @Get('refused/:what')
    invalid(@Param('what') what: string, @Req() req: Request, @Res() res: Response): void {
      respondInvalidly(what, change(req.session, req, res));
    }
    @Get('held')
    held(@Session() session: Session, @Req() req: Request, @Res() res: Response): void {
      held(change(session, req, res));
    }
  }
  @Module({
    imports: [SessionModule.forRoot({ secret: 'responses', store, logger: loggerOf(logged) })],
    controllers: [NestOnly, ResHandlers, Thrown],
  })
  class AppModule {}
  const app: INestApplication = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  return {
    name,
    store,
    server: { url: `http://127.0.0.1:${port}`, port, close: async () => {} },
    handlers: [...Object.keys(HANDLERS), 'returned', 'with-header', 'streamable', 'nest-redirect', 'sse'],
    failure: '{"sorry":true}',
    logged,
    close: () => app.close(),
  };
}

/** Responds at once, and changes the session between the first byte and the last. */
async function late(req: Request, res: Response): Promise<void> {
  const session = req.session as unknown as Change['session'];
  session['early'] = true;
  res.write('first ');
  await eventually(() => expect(res.getHeader('x-never')).toBeUndefined());
  await session.save();
  session['late'] = true;
  res.end('last');
}

/** Responds in ways in which Node itself throws. */
function respondInvalidly(what: string, { res }: Change): void {
  if (what === 'status-1000') res.statusCode = 1000;
  if (what === 'hook-throws') {
    const { writeHead } = res;
    res.writeHead = () => {
      res.writeHead = writeHead;
      throw new Error('thrown where headers are written');
    };
  }
  if (what === 'end-object') res.end({ an: 'object' } as never);
  else res.end('never seen');
}

/** Begins its response, and then regenerates the session. */
async function tooLate(req: Request, res: Response): Promise<void> {
  const session = req.session as unknown as Change['session'];
  res.write('begun ');
  void session.regenerate();
  session['user'] = 'ben';
  await eventually(() => res.headersSent);
  res.end('done');
}

const left: Record<string, () => void> = {};

/** Responds only after the client has disconnected. */
function held({ req, res }: Change): void {
  left['arrived']?.();
  res.on('close', () => res.json({ nobody: 'listens', path: req.path }));
}

interface Received {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** How many saves had been stored when the first byte came. */
  savedAtFirstByte: number;
  savedAtEnd: number;
  broken: boolean;
}

function get(
  subject: Subject,
  path: string,
  method = 'GET',
  headers: Record<string, string> = {},
): Promise<Received> {
  return new Promise((resolve) => {
    const outgoing = httpRequest(
      `${subject.server.url}/${path}`,
      { method, headers, agent: false },
      (res) => {
        const savedAtFirstByte = subject.store.done.length;
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        const settle = (broken: boolean) => (): void => {
          const raw = Buffer.concat(chunks);
          const body = (
            res.headers['content-encoding'] === 'gzip' && !broken ? gunzipSync(raw) : raw
          ).toString();
          const { length } = subject.store.done;
          resolve({
            status: res.statusCode!,
            headers: res.headers,
            body,
            savedAtFirstByte,
            savedAtEnd: length,
            broken,
          });
        };
        res.on('end', settle(false));
        res.on('aborted', settle(true));
      },
    );
    outgoing.on('timeout', () => outgoing.destroy());
    // The connection broke before the first byte.
    outgoing.on('error', () =>
      resolve({ status: 0, headers: {}, body: '', savedAtFirstByte: 0, savedAtEnd: 0, broken: true }),
    );
    outgoing.end();
  });
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 25));

const SUBJECTS: [string, () => Promise<Subject>][] = [
  ['plain Express', () => plainExpress('express')],
  ['Nest', () => nest('nest')],
  [
    'plain Express with compression before',
    () => plainExpress('compression-before', [compression({ threshold: 0 })]),
  ],
  [
    'plain Express with compression after',
    () => plainExpress('compression-after', [], [compression({ threshold: 0 })]),
  ],
];

describe.each(SUBJECTS)('%s', (_, make) => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await make();
  });
  afterAll(() => subject.close());

  function set(mode: 'fast' | 'slow' | 'failing'): void {
    const { store, logged } = subject;
    store.before = mode === 'slow' ? pause : undefined;
    store.failing = mode === 'failing';
    store.calls = [];
    store.done = [];
    logged.length = 0;
  }

  it.each(['fast', 'slow'] as const)(
    'with a %s store each response is complete, and its session is saved before its first byte',
    async (mode) => {
      for (const handler of subject.handlers) {
        // Even without sessions, compression ignores callbacks, and responds only after Express has closed the
        // connection of a handler that threw.
        if (subject.name.startsWith('compression') && /throw|reject|callback/.test(handler)) continue;
        set(mode);
        const received = await get(subject, handler, 'GET', { 'accept-encoding': 'gzip' });
        const { status = 200, body = FINE } = RESPONSES[handler] ?? {};
        const observed = {
          handler,
          status: received.status,
          body: handler === 'sse' ? received.body.replace(/id: .*\n|^\n/gm, '') : received.body,
        };
        expect(observed).toEqual({
          handler,
          status,
          body: handler === 'sse' ? expect.stringContaining('data: 1') : body,
        });
        expect(received.broken, handler).toBe(false);
        expect(received.savedAtFirstByte, `${handler} was saved before its first byte`).toBeGreaterThan(0);
        expect(received.savedAtEnd, `${handler} was saved once`).toBe(received.savedAtFirstByte);
        expect(
          received.headers['set-cookie']?.filter((cookie) => cookie.startsWith('sid=')),
          handler,
        ).toHaveLength(1);
        expect(received.headers['x-late'], handler).toBeUndefined();
        if (handler.startsWith('write-head'))
          expect(received.headers['set-cookie'], handler).toContain('mine=1');
      }
    },
  );

  it('with a failing store each response is a 503 without headers, body or cookie of the handler', async () => {
    for (const handler of subject.handlers) {
      set('failing');
      const received = await get(subject, handler, 'GET', { 'accept-encoding': 'gzip' });
      // For a handler that throws after it responded, Express's own final handler responds.
      if (subject.name !== 'nest' && /throw|reject/.test(handler)) {
        expect([500, 503], handler).toContain(received.status);
        expect(received.body, handler).not.toContain('fine');
        continue;
      }
      const failure =
        handler === 'sse' ? '{"statusCode":503,"message":"Service Unavailable"}' : subject.failure;
      expect({ handler, status: received.status, body: received.body }).toEqual({
        handler,
        status: 503,
        body: failure,
      });
      expect(received.headers['x-handler'], handler).toBeUndefined();
      expect(received.headers['cache-control'], handler).toBeUndefined();
      expect(received.headers['set-cookie'], handler).toBeUndefined();
      expect(received.headers['retry-after'], handler).toBe('1');
    }
  });

  it('the response to HEAD has headers and a cookie but no body', async () => {
    for (const mode of ['fast', 'slow'] as const) {
      set(mode);
      const { status, body, headers, savedAtFirstByte } = await get(subject, 'json', 'HEAD');
      expect([status, body, savedAtFirstByte]).toEqual([200, '', 1]);
      expect(headers['set-cookie']).toHaveLength(1);
    }
  });

  it('changes made before a handler throws are saved, and the response is its error', async () => {
    for (const mode of ['fast', 'slow'] as const) {
      set(mode);
      const before = await get(subject, 'throw-before');
      expect([before.status, before.savedAtEnd, before.headers['set-cookie']]).toEqual([500, 0, undefined]);
      const after = await get(subject, 'throw-after');
      expect([after.status, after.savedAtFirstByte]).toEqual([500, 1]);
      expect(after.headers['set-cookie']).toHaveLength(1);
    }
  });

  it('changes made after the first byte are saved before the last', async () => {
    for (const mode of ['fast', 'slow'] as const) {
      set(mode);
      const received = await get(subject, 'late', 'GET', { 'accept-encoding': 'identity' });
      expect(received.body).toBe('first last');
      expect(received.savedAtEnd).toBe(2);
      const stored = await subject.store.read(subject.store.calls[0]!.id!);
      expect({ ...stored!.data }).toEqual({ early: 'true', late: 'true' });
    }
  });

  it('changes made after the first byte that cannot be saved abort the transfer and are logged', async () => {
    set('fast');
    subject.store.failing = ['update'];
    const received = await get(subject, 'late', 'GET', { 'accept-encoding': 'identity' });
    expect(received.broken).toBe(true);
    await eventually(() => expect(subject.logged).toHaveLength(1));
  });

  it('changes of a handler are saved although its client has disconnected', async () => {
    set('slow');
    const arrived = new Promise<void>((resolve) => {
      left['arrived'] = resolve;
    });
    const outgoing = httpRequest(`${subject.server.url}/held`, { agent: false });
    outgoing.on('error', () => {});
    outgoing.end();
    await arrived;
    outgoing.destroy();
    await eventually(() => expect(subject.store.done).toEqual(['create']));
  });

  it('an error that Node throws for an invalid response becomes a 500 while the response is held', async () => {
    for (const mode of ['fast', 'slow'] as const) {
      for (const invalid of ['end-object', 'status-1000', 'hook-throws']) {
        set(mode);
        const received = await get(subject, `refused/${invalid}`, 'GET', { 'accept-encoding': 'identity' });
        expect([invalid, received.status, received.savedAtFirstByte]).toEqual([invalid, 500, 1]);
        expect(received.headers['set-cookie'], invalid).toHaveLength(1);
      }
    }
  });

  it('changes made after a regenerate that came too late do not reach the old session', async () => {
    set('fast');
    const first = await get(subject, 'json');
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!;
    set('fast');
    await get(subject, 'too-late', 'GET', { cookie, 'accept-encoding': 'identity' });
    const stored = await subject.store.read(subject.store.calls[0]!.id!);
    expect({ ...stored!.data }).toEqual({ changed: '"/json"' });
  });

  it('a keep-alive connection serves the next request after a held response', async () => {
    set('slow');
    const { Agent } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const bodies = await Promise.all(
      ['json', 'end-twice', 'chunks', 'json'].map(
        (path) =>
          new Promise<string>((resolve, reject) => {
            const outgoing = httpRequest(`${subject.server.url}/${path}`, { agent }, (res) => {
              let body = '';
              res.on('data', (chunk) => (body += chunk)).on('end', () => resolve(body));
            });
            outgoing.on('error', reject);
            outgoing.end();
          }),
      ),
    );
    agent.destroy();
    expect(bodies).toEqual([FINE, 'once', TEXT, FINE]);
  });
});
