import { Controller, Get, RequestTimeoutException, Res, type NestInterceptor } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import type { Response } from 'express';
import { randomUUID } from 'node:crypto';
import { throwError, timeout } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Session, sessionMiddleware, SessionModule } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';
import { dataOf, loggedIn, serveApp } from './http/app.js';
import { RecordingStore } from './stores/recording.store.js';

// What happens to a request while one of its calls, or its commit, is in progress.

type Bag = Session & Record<string, unknown>;

describe('a handler that ends its streamed response with an invalid chunk', () => {
  it('gets the error, as without sessions, and its changes are saved', async () => {
    const app = await serveApp({
      '/login': (session) => void (session['user'] = 'ann'),
      '/stream': (session, _req, res) => {
        res.write('begun, ');
        session['late'] = true;
        let message = '';
        try {
          res.end(42 as never);
        } catch (error) {
          ({ message } = error as Error);
        }
        res.end(message);
      },
      '/': dataOf,
    });
    const browser = await loggedIn(app);
    expect((await browser.get('/stream')).text).toContain('a chunk must be a string');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', late: true });
  });
});

describe('a destroy that is called while the session is reloaded', () => {
  it('leaves no session on the request', async () => {
    const app = await serveApp({
      '/login': (session) => void (session['user'] = 'ann'),
      '/logout': async (session, req) => {
        const reloaded = session.reload();
        await session.destroy();
        await reloaded;
        return { session: (req.session as unknown) ?? null };
      },
      '/': dataOf,
    });
    const browser = await loggedIn(app);
    expect((await browser.get('/logout')).json()).toEqual({ session: null });
    expect((await browser.get('/')).json()).toEqual({});
  });
});

describe('a middleware that is closed while it opens its store', () => {
  it('opens it again for the next request', async () => {
    const gates = new Gates();
    class SlowlyOpened extends RecordingStore {
      override async open(): Promise<void> {
        if (this.opened === 0) await gates.pass('open');
        await super.open();
      }
    }
    const store = new SlowlyOpened(new ClusterStore({ name: randomUUID() }));
    const middleware = sessionMiddleware({ secret: 'under way', store });
    const request = (): Promise<unknown> =>
      new Promise((resolve) => {
        const req = { headers: {}, url: '/' };
        middleware(req, { getHeaders: () => ({}), on() {} }, () =>
          resolve((req as { session?: unknown }).session),
        );
      });
    const first = request();
    await gates.reached('open');
    await middleware.close();
    gates.open('open');
    await first;
    await request();
    expect(store.opened).toBe(2);
    await middleware.close();
  });
});

describe('in Nest', () => {
  const gates = new Gates();
  let store: RecordingStore;
  let app: NestExpressApplication;
  let browser: Browser;

  const late = () => throwError(() => new RequestTimeoutException());
  const soon: NestInterceptor = {
    intercept: (_context, next) => next.handle().pipe(timeout({ each: 50, with: late })),
  };

  @Controller()
  class Pages {
    @Get('login')
    login(@Session() session: Bag) {
      session['user'] = 'ann';
    }

    @Get('data')
    data(@Session() session: Bag) {
      return { ...session, cookie: undefined };
    }

    @Get('sent')
    async sent(@Session() session: Bag, @Res() res: Response) {
      session['before'] = true;
      res.json('sent');
      session['after'] = true;
    }

    @Get('slow')
    async slow(@Session() session: Bag) {
      session['slow'] = true;
      await gates.pass('slow');
    }
  }

  beforeEach(async () => {
    store = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const testing = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'under way', store, logger: { warn() {}, error() {} } })],
      controllers: [Pages],
      // In the root module, so it is outside of the interceptor that commits.
      providers: [{ provide: APP_INTERCEPTOR, useValue: soon }],
    }).compile();
    app = testing.createNestApplication<NestExpressApplication>({ logger: false });
    await app.listen(0, '127.0.0.1');
    browser = new Browser(await app.getUrl());
    await browser.get('/login');
  });
  afterEach(() => app.close());

  it('a change after the response is saved, even while the change before it is being saved', async () => {
    expect((await browser.get('/sent')).json()).toBe('sent');
    await expect
      .poll(async () => (await browser.get('/data')).json())
      .toEqual({ user: 'ann', before: true, after: true });
  });

  it('a request that an interceptor gives up is responded to, even if its session cannot be saved then', async () => {
    store.failing = ['update'];
    const response = await browser.get('/slow');
    gates.open('slow');
    expect({ status: response.status, body: response.json() }).toEqual({
      status: 503,
      body: { statusCode: 503, message: 'Service Unavailable' },
    });
  });
});
