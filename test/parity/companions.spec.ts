import { randomUUID } from 'node:crypto';
import { Controller, Get, Module, Next, Post, Req, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import flash from 'connect-flash';
import { csrfSync } from 'csrf-sync';
import express, {
  Router,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import { SESSION_MIDDLEWARE, SessionModule } from 'nestjs-session-stores';
import session from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Passport, Strategy } from 'passport';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Browser } from '../http/browser.js';
import { serveForTest } from '../http/server.js';

interface User {
  id: number;
  name: string;
}

/** Logs in under whatever name the query contains. */
class NamedStrategy extends Strategy {
  name = 'named';
  authenticate(req: Request): void {
    const name = String(req.query['name'] ?? '');
    if (name === '') this.fail(401);
    else this.success({ id: 1, name });
  }
}

/** The middleware and routes of an app with these libraries, set up as in their manuals. */
function companions(): { use: RequestHandler[]; routes: Router } {
  const passport = new Passport();
  passport.use(new NamedStrategy());
  passport.serializeUser((user, done) => done(null, user as User));
  passport.deserializeUser((user: User, done) => done(null, user));
  const { generateToken, csrfSynchronisedProtection } = csrfSync();

  const routes = Router();
  routes.get('/login', passport.authenticate('named'), (req, res) => res.json(req.user));
  routes.get('/login/keep', passport.authenticate('named', { keepSessionInfo: true } as object), (req, res) =>
    res.json(req.user),
  );
  routes.get(
    '/login/redirect',
    passport.authenticate('named', { successRedirect: '/me', failureRedirect: '/no' }),
  );
  routes.get('/me', (req, res) => res.json(req.user ?? null));
  routes.get('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.json('out'))));
  routes.get('/logout/keep', (req, res, next) =>
    req.logout({ keepSessionInfo: true }, (error) => (error ? next(error) : res.json('out'))),
  );
  routes.get('/basket/add', (req, res) => {
    const data = req.session as unknown as { basket?: number };
    data.basket = (data.basket ?? 0) + 1;
    res.json(data.basket);
  });
  routes.get('/basket', (req, res) => res.json((req.session as unknown as { basket?: number }).basket ?? 0));
  routes.get('/id', (req, res) => res.json(req.sessionID));
  routes.get('/flash/set', (req, res) => {
    req.flash('info', 'saved');
    req.flash('info', 'twice');
    res.redirect('/flash');
  });
  routes.get('/flash', (req, res) => res.json(req.flash('info')));
  routes.get('/token', (req, res) => res.json(generateToken(req)));
  routes.post('/transfer', csrfSynchronisedProtection, (_req, res) => res.json('done'));
  return { use: [passport.initialize(), passport.session(), flash()], routes };
}

const failed = (error: Error & { status?: number; statusCode?: number }, res: Response): void =>
  void res.status(error.status ?? error.statusCode ?? 500).json({ message: error.message });

const apps: [string, () => Promise<Browser>][] = [
  [
    'Express with session() and a store of ours',
    async () => {
      const middleware = session({
        secret: 'companions',
        resave: false,
        saveUninitialized: false,
        store: new ClusterStore({ name: randomUUID() }),
      });
      const { use, routes } = companions();
      const app = express();
      app.use(middleware, ...use, routes);
      app.use((error: Error, _req: Request, res: Response, _next: NextFunction) => failed(error, res));
      return new Browser((await serveForTest(app, middleware)).url);
    },
  ],
  [
    'Nest with SessionModule',
    async () => {
      const { use, routes } = companions();

      @Controller()
      class Everything {
        @Get('{*path}')
        get(@Req() req: Request, @Res() res: Response, @Next() next: NextFunction): void {
          routes(req, res, next);
        }

        @Post('{*path}')
        post(@Req() req: Request, @Res() res: Response, @Next() next: NextFunction): void {
          routes(req, res, next);
        }
      }

      @Module({
        imports: [
          SessionModule.forRoot({ secret: 'companions', store: new ClusterStore({ name: randomUUID() }) }),
        ],
        controllers: [Everything],
      })
      class AppModule {}

      const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: false });
      app.use(app.get(SESSION_MIDDLEWARE), ...use);
      await app.listen(0, '127.0.0.1');
      onTestFinished(() => app.close());
      return new Browser(await app.getUrl());
    },
  ],
];

describe.each(apps)('%s', (_where, start) => {
  it('supports passport: login, current user and logout', async () => {
    const browser = await start();
    await browser.get('/basket/add');
    const before = (await browser.get('/id')).json<string>();

    expect((await browser.get('/login?name=ann')).json()).toEqual({ id: 1, name: 'ann' });
    expect((await browser.get('/me')).json()).toEqual({ id: 1, name: 'ann' });
    expect((await browser.get('/id')).json()).not.toBe(before);
    expect((await browser.get('/basket')).json(), 'the basket of the anonymous session').toBe(0);

    await browser.get('/basket/add');
    const holder = browser.clone();
    expect((await browser.get('/logout')).json()).toBe('out');
    expect((await browser.get('/me')).json()).toBeNull();
    expect((await browser.get('/basket')).json()).toBe(0);
    expect((await holder.get('/me')).json(), 'the session before the logout').toBeNull();
    expect((await browser.get('/login')).status).toBe(401);
  });

  it('supports passport with keepSessionInfo and redirects', async () => {
    const browser = await start();
    await browser.get('/basket/add');
    const before = (await browser.get('/id')).json<string>();
    await browser.get('/login/keep?name=ann');
    expect((await browser.get('/basket')).json()).toBe(1);
    expect((await browser.get('/id')).json()).not.toBe(before);
    await browser.get('/logout/keep');
    expect((await browser.get('/basket')).json()).toBe(1);
    expect((await browser.get('/me')).json()).toBeNull();

    expect((await browser.get('/login/redirect?name=bob')).headers.location).toBe('/me');
    expect((await browser.get('/me')).json()).toEqual({ id: 1, name: 'bob' });
    expect((await browser.clone().get('/login/redirect')).headers.location).toBe('/no');
  });

  it('supports connect-flash: messages are shown once, after a redirect', async () => {
    const browser = await start();
    expect((await browser.get('/flash/set')).status).toBe(302);
    expect((await browser.get('/flash')).json()).toEqual(['saved', 'twice']);
    expect((await browser.get('/flash')).json()).toEqual([]);
  });

  it('supports csrf-sync: only the token of the same session is accepted', async () => {
    const browser = await start();
    const token = (await browser.get('/token')).json<string>();
    const post = (from: Browser, headers = {}) => from.send('POST', '/transfer', { headers });
    expect((await post(browser, { 'x-csrf-token': token })).json()).toBe('done');
    expect((await post(browser)).status).toBe(403);
    const stranger = new Browser(browser.url);
    await stranger.get('/token');
    expect((await post(stranger, { 'x-csrf-token': token })).status).toBe(403);
  });
});
