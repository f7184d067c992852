import connect from 'connect';
import express, { type Request, type RequestHandler, type Response } from 'express';
import { createServer, OutgoingMessage, ServerResponse, type RequestListener } from 'node:http';
import { connect as openSocket, type AddressInfo } from 'node:net';
import { Controller, Get, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { finished as onFinished } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import vhost from 'vhost';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  SessionModule,
  sessionMiddleware,
  type SessionMiddleware,
  type SessionOptions,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { eventually } from './eventually.js';
import { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';
import { serve } from './http/server.js';
import { RecordingStore } from './stores/recording.store.js';

type Bag = Record<string, any>;

let names = 0;
const newStore = (): RecordingStore =>
  new RecordingStore(new ClusterStore({ name: `mounted-${process.pid}-${names++}` }));

/** A middleware that is closed after the test, and what it logged. */
function sessions(options: Partial<SessionOptions> = {}): {
  session: SessionMiddleware;
  logged: string[];
  store: RecordingStore;
} {
  const logged: string[] = [];
  const logger = {
    warn: (text: string) => void logged.push(text),
    error: (text: string) => void logged.push(text),
  };
  const store = (options.store as RecordingStore | undefined) ?? newStore();
  const session = sessionMiddleware({ secret: 'mounted', logger, ...options, store });
  onTestFinished(() => session.close());
  return { session, logged, store };
}

async function browse(listener: RequestListener): Promise<Browser> {
  const server = await serve(listener);
  onTestFinished(() => server.close());
  return new Browser(server.url);
}

/** Counts its visits, and says which session it has. */
const count = (req: Request, res: Response): void => {
  const session = req.session as unknown as Bag;
  session['visits'] = (session['visits'] ?? 0) + 1;
  res.end(`${session['visits']} ${req.sessionID === session['id']}`);
};

function site(): ReturnType<typeof express> {
  const app = express();
  app.get('/', count);
  return app;
}

const asExpress = (session: SessionMiddleware): RequestHandler => session as RequestHandler;

/** How an app gets its requests behind the session middleware. */
const WAYS: Record<string, (session: SessionMiddleware) => RequestListener> = {
  'a called Express app': (session) => {
    const inner = site();
    const app = express();
    app.use(asExpress(session));
    app.use((req, res, next) => inner(req, res, next));
    return app;
  },
  'vhost()': (session) => {
    const app = express();
    app.use(asExpress(session));
    app.use(vhost('127.0.0.1', site() as never) as RequestHandler);
    return app;
  },
  'an Express app in a route': (session) => {
    const app = express();
    app.use(asExpress(session));
    app.get('/', site());
    return app;
  },
  'an Express app after a called one declined': (session) => {
    const declining = express();
    declining.use((_req, _res, next) => next());
    const app = express();
    app.use(asExpress(session));
    app.use((req, res, next) => declining(req, res, next));
    app.get('/', count);
    return app;
  },
  'an error handler after a called app threw': (session) => {
    const throwing = express();
    throwing.get('/', () => {
      throw new Error('thrown');
    });
    const app = express();
    app.use(asExpress(session));
    app.use((req, res, next) => throwing(req, res, next));
    app.use((_error: unknown, req: Request, res: Response, _next: unknown) => count(req, res));
    return app;
  },
  'Express inside connect': (session) => {
    const app = connect();
    app.use(session as connect.HandleFunction);
    app.use(site() as never);
    return app as RequestListener;
  },
  'Express inside plain http': (session) => {
    const inner = site();
    return (req, res) =>
      session(req, res, (error) => {
        if (!error) return inner(req, res);
        res.statusCode = 503;
        res.end();
      });
  },
  'a response without its request': (session) => {
    const app = express();
    app.use(asExpress(session));
    app.use((req, res) => {
      (res as { req: unknown }).req = undefined;
      count(req, res);
    });
    return app;
  },
  'a response with another request': (session) => {
    const inner = site();
    const app = express();
    app.use(asExpress(session));
    app.use((req, res) => {
      const other = new Proxy(req, {});
      inner(other, res);
    });
    return app;
  },
};

describe('the session of', () => {
  it.each(Object.entries(WAYS))('%s is saved, and its cookie is sent', async (_, make) => {
    const { session } = sessions();
    const browser = await browse(make(session));
    const first = await browser.get('/');
    expect(first.text).toBe('1 true');
    expect(first.setCookies).toHaveLength(1);
    expect((await browser.get('/')).text).toBe('2 true');
    expect((await browser.get('/')).text).toBe('3 true');
  });

  it.each(Object.entries(WAYS))('%s fails the response if it cannot be saved', async (_, make) => {
    const { session, store } = sessions();
    const browser = await browse(make(session));
    store.failing = ['create'];
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 503, setCookies: [] });
    expect(response.text).not.toContain('true');
  });

  it('an Express panel in Nest on Fastify is saved, and its cookie is sent', async () => {
    @Controller('api')
    class Api {
      @Get()
      visits(@Req() req: { session: Bag }): number {
        return req.session['visits'];
      }
    }
    @Module({
      imports: [SessionModule.forRoot({ secret: 'mounted', store: newStore() })],
      controllers: [Api],
    })
    class AppModule {}
    const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), {
      logger: false,
    });
    const panel = site();
    onTestFinished(() => app.close());
    await app.init();
    app.use('/panel', (req: Request, res: Response) => panel(req, res));
    await app.listen(0, '127.0.0.1');
    const browser = new Browser(`http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`);
    expect((await browser.get('/panel/')).text).toBe('1 true');
    expect((await browser.get('/panel/')).text).toBe('2 true');
    expect((await browser.get('/api')).text).toBe('2');
  });
});

/** Puts wrappers on a response, as agents that measure requests do, and counts their calls. */
function shim(
  res: ServerResponse,
  methods: readonly ('writeHead' | 'write' | 'end')[],
  calls: string[],
): void {
  for (const method of methods) {
    const original = res[method] as (...args: unknown[]) => unknown;
    res[method] = function (this: ServerResponse, ...args: unknown[]) {
      calls.push(method);
      return original.apply(this, args);
    } as never;
  }
}

describe.each([[['writeHead']], [['end']], [['write', 'end']], [['writeHead', 'write', 'end']]] as (
  | 'writeHead'
  | 'write'
  | 'end'
)[][][])('with wrappers of %j on each response', (methods) => {
  /** An app in a handler that has wrapped the response before Express runs, or a middleware that does so after us. */
  async function run(place: 'before' | 'after') {
    const { session, store, logged } = sessions();
    const calls: string[] = [];
    const app = express();
    app.use(asExpress(session));
    if (place === 'after') app.use((_req, res, next) => (shim(res, methods, calls), next()));
    app.get('/', count);
    app.get('/read', (req, res) => void res.end(String((req.session as unknown as Bag)['visits'])));
    app.get('/stream', async (req, res) => {
      (req.session as unknown as Bag)['visits']++;
      res.write('first,');
      await eventually(() => expect(res.headersSent).toBe(true));
      (req.session as unknown as Bag)['late'] = true;
      res.end('last');
    });
    app.get('/late', (req, res) => void res.end(String((req.session as unknown as Bag)['late'])));
    const browser = await browse((req, res) => {
      if (place === 'before') shim(res, methods, calls);
      app(req, res);
    });
    return { browser, store, logged, calls };
  }

  it.each(['before', 'after'] as const)(
    'put on %s the middleware, each response is complete and calls each wrapper once',
    async (place) => {
      const { browser, store, logged, calls } = await run(place);
      for (const visits of [1, 2, 3]) {
        calls.length = 0;
        const response = await browser.get('/');
        expect(response).toMatchObject({ status: 200, text: `${visits} true` });
        expect(response.setCookies).toHaveLength(visits === 1 ? 1 : 0);
        expect(calls.filter((call) => call !== 'write').toSorted()).toEqual(
          methods.filter((method) => method !== 'write').toSorted(),
        );
      }
      store.before = () => new Promise((resolve) => setTimeout(resolve, 20));
      expect((await browser.get('/stream')).text).toBe('first,last');
      expect((await browser.get('/late')).text).toBe('true');
      store.before = undefined;
      store.failing = ['update'];
      for (let attempt = 0; attempt < 3; attempt++) {
        const failed = await browser.get('/');
        expect(failed.status).toBe(503);
        expect(failed.text).not.toContain('true');
      }
      store.failing = false;
      expect((await browser.get('/read')).text).toBe('4');
      expect(logged).toEqual([]);
    },
  );
});

describe("Node's response class", () => {
  it('is patched while a middleware exists, and restored after the last was closed', () => {
    const patched = (): string[] =>
      ['end', 'write', 'headersSent', 'setHeader'].filter((name) =>
        Object.hasOwn(ServerResponse.prototype, name),
      );
    const all = ['end', 'write', 'headersSent', 'setHeader'];
    const writeHead = ServerResponse.prototype.writeHead;
    const one = sessionMiddleware({ secret: 'one', store: newStore() });
    const two = sessionMiddleware({ secret: 'two', store: newStore() });
    expect(patched()).toEqual(all);
    expect(ServerResponse.prototype.writeHead.name).toBe('writeHead');
    void one.close();
    void one.close();
    expect(patched()).toEqual(all);
    void two.close();
    expect(patched()).toEqual([]);
    expect(ServerResponse.prototype.writeHead).toBe(writeHead);
  });

  it('keeps the patch that another agent has added since, and later responses work', async () => {
    const { session } = sessions();
    const { end } = ServerResponse.prototype;
    let calls = 0;
    ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
      calls++;
      return end.apply(this, args as never);
    } as never;
    const patched = ServerResponse.prototype.end;
    onTestFinished(() => void (ServerResponse.prototype.end = end));
    const browser = await browse(WAYS['a called Express app']!(session));
    expect((await browser.get('/')).text).toBe('1 true');
    expect(calls).toBe(1);
    await session.close();
    expect(ServerResponse.prototype.end).toBe(patched);
    const { session: next } = sessions();
    const other = await browse(WAYS['a called Express app']!(next));
    expect((await other.get('/')).text).toBe('1 true');
    expect((await other.get('/')).text).toBe('2 true');
    expect(calls).toBe(3);
  });

  it('behaves as before for responses and requests without a session', async () => {
    sessions();
    const browser = await browse((req, res) => {
      expect((req as Bag)['sessionID']).toBeUndefined();
      (req as Bag)['sessionID'] = 'mine';
      expect(Object.keys(req)).toContain('sessionID');
      res.setHeader('x-one', '1');
      res.writeHead(201);
      expect(() => res.setHeader('x-two', '2')).toThrow(/after they are sent/);
      expect(res.headersSent).toBe(true);
      res.end((req as Bag)['sessionID']);
      expect(res.writableEnded).toBe(true);
    });
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 201, text: 'mine', headers: { 'x-one': '1' } });
  });

  it('logs an error if a response bypasses it although its session changed, and saves an existing session', async () => {
    const { end } = OutgoingMessage.prototype;
    const { writeHead } = ServerResponse.prototype;
    const { session, logged, store } = sessions();
    const past = (res: Response): void => {
      Object.assign(res, { writeHead, end });
      res.end('past');
    };
    const app = express();
    app.use(asExpress(session));
    app.get('/', count);
    app.get('/past', (req, res) => {
      (req.session as unknown as Bag)['past'] = true;
      past(res);
    });
    app.get('/read', (req, res) => void res.end(String((req.session as unknown as Bag)['past'])));
    app.get('/past-read', (_req, res) => past(res));
    const browser = await browse(app);
    await browser.get('/');
    expect((await browser.get('/past-read')).text).toBe('past');
    expect(logged).toEqual([]);
    await browser.get('/past');
    await eventually(() => expect(logged).toHaveLength(1));
    expect(logged[0]).toMatch(/sent before its session was saved/);
    await eventually(() => expect(store.done).toContain('update'));
    expect((await browser.get('/read')).text).toBe('true');

    const stranger = new Browser(browser.url);
    logged.length = 0;
    await stranger.get('/past');
    await eventually(() => expect(logged[0]).toMatch(/sent before its session was saved/));
    expect(store.done.filter((one) => one === 'create')).toHaveLength(1);
  });

  it('does not look finished while a response is held, and notifies a listener that was added after end()', async () => {
    const { session, store } = sessions();
    const gates = new Gates();
    store.before = (operation) => (operation === 'create' ? gates.pass('create') : Promise.resolve());
    const events: unknown[] = [];
    const app = express();
    app.use(asExpress(session));
    app.get('/', (req, res) => {
      count(req, res);
      const { headersSent, finished, writableEnded, writableFinished } = res;
      events.push({ headersSent, finished, writableEnded, writableFinished });
      onFinished(res, (error) => events.push(error ? 'failed' : 'finished'));
    });
    const browser = await browse(app);
    const response = browser.get('/');
    await gates.reached('create');
    await setImmediate();
    const held = { headersSent: true, finished: false, writableEnded: false, writableFinished: false };
    expect(events).toEqual([held]);
    gates.open('create');
    expect((await response).text).toBe('1 true');
    await eventually(() => expect(events).toEqual([held, 'finished']));
  });

  it('serves the pipelined requests of one connection in order', async () => {
    const { session, store } = sessions();
    const app = express();
    app.use(asExpress(session));
    app.get('/', count);
    app.get('/plain', (_req, res) => void res.end('plain'));
    const server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    store.before = (operation) =>
      new Promise((resolve) => setTimeout(resolve, operation === 'create' ? 20 : 0));
    const socket = openSocket((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(
      'GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text.indexOf('1 true')).toBeGreaterThan(0);
    expect(text.indexOf('plain')).toBeGreaterThan(text.indexOf('1 true'));
  });
});
