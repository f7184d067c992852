import { Controller, Get, Module, type INestApplication, type Type } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { once } from 'node:events';
import request from 'supertest';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  cookieIdentity,
  headerIdentity,
  Session,
  SessionModule,
  SessionService,
  type SessionCookieOptions,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { withSessions } from 'nestjs-session-stores/sockets';
import { loginAs, MemoryStore } from 'nestjs-session-stores/testing';
import { launch } from '../browser/stage.js';
import { connectIo, connectWs } from '../sockets/clients.js';

@Controller()
class Account {
  @Get('me')
  me(@Session('user') user: string | undefined) {
    return { user: user ?? null };
  }
}

@WebSocketGateway()
class Gateway {
  @SubscribeMessage('me')
  me(@Session('user') user: string | undefined) {
    return { event: 'me', data: user ?? null };
  }
}

async function appOf(
  options: Partial<SessionModuleOptions> = {},
  platform: 'Express' | 'Fastify' = 'Express',
  providers: Type[] = [],
): Promise<INestApplication> {
  const testing = await Test.createTestingModule({
    imports: [SessionModule.forRoot({ secret: 'app', store: new MemoryStore(), ...options })],
    controllers: [Account],
    providers,
  }).compile();
  const adapter = platform === 'Express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = testing.createNestApplication(adapter, { logger: false });
  onTestFinished(() => app.close());
  return app;
}

const identities = [cookieIdentity({ name: 'web' }), headerIdentity()];

describe('a login of loginAs', () => {
  it('fits supertest, by its cookie and by its headers', async () => {
    const app = await appOf();
    await app.init();
    const ann = await loginAs(app, { user: 'ann' });
    const server = app.getHttpServer() as never;
    await request(server).get('/me').set('Cookie', ann.cookie).expect(200, { user: 'ann' });
    await request(server).get('/me').set(ann.headers).expect(200, { user: 'ann' });
    await request(server).get('/me').expect(200, { user: null });
  });

  it('fits app.inject of Fastify', async () => {
    const app = (await appOf({}, 'Fastify')) as NestFastifyApplication;
    await app.init();
    const ann = await loginAs(app, { user: 'ann' });
    expect((await app.inject({ url: '/me', headers: ann.headers })).json()).toEqual({ user: 'ann' });
    expect((await app.inject({ url: '/me', headers: { cookie: ann.cookie } })).json()).toEqual({
      user: 'ann',
    });
  });

  it('fits fetch', async () => {
    const app = await appOf();
    await app.listen(0, '127.0.0.1');
    const { headers } = await loginAs(app, { user: 'ann' });
    const response = await fetch(`${await app.getUrl()}/me`, { headers });
    expect(await response.json()).toEqual({ user: 'ann' });
  });

  it.each(['web', 'x-auth-token'])('fits socket.io-client and ws, by the identity %s', async (identity) => {
    const serve = async (Adapter: typeof IoAdapter | typeof WsAdapter) => {
      const app = await appOf({ identities }, 'Express', [Gateway]);
      app.useWebSocketAdapter(withSessions(new Adapter(app), app));
      await app.listen(0, '127.0.0.1');
      const { headers } = await loginAs(app, { user: 'ann' }, { identity });
      return [await app.getUrl(), headers] as const;
    };
    const socket = await connectIo(...(await serve(IoAdapter)));
    const heard = new Promise((resolve) => socket.once('me', resolve));
    socket.emit('me');
    expect(await heard).toBe('ann');

    const plain = await connectWs(...(await serve(WsAdapter)));
    plain.send(JSON.stringify({ event: 'me' }));
    const [text] = (await once(plain, 'message')) as [Buffer];
    expect(JSON.parse(String(text))).toEqual({ event: 'me', data: 'ann' });
  });

  it('fits Playwright, with the attributes that the cookie has in Chromium by itself', async () => {
    const browser = await launch();
    onTestFinished(() => browser.close());
    const named = { strict: 'Strict', none: 'None', lax: 'Lax' };
    for (const cookie of <SessionCookieOptions[]>[
      { maxAge: 60_000 },
      { secure: true, sameSite: 'strict' },
      { path: '/me', httpOnly: false, sameSite: 'none', secure: true },
    ]) {
      const app = await appOf({ cookie });
      await app.listen(0, '127.0.0.1');
      const url = `http://localhost:${new URL(await app.getUrl()).port}`;
      const ann = await loginAs(app, { user: 'ann' });
      const context = await browser.newContext();
      await context.addCookies(ann.cookies(url));
      const page = await context.newPage();
      await page.goto(`${url}/me`);
      expect(await page.textContent('body')).toBe('{"user":"ann"}');
      const [kept] = await context.cookies(`${url}/me`);
      expect(kept).toMatchObject({
        name: 'sid',
        domain: 'localhost',
        path: cookie.path ?? '/',
        httpOnly: cookie.httpOnly ?? true,
        secure: cookie.secure ?? false,
        sameSite: named[(cookie.sameSite ?? 'lax') as keyof typeof named],
      });
      expect(kept!.expires > 0).toBe('maxAge' in cookie);
      await context.close();
    }
  }, 300_000);

  it('has the data, the groups and the lifetime that it was given', async () => {
    const app = await appOf();
    await app.init();
    const { session } = await loginAs(app, { user: 'ann' }, { groups: ['user:ann'], maxAge: 60_000 });
    expect(session.data).toEqual({ user: 'ann' });
    expect(session.expiresAt - session.createdAt).toBe(60_000);
    expect(await app.get(SessionService).count('user:ann')).toBe(1);
  });

  it('travels in the header of a header identity', async () => {
    const app = await appOf({ identities });
    await app.init();
    const ann = await loginAs(app, { user: 'ann' }, { identity: 'x-auth-token' });
    expect(ann.headers).toEqual({ 'x-auth-token': ann.token });
    const server = app.getHttpServer() as never;
    await request(server).get('/me').set(ann.headers).expect(200, { user: 'ann' });
    const message = 'its token travels in the header x-auth-token. Use its headers';
    expect(() => ann.cookie).toThrow(message);
    expect(() => ann.cookies('http://localhost')).toThrow(message);
    expect((await loginAs(app)).cookie).toMatch(/^web=s%3A/);
  });

  it('has the domain of the cookie with a leading dot for Playwright, and no expiry without an age', async () => {
    const app = await appOf({ cookie: { domain: 'example.com' } });
    await app.init();
    const ann = await loginAs(app);
    const [cookie] = ann.cookies('https://app.example.com/path');
    expect(cookie).toMatchObject({ domain: '.example.com', secure: true, sameSite: 'Lax', expires: -1 });
  });
});

describe('loginAs', () => {
  it.each([undefined, null])('rejects %s in the place of an app', async (app) => {
    await expect(loginAs(app as never)).rejects.toThrow(
      new TypeError('loginAs needs an app: write loginAs(app, data), after the app was created'),
    );
  });

  it.each(['localhost:3000', '/me', 'ws://localhost:3000', ''])(
    'has no cookie for %j, which is not the address of an app',
    async (url) => {
      const app = await appOf({});
      await app.init();
      const ann = await loginAs(app);
      expect(() => ann.cookies(url)).toThrow(
        new TypeError('url must be the address of the app: write http://localhost:3000'),
      );
    },
  );

  it('takes the service of one of several modules', async () => {
    const modules = ['one', 'other'].map((name) =>
      SessionModule.forRoot({
        isGlobal: false,
        forRoutes: [name],
        secret: name,
        name,
        store: new MemoryStore(),
      }),
    );
    const services: SessionService[] = [];
    const holders = modules.map((module) => {
      @Module({ imports: [module] })
      class Holder {
        constructor(service: SessionService) {
          services.push(service);
        }
      }
      return Holder;
    });
    const testing = await Test.createTestingModule({ imports: holders }).compile();
    await testing.init();
    onTestFinished(() => testing.close());
    const names = await Promise.all(
      services.map(async (service) => (await loginAs(service)).cookie.split('=')[0]),
    );
    expect(names.toSorted()).toEqual(['one', 'other']);
  });

  it('works with a testing module', async () => {
    const testing = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'app', store: new MemoryStore() })],
    }).compile();
    await testing.init();
    onTestFinished(() => testing.close());
    expect((await loginAs(testing, { user: 'ann' })).session.data).toEqual({ user: 'ann' });
  });

  it('says what is missing', async () => {
    const empty = await Test.createTestingModule({}).compile();
    await expect(loginAs(empty)).rejects.toThrow('Import SessionModule.forRoot');
    const app = await appOf({ identities });
    await expect(loginAs(app)).rejects.toThrow('Call await app.init() before it');
    await app.init();
    await expect(loginAs(app, {}, { identity: 'sid' })).rejects.toThrow(
      "identity must be the name of one that the app has: 'web', 'x-auth-token'",
    );
    await expect(loginAs(app, {}, { group: 'user:ann' } as object)).rejects.toThrow(
      'Unknown loginAs option "group". Valid options: groups, maxAge, identity',
    );
  });
});
