import { Controller, Get, Post } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import express from 'express';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  Session,
  SESSION_MIDDLEWARE,
  SessionModule,
  sessionMiddleware,
  type Session as TypedSession,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { randomUUID } from 'node:crypto';
import { eventually } from '../eventually.js';
import { Browser } from '../http/browser.js';
import { RecordingStore } from '../stores/recording.store.js';
import { connectIo } from './clients.js';
import { cookieOf, type Bag } from './gateway.app.js';

type Request = IncomingMessage & { session: TypedSession & { count?: number } };

/** Uses `io` with a session middleware as in Socket.IO's guide for express-session. */
function asInTheGuide(io: Server): void {
  io.on('connection', (socket: Socket) => {
    const req = socket.request as Request;
    void socket.join(req.session.id);
    socket.on('who', (acknowledge: (user: unknown) => void) =>
      acknowledge((req.session as Bag)['user'] ?? null),
    );
    socket.on('count', (acknowledge: (count: unknown) => void) => {
      req.session.reload((error?: unknown) => {
        if (error) return socket.disconnect();
        req.session.count = (req.session.count ?? 0) + 1;
        req.session.save((failed?: unknown) => acknowledge(failed ? String(failed) : req.session.count));
      });
    });
    socket.on('save-without', (acknowledge: (outcome: string) => void) => {
      (req.session as Bag)['user'] = 'nobody';
      req.session.save((failed?: unknown) => acknowledge(failed ? (failed as Error).message : 'saved'));
    });
  });
}

interface Served {
  url: string;
  io: Server;
  store: RecordingStore;
  /** What the session layer logged. */
  logged: string[];
}

/** The origin that Socket.IO's option `cors` allows, with credentials. */
const ALLOWED = 'https://app.example.com';
const CORS = {
  origin: (origin: string | undefined, done: (error: null, allowed: boolean) => void) =>
    done(null, origin === ALLOWED),
  credentials: true,
};

/** The options of the session layer, which logs into `logged`. */
function sessionOptions() {
  const store = new RecordingStore(new ClusterStore({ name: randomUUID() }));
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  return { secret: 'guide', store, logged, logger: { warn: log, error: log } };
}

async function onExpress(): Promise<Served> {
  const { logged, ...options } = sessionOptions();
  const middleware = sessionMiddleware(options);
  const app = express();
  const server = createServer(app);
  app.use(middleware);
  app.post('/login', (req, res) => {
    (req.session as unknown as Bag)['user'] = 'ann';
    res.json(null);
  });
  app.post('/logout', (req, res) => {
    const { id } = req.session;
    req.session.destroy(() => {
      io.to(id).disconnectSockets();
      res.json(null);
    });
  });
  app.get('/count', (req, res) => void res.json((req.session as unknown as Bag)['count']));
  const io = new Server(server, { cors: CORS });
  io.engine.use(middleware);
  asInTheGuide(io);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    await io.close();
    await middleware.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, io, store: options.store, logged };
}

@WebSocketGateway({ cors: CORS })
class Gateway {
  @WebSocketServer() server!: Server;
}

@Controller()
class Account {
  constructor(private readonly gateway: Gateway) {}

  @Post('login')
  login(@Session() session: Bag): void {
    session['user'] = 'ann';
  }

  @Post('logout')
  async logout(@Session() session: Bag): Promise<void> {
    await session.destroy();
    this.gateway.server.to(session.id).disconnectSockets();
  }

  @Get('count')
  count(@Session('count' as never) count: number): number {
    return count;
  }
}

async function onNest(): Promise<Served> {
  const { logged, ...options } = sessionOptions();
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot(options)],
    controllers: [Account],
    providers: [Gateway],
  }).compile();
  const app = testing.createNestApplication({ logger: false });
  app.useWebSocketAdapter(new IoAdapter(app));
  await app.init();
  const io = app.get(Gateway).server;
  io.engine.use(app.get(SESSION_MIDDLEWARE));
  asInTheGuide(io);
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  return { url: await app.getUrl(), io, store: options.store, logged };
}

describe.each([
  ['Express', onExpress],
  ['Nest', onNest],
])("the code of Socket.IO's guide for express-session works with our middleware on %s", (_, serve) => {
  describe.each([[['websocket']], [['polling']], [['polling', 'websocket']]])('over %j', (transports) => {
    it('socket.request.session can be read, reloaded and saved', async () => {
      const { url, store } = await serve();
      const browser = new Browser(url);
      await browser.post('/login');
      const clients = await Promise.all(
        [1, 2].map(() => connectIo(url, { cookie: cookieOf(browser) }, { transports })),
      );
      for (const client of clients) expect(await client.timeout(5000).emitWithAck('who')).toBe('ann');
      let count = 0;
      for (const client of [...clients, ...clients]) {
        expect(await client.timeout(5000).emitWithAck('count')).toBe(++count);
      }
      expect((await browser.get('/count')).json()).toBe(4);
      expect(await store.count()).toBe(1);
    });

    it('a logout closes the sockets of a session, in a room named by its id and at the next reload', async () => {
      const { url, store } = await serve();
      const browser = new Browser(url);
      await browser.post('/login');
      const [one, other] = [
        await connectIo(url, { cookie: cookieOf(browser) }, { transports }),
        await connectIo(url, { cookie: cookieOf(browser) }, { transports }),
      ];
      await store.clear();
      one.emit('count', () => {});
      await eventually(() => !one.connected);
      expect(other.connected).toBe(true);
      await browser.post('/login');
      const third = await connectIo(url, { cookie: cookieOf(browser) }, { transports });
      await browser.post('/logout');
      await eventually(() => !third.connected);
      expect(await store.count()).toBe(0);
    });

    it('a page of another origin gets a socket without the session, which is logged', async () => {
      const { url, logged } = await serve();
      const browser = new Browser(url);
      await browser.post('/login');
      const cookie = cookieOf(browser);
      const userFor = async (headers: Record<string, string>): Promise<unknown> =>
        (await connectIo(url, { cookie, ...headers }, { transports })).timeout(5000).emitWithAck('who');
      for (const headers of [{}, { origin: url }, { origin: ALLOWED }, { 'sec-fetch-site': 'same-origin' }])
        expect(await userFor(headers as Record<string, string>), JSON.stringify(headers)).toBe('ann');
      expect(await userFor({ 'sec-fetch-site': 'cross-site', origin: ALLOWED })).toBe('ann');
      expect(logged).toEqual([]);
      for (const origin of ['https://evil.example.com', 'null', 'http://127.0.0.1:1'])
        expect(await userFor({ origin }), origin).toBeNull();
      for (const site of ['same-site', 'cross-site'])
        expect(await userFor({ 'sec-fetch-site': site }), site).toBeNull();
      expect(logged).toEqual(
        ['"https://evil.example.com"', '"null"', '"http://127.0.0.1:1"', 'same-site', 'cross-site'].map(
          (word) => expect.stringContaining(word) as string,
        ),
      );
      for (const line of logged)
        expect(line).toMatch(/withSessions\(adapter, app, .*Socket.IO's option cors/s);
    });

    it('a socket without a session gets an empty one, which cannot be saved', async () => {
      const { url, store } = await serve();
      const client = await connectIo(url, {}, { transports });
      expect(await client.timeout(5000).emitWithAck('who')).toBeNull();
      expect(await client.timeout(5000).emitWithAck('save-without')).toMatch(
        transports.includes('polling')
          ? 'save: the response has begun'
          : 'save: a socket cannot give its client a token',
      );
      expect(await store.count()).toBe(0);
    });
  });

  it('a script element gets no session by JSONP polling', async () => {
    const { url, store, logged } = await serve();
    const browser = new Browser(url);
    await browser.post('/login');
    store.take();
    const response = await browser.get('/socket.io/?EIO=4&transport=polling&j=0');
    expect(response).toMatchObject({ status: 200, setCookies: [] });
    expect(store.take()).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('by JSONP polling got no session')]);
  });

  it('a request of the app keeps its session, whatever its query and its origin', async () => {
    const { url, store, logged } = await serve();
    const browser = new Browser(url);
    await browser.post('/login');
    store.take();
    const headers = { origin: 'https://evil.example.com' };
    expect((await browser.get('/count?EIO=4&transport=polling&j=0', { headers })).status).toBe(200);
    expect(store.take()).toEqual(['read']);
    expect(logged).toEqual([]);
  });
});
