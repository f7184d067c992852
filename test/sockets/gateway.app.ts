import { Controller, Get, Post, type INestApplication, type ModuleMetadata } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { onTestFinished } from 'vitest';
import { Session, SessionModule, SessionService, type SessionModuleOptions } from 'nestjs-session-stores';
import { withSessions, type SocketSessionOptions } from 'nestjs-session-stores/sockets';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { randomUUID } from 'node:crypto';
import { eventually } from '../eventually.js';
import { Browser } from '../http/browser.js';
import { RecordingStore } from '../stores/recording.store.js';
import { connectIo, connectWs, type Headers } from './clients.js';

export type Bag = Session & Record<string, unknown>;

/** Starts, rotates and destroys sessions over HTTP, which a socket cannot do. */
@Controller()
class Account {
  @Post('login')
  login(@Session() session: Bag): string {
    session['user'] = 'ann';
    return session.id;
  }

  @Get('me')
  me(@Session() session: Bag): object {
    return { ...session, cookie: undefined };
  }

  @Post('rotate')
  rotate(@Session() session: Session): Promise<void> {
    return session.rotate({ grace: 50 });
  }

  @Post('logout')
  logout(@Session() session: Session): Promise<void> {
    return session.destroy();
  }
}

/** A client of either protocol, which collects the events it receives. */
export interface SocketClient {
  send(event: string, data?: unknown): void;
  /** Resolves to the data of the next event with this name that was not taken yet. */
  next<T = unknown>(event: string): Promise<T>;
  /** Whether there is an event with this name that was not taken yet. */
  has(event: string): boolean;
  readonly isOpen: boolean;
  close(): void;
}

/** The protocols: the adapter for an app with gateways, and its clients. */
export const protocols = {
  'Socket.IO': {
    adapter: (app: INestApplication) => new IoAdapter(app),
    async connect(url: string, headers?: Headers): Promise<SocketClient> {
      const socket = await connectIo(url, headers);
      const inbox = new Inbox();
      socket.onAny((event: string, data: unknown) => inbox.put(event, data));
      return {
        send: (event, data) => void socket.emit(event, data),
        next: (event) => inbox.next(event),
        has: (event) => inbox.has(event),
        get isOpen() {
          return socket.connected;
        },
        close: () => void socket.close(),
      };
    },
  },
  ws: {
    adapter: (app: INestApplication) => new WsAdapter(app),
    async connect(url: string, headers?: Headers): Promise<SocketClient> {
      const socket = await connectWs(url, headers);
      const inbox = new Inbox();
      socket.on('message', (text) => {
        const { event, data } = JSON.parse(String(text)) as { event: string; data: unknown };
        inbox.put(event, data);
      });
      return {
        send: (event, data) => socket.send(JSON.stringify({ event, data })),
        next: (event) => inbox.next(event),
        has: (event) => inbox.has(event),
        get isOpen() {
          return socket.readyState === socket.OPEN;
        },
        close: () => socket.terminate(),
      };
    },
  },
};

export type Protocol = keyof typeof protocols;

class Inbox {
  readonly #events = new Map<string, unknown[]>();

  put(event: string, data: unknown): void {
    this.#events.set(event, [...(this.#events.get(event) ?? []), data]);
  }

  has(event: string): boolean {
    return (this.#events.get(event)?.length ?? 0) > 0;
  }

  async next<T>(event: string): Promise<T> {
    await eventually(() => this.has(event));
    return this.#events.get(event)!.shift() as T;
  }
}

/** An app with gateways, which is closed after the test. */
export interface GatewayApp {
  app: INestApplication;
  url: string;
  store: RecordingStore;
  sessions: SessionService;
  logged: string[];
  /** Logs in over HTTP. Resolves to the browser and the session id. */
  login(): Promise<{ browser: Browser; id: string }>;
  connect(browser?: Browser, headers?: Headers): Promise<SocketClient>;
  get<T>(type: new (...args: never[]) => T): T;
}

export async function serveGateways(
  protocol: Protocol,
  gateways: NonNullable<ModuleMetadata['providers']>,
  {
    socketOptions,
    store = new RecordingStore(new ClusterStore({ name: randomUUID() })),
    platform = new ExpressAdapter(),
    before = () => {},
    ...options
  }: Partial<SessionModuleOptions> & {
    socketOptions?: SocketSessionOptions;
    store?: RecordingStore;
    platform?: AbstractHttpAdapter;
    before?: (app: INestApplication) => void;
  } = {},
): Promise<GatewayApp> {
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  const testing = await Test.createTestingModule({
    imports: [
      SessionModule.forRoot({ secret: 'sockets', store, logger: { warn: log, error: log }, ...options }),
    ],
    controllers: [Account],
    providers: gateways,
  }).compile();
  const app = testing.createNestApplication(platform, { logger: false });
  before(app);
  const { adapter, connect } = protocols[protocol];
  app.useWebSocketAdapter(withSessions(adapter(app), app, socketOptions));
  await app.listen(0, '127.0.0.1');
  onTestFinished(() => app.close());
  const url = await app.getUrl();
  return {
    app,
    url,
    store,
    sessions: app.get(SessionService),
    logged,
    async login() {
      const browser = new Browser(url);
      return { browser, id: (await browser.post('/login')).text };
    },
    connect: (browser, headers = {}) =>
      connect(url, { ...(browser && { cookie: cookieOf(browser) }), ...headers }),
    get: (type) => app.get(type),
  };
}

/** The Cookie header that a browser sends with a handshake. */
export function cookieOf(browser: Browser): string {
  return [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
}

/** Resolves when the socket of a client is closed. */
export async function closed(client: SocketClient): Promise<void> {
  await eventually(() => !client.isOpen);
}
