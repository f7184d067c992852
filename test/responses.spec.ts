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
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { of } from 'rxjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
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

/** What the handler `header-after-end` saw of its response, which an `expect` there could not report. */
let seenAfterEnd: object | undefined;

const errorOf = (call: () => unknown): string => {
  try {
    call();
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
};

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
    const { headersSent, writableEnded } = res;
    seenAfterEnd = {
      headersSent,
      writableEnded,
      setHeader: errorOf(() => res.setHeader('x-late', '1')),
      writeHead: errorOf(() => res.writeHead(500)),
    };
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
  // The handlers of `NestOnly`.
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
  store: RecordingStore;
  server: TestServer;
  /** The body of its error response. */
  failure: string;
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
    store,
    server,
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
    store,
    server: { url: `http://127.0.0.1:${port}`, port, close: async () => {} },
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

const EXPRESS_HANDLERS = Object.keys(HANDLERS);
const NEST_HANDLERS = [...EXPRESS_HANDLERS, 'returned', 'with-header', 'streamable', 'nest-redirect', 'sse'];

/** Even without sessions, compression ignores callbacks, and does not complete the response of a handler that throws. */
const withoutThrowsAndCallbacks = EXPRESS_HANDLERS.filter(
  (handler) => !/throw|reject|callback/.test(handler),
);

interface Row {
  make: () => Promise<Subject>;
  handlers: string[];
  /** The handlers whose response is complete although they throw or wait for a callback. */
  complete: string[];
  /** The handlers for which another error handler responds than for a failed save. */
  throwing: string[];
}

const throwing = EXPRESS_HANDLERS.filter((handler) => /throw|reject/.test(handler));
const compressed = { handlers: EXPRESS_HANDLERS, complete: withoutThrowsAndCallbacks, throwing };

const SUBJECTS: [string, Row][] = [
  [
    'plain Express',
    {
      make: () => plainExpress('express'),
      handlers: EXPRESS_HANDLERS,
      complete: EXPRESS_HANDLERS,
      throwing,
    },
  ],
  ['Nest', { make: () => nest('nest'), handlers: NEST_HANDLERS, complete: NEST_HANDLERS, throwing: [] }],
  [
    'plain Express with compression before',
    { make: () => plainExpress('compression-before', [compression({ threshold: 0 })]), ...compressed },
  ],
  [
    'plain Express with compression after',
    { make: () => plainExpress('compression-after', [], [compression({ threshold: 0 })]), ...compressed },
  ],
];

/** The events of a stream, without the ids that Nest gives them. */
const dataLinesOf = (body: string): string[] => body.split('\n').filter((line) => line.startsWith('data: '));

const zipped = { 'accept-encoding': 'gzip' };
const unzipped = { 'accept-encoding': 'identity' };
const sessionCookies = ({ headers }: Received): string[] =>
  headers['set-cookie']?.filter((cookie) => cookie.startsWith('sid=')) ?? [];

describe.each(SUBJECTS)('%s', (_, { make, handlers, complete, throwing: throwers }) => {
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

  describe.each(['fast', 'slow'] as const)('with a %s store', (mode) => {
    beforeEach(() => set(mode));

    it.each(complete)(
      'the response of %s is complete, and its session is saved before its first byte',
      async (handler) => {
        const received = await get(subject, handler, 'GET', zipped);
        const { status = 200, body = FINE } = RESPONSES[handler] ?? {};
        expect(received).toMatchObject({ status, broken: false });
        if (handler === 'sse') expect(dataLinesOf(received.body)).toEqual(dataLinesOf(body));
        else expect(received.body).toBe(body);
        expect(received.savedAtFirstByte, 'saves before the first byte').toBeGreaterThan(0);
        expect(received.savedAtEnd, 'saves in all').toBe(received.savedAtFirstByte);
        expect(sessionCookies(received)).toHaveLength(1);
        expect(received.headers).not.toHaveProperty('x-late');
        if (handler.startsWith('write-head')) expect(received.headers['set-cookie']).toContain('mine=1');
      },
    );

    it('a held response looks sent but not finished, and rejects further headers', async () => {
      seenAfterEnd = undefined;
      await get(subject, 'header-after-end');
      expect(seenAfterEnd).toEqual({
        headersSent: true,
        writableEnded: false,
        setHeader: expect.stringContaining('after they are sent'),
        writeHead: expect.stringContaining('after they are sent'),
      });
    });

    it('the response to HEAD has headers and a cookie but no body', async () => {
      const received = await get(subject, 'json', 'HEAD');
      expect(received).toMatchObject({ status: 200, body: '', savedAtFirstByte: 1 });
      expect(sessionCookies(received)).toHaveLength(1);
    });

    it('an error that a handler throws before it changes the session saves nothing', async () => {
      const received = await get(subject, 'throw-before');
      expect(received).toMatchObject({ status: 500, savedAtEnd: 0 });
      expect(sessionCookies(received)).toEqual([]);
    });

    it('changes made before a handler throws are saved, and the response is its error', async () => {
      const received = await get(subject, 'throw-after');
      expect(received).toMatchObject({ status: 500, savedAtFirstByte: 1 });
      expect(sessionCookies(received)).toHaveLength(1);
    });

    it('changes made after the first byte are saved before the last', async () => {
      const received = await get(subject, 'late', 'GET', unzipped);
      expect(received).toMatchObject({ body: 'first last', savedAtEnd: 2 });
      const stored = await subject.store.read(subject.store.calls[0]!.id!);
      expect({ ...stored!.data }).toEqual({ early: 'true', late: 'true' });
    });

    it.each(['end-object', 'status-1000', 'hook-throws'])(
      'an error that Node throws for an invalid response becomes a 500 while the response is held: %s',
      async (invalid) => {
        const received = await get(subject, `refused/${invalid}`, 'GET', unzipped);
        expect(received).toMatchObject({ status: 500, savedAtFirstByte: 1 });
        expect(sessionCookies(received)).toHaveLength(1);
      },
    );
  });

  describe('with a failing store', () => {
    beforeEach(() => set('failing'));

    it.each(handlers.filter((handler) => !throwers.includes(handler)))(
      'the response of %s is a 503 without its headers, body or cookie',
      async (handler) => {
        const received = await get(subject, handler, 'GET', zipped);
        const body =
          handler === 'sse' ? '{"statusCode":503,"message":"Service Unavailable"}' : subject.failure;
        expect(received).toMatchObject({ status: 503, body, headers: { 'retry-after': '1' } });
        for (const name of ['x-handler', 'cache-control', 'set-cookie'])
          expect(received.headers).not.toHaveProperty(name);
      },
    );

    // Express's own final handler may respond.
    it.each(throwers)('the response of %s is a 500 or 503 without its body', async (handler) => {
      const received = await get(subject, handler, 'GET', zipped);
      expect([500, 503]).toContain(received.status);
      expect(received.body).not.toContain('fine');
    });
  });

  it('changes made after the first byte that cannot be saved abort the transfer and are logged', async () => {
    set('fast');
    subject.store.failing = ['update'];
    const received = await get(subject, 'late', 'GET', unzipped);
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

  it('changes made after a regenerate that came too late do not reach the old session', async () => {
    set('fast');
    const first = await get(subject, 'json');
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!;
    set('fast');
    await get(subject, 'too-late', 'GET', { cookie, ...unzipped });
    const stored = await subject.store.read(subject.store.calls[0]!.id!);
    expect({ ...stored!.data }).toEqual({ changed: '"/json"' });
  });

  it('a keep-alive connection serves the next request after a held response', async () => {
    set('slow');
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
