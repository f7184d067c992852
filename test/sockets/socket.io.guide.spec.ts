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
  type SessionStore,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { randomUUID } from 'node:crypto';
import { eventually } from '../eventually.js';
import { Browser } from '../http/browser.js';
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
  store: SessionStore;
}

const newStore = (): ClusterStore => new ClusterStore({ name: randomUUID() });

async function onExpress(): Promise<Served> {
  const store = newStore();
  const middleware = sessionMiddleware({ secret: 'guide', store });
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
  const io = new Server(server);
  io.engine.use(middleware);
  asInTheGuide(io);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    await io.close();
    await middleware.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, io, store };
}

@WebSocketGateway()
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
  const store = newStore();
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot({ secret: 'guide', store })],
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
  return { url: await app.getUrl(), io, store };
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
});
