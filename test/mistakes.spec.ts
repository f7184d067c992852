import { Controller, Get, Post, type INestApplication, type ModuleMetadata } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import express, { type RequestHandler } from 'express';
import expressSession from 'express-session';
import { createSecretKey } from 'node:crypto';
import { Session, SessionModule, sessionMiddleware, type SessionModuleOptions } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from './eventually.js';
import { serveApp, type Handler } from './http/app.js';
import { Browser } from './http/browser.js';
import { serve } from './http/server.js';

// Common first-time mistakes, and the error or warning each one gives.

const secret = 'a secret of at least 32 characters';

@Controller()
class AccountController {
  @Post('login')
  async login(@Session() session: Session): Promise<void> {
    await session.regenerate();
    (session as unknown as Record<string, unknown>)['user'] = 'ann';
  }

  @Get('me')
  me(@Session('user') user?: string): { user: string | null } {
    return { user: user ?? null };
  }
}

let lines: string[];
const logger = {
  warn: (line: string) => void lines.push(line),
  error: (line: string) => void lines.push(line),
};
const opened: INestApplication[] = [];
let names = 0;

beforeEach(() => {
  lines = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const app of opened.splice(0)) await app.close();
});

/** A store that no other test shares. */
const aStore = (): ClusterStore => new ClusterStore({ name: `mistakes-${names++}` });
const options = (some: Partial<SessionModuleOptions> = {}): SessionModuleOptions => ({
  secret,
  logger,
  store: aStore(),
  ...some,
});

async function run(
  imports: ModuleMetadata['imports'],
  before: (app: INestApplication) => void = () => {},
): Promise<Browser> {
  const testing = await Test.createTestingModule({ imports, controllers: [AccountController] }).compile();
  const app = testing.createNestApplication({ logger: false });
  opened.push(app);
  before(app);
  await app.listen(0, '127.0.0.1');
  return new Browser(await app.getUrl());
}

describe('express-session that is still in main.ts', () => {
  const theirs = (): RequestHandler =>
    expressSession({ secret, resave: false, saveUninitialized: false }) as RequestHandler;

  it('fails every request, which is logged once with what to remove', async () => {
    const browser = await run([SessionModule.forRoot(options())], (app) => app.use(theirs()));
    for (let times = 0; times < 2; times++) {
      expect((await browser.post('/login')).status).toBe(500);
      expect((await browser.get('/me')).status).toBe(500);
    }
    expect(lines).toEqual([
      'Another session middleware ran before this one. Remove it, such as app.use(session(…)) of express-session in main.ts',
    ]);
  });

  it('fails a request through next() in plain Express', async () => {
    const app = express();
    const ours = sessionMiddleware({ secret, logger, store: aStore() });
    app.use(theirs(), ours as RequestHandler);
    app.use((error: Error, _req: unknown, res: express.Response, _next: unknown) => {
      res.status(500).send(error.message);
    });
    const server = await serve(app);
    onTestFinished(() => server.close());
    const response = await new Browser(server.url).get('/');
    expect(response.status).toBe(500);
    expect(response.text).toContain('Remove it, such as app.use(session(…))');
  });

  it('is never injected by @Session(), even on a route without a session of ours', async () => {
    const browser = await run([SessionModule.forRoot(options({ forRoutes: ['elsewhere'] }))], (app) =>
      app.use(theirs()),
    );
    expect((await browser.get('/me')).status).toBe(500);
  });
});

describe('two modules of ours', () => {
  it('can have separate paths, each with its own session', async () => {
    const browser = await run([
      SessionModule.forRoot(options({ forRoutes: ['login'], name: 'one' })),
      SessionModule.forRoot(options({ forRoutes: ['me'], name: 'other' })),
    ]);
    expect((await browser.post('/login')).status).toBe(201);
    expect((await browser.get('/me')).json()).toEqual({ user: null });
    expect(lines).toEqual([]);
  });

  it('for all paths are logged', async () => {
    await run([SessionModule.forRoot(options()), SessionModule.forRoot(options())]);
    expect(lines).toEqual([expect.stringContaining('SessionModule is imported twice for all paths')]);
  });
});

describe('options', () => {
  it('that are missing cause an error that says to call forRoot', async () => {
    await expect(run([SessionModule])).rejects.toThrow(
      'SessionModule is imported without options: write SessionModule.forRoot({ secret })',
    );
  });

  it('with an undefined secret cause an error that says to load .env first', async () => {
    await expect(run([SessionModule.forRoot({ secret: undefined as never })])).rejects.toThrow(
      /secret is required: .+ If it is in \.env, load that first: use forRootAsync with ConfigService/,
    );
  });

  it.each([
    ['a string', 'short', 1],
    ['bytes', Buffer.alloc(31), 1],
    ['a key', createSecretKey(Buffer.alloc(31)), 1],
    ['one of several', [secret, 'short'], 1],
    ['long enough', secret, 0],
    ['a key that is long enough', createSecretKey(Buffer.alloc(32)), 0],
  ])('with a short secret in production, as %s, are logged', async (_, given, times) => {
    vi.stubEnv('NODE_ENV', 'production');
    await run([SessionModule.forRoot(options({ secret: given }))]);
    expect(lines.filter((line) => line.includes('secret has fewer than 32 characters'))).toHaveLength(times);
  });

  it('without a store in production are logged, and are not elsewhere', async () => {
    for (const [environment, times] of [
      ['production', 1],
      ['development', 0],
    ] as const) {
      lines = [];
      vi.stubEnv('NODE_ENV', environment);
      await run([SessionModule.forRoot({ secret, logger })]);
      for (const app of opened.splice(0)) await app.close();
      expect(
        lines.filter((line) => line.includes('end with the process')),
        environment,
      ).toHaveLength(times);
    }
  });

  it('of two apps without a store in one process are logged, while both are open', async () => {
    await run([SessionModule.forRoot({ secret, logger })]);
    expect(lines).toEqual([]);
    await run([SessionModule.forRoot({ secret, logger })]);
    expect(lines).toEqual([expect.stringContaining("store: new ClusterStore({ name: 'admin' })")]);
    for (const app of opened.splice(0)) await app.close();
    lines = [];
    await run([SessionModule.forRoot({ secret, logger })]);
    expect(lines).toEqual([]);
  });
});

describe('a cookie for production', () => {
  const handlers: Record<string, Handler> = { '/login': (session) => void (session['user'] = 'ann') };

  it.each([
    ['localhost', 1],
    ['shop.localhost:3000', 1],
    ['127.0.0.1:8080', 1],
    ['[::1]', 1],
    ['example.com', 0],
    ['localhost.example.com', 0],
  ])('with Secure is sent over plain HTTP to %s: %i', async (host, times) => {
    const app = await serveApp(handlers, { name: '__Host-sid', cookie: { secure: true } });
    const response = await app.browser().get('/login', { headers: { host } });
    expect(response.setCookies).toHaveLength(times);
    expect(app.logged).toHaveLength(1 - times);
  });

  it.each([
    [{ sameSite: 'none' }, "sameSite: 'none'"],
    [{ partitioned: true }, 'partitioned: true'],
  ] as const)('with %o over plain HTTP is logged once', async (cookie, attribute) => {
    const app = await serveApp(handlers, { cookie });
    for (let times = 0; times < 2; times++) {
      expect((await app.browser().get('/login')).setCookies).toHaveLength(1);
    }
    expect(app.logged).toEqual([
      `cookie sid was sent with ${attribute} but without Secure, so browsers drop it. Use HTTPS; behind a proxy set Express's 'trust proxy'`,
    ]);
  });
});

describe("a cookie with secure: 'auto' behind a proxy that says HTTPS but is not trusted", () => {
  const handlers: Record<string, Handler> = { '/login': (session) => void (session['user'] = 'ann') };
  const headers = { 'x-forwarded-proto': 'https' };

  it('is sent without Secure, which is logged once', async () => {
    const app = await serveApp(handlers);
    for (let times = 0; times < 2; times++) {
      const { setCookies } = await app.browser().get('/login', { headers });
      expect(setCookies).toEqual([expect.not.stringContaining('Secure')]);
    }
    expect(app.logged).toEqual([expect.stringMatching(/without Secure\..+trust its proxy.+'trust proxy'/)]);
  });

  it.each([
    ['over plain HTTP', {}, {}],
    ['if secure is false on purpose', { cookie: { secure: false } }, headers],
  ])('is not logged %s', async (_, set, given) => {
    const app = await serveApp(handlers, set);
    await app.browser().get('/login', { headers: given });
    expect(app.logged).toEqual([]);
  });
});

describe('in development', () => {
  const handlers: Record<string, Handler> = {
    '/function': (session) => void (session['greet'] = () => 'hello'),
    '/map': (session) => void (session['cart'] = { items: new Map([['a', 1]]) }),
    '/plain': (session) => void (session['plain'] = { at: new Date(), list: [1], nothing: undefined }),
    '/late': (session, _req, res) => {
      session['early'] = true;
      res.json({});
      session['late'] = true;
    },
    '/later': async (session, _req, res) => {
      session['early'] = true;
      res.json({});
      await new Promise((resolve) => res.on('finish', () => setImmediate(resolve)));
      session['late'] = true;
    },
    '/saved': async (session, _req, res) => {
      res.json({});
      session['late'] = true;
      await session.save();
    },
  };

  it.each([
    ['/function', /session\["greet"\] holds a function, which JSON leaves out.*Store plain values/],
    ['/map', /session\["cart"\] holds a Map at "items", which JSON leaves out/],
    [
      '/late',
      /changed after its response was sent.*Change it before the response, or call session\.save\(\)/,
    ],
    ['/later', /changed after its response was sent/],
  ])('%s is logged once', async (path, message) => {
    vi.stubEnv('NODE_ENV', 'development');
    const app = await serveApp(handlers);
    const browser = app.browser();
    await browser.get(path);
    await browser.get(path);
    await eventually(() => expect(app.logged).toHaveLength(1));
    expect(app.logged[0]).toMatch(message);
    await browser.get(path);
    expect(app.logged).toHaveLength(1);
  });

  it.each(['/plain', '/saved'])('nothing is logged for %s', async (path) => {
    vi.stubEnv('NODE_ENV', '');
    const app = await serveApp(handlers);
    const browser = app.browser();
    await browser.get('/plain');
    await browser.get(path);
    // A mistake in another session shows that the check has run.
    await app.browser().get('/late');
    await eventually(() => expect(app.logged).toHaveLength(1));
    expect(app.logged[0]).toMatch(/changed after its response was sent/);
  });

  it.each(['production', 'test'])('only: nothing is logged if NODE_ENV is %s', async (environment) => {
    vi.stubEnv('NODE_ENV', environment);
    const app = await serveApp(handlers, { secret });
    const browser = app.browser();
    for (const path of ['/function', '/map', '/late']) await browser.get(path);
    await new Promise((resolve) => setImmediate(resolve));
    expect(app.logged).toEqual([]);
  });
});
