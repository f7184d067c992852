import { Controller, Get, Module, Req, Res, StreamableFile } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import compression from 'compression';
import express, { type RequestHandler, type Response } from 'express';
import morgan from 'morgan';
import { createServer, get as httpGet, type IncomingMessage, type ServerResponse } from 'node:http';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SessionModule, sessionMiddleware } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { Gates } from './http/gates.js';
import { serve } from './http/server.js';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Record<string, any>;

let names = 0;
const newStore = (): RecordingStore =>
  new RecordingStore(new ClusterStore({ name: `streams-${process.pid}-${names++}` }));

/** An Express app with sessions and one route, `/`. */
function appOf(
  store: RecordingStore,
  handler: RequestHandler,
  before: RequestHandler[] = [],
): RequestHandler {
  const session = sessionMiddleware({ secret: 'streams', store });
  onTestFinished(() => session.close());
  const app = express();
  for (const one of before) app.use(one);
  app.use(session as RequestHandler);
  app.get('/', handler);
  return app;
}

async function urlOf(app: RequestHandler): Promise<string> {
  const server = await serve(app as never);
  onTestFinished(() => server.close());
  return server.url;
}

const sessionOf = (req: { session: unknown }): Bag => req.session as Bag;

/** Begins a request. Resolves with the response when its headers have arrived. */
function begin(url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    httpGet(url, { agent: false, headers }, resolve).on('error', reject);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

describe('the headers of a stream', () => {
  const BEFORE: [string, RequestHandler[]][] = [
    ['nothing', []],
    ['morgan', [morgan('tiny', { stream: { write: () => {} } })]],
    ['compression', [compression()]],
    ['a header hook', [(_req, res, next) => (hook(res), next())]],
  ];

  /** As response-time does. */
  function hook(res: ServerResponse): void {
    const { writeHead } = res;
    res.writeHead = function (this: ServerResponse, ...args: unknown[]) {
      if (!this.headersSent) this.setHeader('x-hook', '1');
      return writeHead.apply(this, args as never);
    } as never;
  }

  const FLUSH: [string, (res: Response) => void][] = [
    [
      'writeHead() and flushHeaders()',
      (res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' });
        res.flushHeaders();
      },
    ],
    [
      'setHeader() and flushHeaders()',
      (res) => {
        res.setHeader('content-type', 'text/event-stream');
        res.flushHeaders();
      },
    ],
  ];

  it.each(
    BEFORE.flatMap(([before, mounted]) => FLUSH.map(([way, flush]) => ({ before, mounted, way, flush }))),
  )(
    'arrive before its first event after $way, with $before mounted before the session',
    async ({ mounted, flush }) => {
      const gates = new Gates();
      const app = appOf(
        newStore(),
        async (req, res) => {
          const session = sessionOf(req);
          session['visits'] = (session['visits'] ?? 0) + 1;
          const visit = session['visits'];
          flush(res);
          await gates.pass(`event ${visit}`);
          res.end(`data: ${visit}\n\n`);
        },
        mounted,
      );
      const url = await urlOf(app);
      let cookie = '';
      for (const visit of [1, 2, 3]) {
        const response = await begin(url, { cookie });
        expect(response.statusCode).toBe(200);
        expect(response.headers['content-type']).toBe('text/event-stream');
        cookie = response.headers['set-cookie']?.[0]?.split(';')[0] ?? cookie;
        gates.open(`event ${visit}`);
        expect(await textOf(response)).toBe(`data: ${visit}\n\n`);
      }
    },
  );
});

describe('a server that closes while the end of a stream waits for its session to be saved', () => {
  /** Sends `first,` at once and `last` after it has changed the session again, with a stream or by itself. */
  async function respond(
    req: { session: unknown },
    send: { write(text: string): void; end(text: string): void },
    gates: Gates,
  ) {
    sessionOf(req)['first'] = true;
    send.write('first,');
    await gates.pass('last');
    sessionOf(req)['last'] = true;
    send.end('last');
  }

  @Controller()
  class Streams {
    static gates: Gates;
    @Get('raw')
    raw(@Req() req: Bag, @Res() res: Bag): void {
      void respond(req as never, (res['raw'] ?? res) as ServerResponse, Streams.gates);
    }
    @Get('file')
    file(@Req() req: Bag): StreamableFile {
      const stream = new PassThrough();
      void respond(req as never, stream, Streams.gates);
      return new StreamableFile(stream);
    }
  }

  type Started = { url: string; close: () => Promise<unknown> };

  async function nest(store: RecordingStore, gates: Gates, adapter?: FastifyAdapter): Promise<Started> {
    Streams.gates = gates;
    @Module({ imports: [SessionModule.forRoot({ secret: 'streams', store })], controllers: [Streams] })
    class AppModule {}
    const app = await (adapter
      ? NestFactory.create(AppModule, adapter, { logger: false })
      : NestFactory.create(AppModule, { logger: false }));
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}`, close: () => app.close() };
  }

  const SERVERS: [string, string, (store: RecordingStore, gates: Gates) => Promise<Started>][] = [
    [
      'Express',
      '/',
      async (store, gates) => {
        const server = createServer(appOf(store, (req, res) => respond(req, res, gates)) as never);
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const { port } = server.address() as AddressInfo;
        return {
          url: `http://127.0.0.1:${port}`,
          close: () => new Promise((resolve) => server.close(resolve)),
        };
      },
    ],
    ['Nest on Express', '/raw', (store, gates) => nest(store, gates)],
    ['Nest on Express with a StreamableFile', '/file', (store, gates) => nest(store, gates)],
    ['Nest on Fastify', '/raw', (store, gates) => nest(store, gates, new FastifyAdapter())],
    [
      'Nest on Fastify with a StreamableFile',
      '/file',
      (store, gates) => nest(store, gates, new FastifyAdapter()),
    ],
  ];

  it.each(SERVERS)('sends that end on %s', async (_, path, start) => {
    const store = newStore();
    const gates = new Gates();
    const { url, close } = await start(store, gates);
    store.before = (operation) => (operation === 'update' ? gates.pass('update') : Promise.resolve());
    const response = await begin(`${url}${path}`);
    const text = textOf(response);
    gates.open('last');
    await gates.reached('update');
    const closed = close();
    await setImmediate();
    gates.open('update');
    expect(await text).toBe('first,last');
    await closed;
  });
});

describe('a handler that pipes more than memory should hold', () => {
  const CHUNK = randomBytes(64 * 1024);
  const CHUNKS = 512;

  it.each([
    ['nothing', []],
    ['compression', [compression({ threshold: 0 })]],
  ] as [string, RequestHandler[]][])(
    'waits while the session is saved, with %s mounted before the session',
    async (_, before) => {
      let produced = 0;
      const gates = new Gates();
      const store = newStore();
      store.before = (operation) => (operation === 'create' ? gates.pass('create') : Promise.resolve());
      const url = await urlOf(
        appOf(
          store,
          (req, res) => {
            sessionOf(req)['downloads'] = 1;
            res.type('text/plain');
            const source = new Readable({
              read() {
                this.push(produced++ < CHUNKS ? CHUNK : null);
              },
            });
            source.pipe(res);
          },
          before,
        ),
      );
      const begun = begin(url, { 'accept-encoding': 'gzip' });
      await gates.reached('create');
      const samples: number[] = [];
      await eventually(() => {
        samples.push(produced);
        return produced > 0 && samples.slice(-4).filter((one) => one === produced).length === 4;
      });
      expect(produced).toBeLessThan(CHUNKS / 8);
      gates.open('create');
      const response = await begun;
      let bytes = 0;
      for await (const chunk of response) bytes += (chunk as Buffer).length;
      expect(bytes).toBeGreaterThanOrEqual(CHUNK.length * CHUNKS);
      expect(produced).toBe(CHUNKS + 1);
    },
  );
});

describe('the Cache-Control header of a response with a token', () => {
  it('keeps the directives of the handler that do not let a cache store it', async () => {
    const url = await urlOf(
      appOf(newStore(), (req, res) => {
        sessionOf(req)['user'] = 'ann';
        res.set('Cache-Control', 'public, max-age=60, no-transform').json({});
      }),
    );
    const response = await begin(url);
    response.resume();
    expect(response.headers['cache-control']).toBe('no-transform, no-store');
  });
});
