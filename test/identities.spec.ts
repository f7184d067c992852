import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  cookieIdentity,
  headerIdentity,
  sessionMiddleware,
  type SessionIdentity,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { serveApp, type Handler, type TestApp } from './http/app.js';
import type { ReceivedResponse, Browser } from './http/browser.js';

const HANDLERS: Record<string, Handler> = {
  '/': (session) => ({ user: (session['user'] as string) ?? null, by: session.identity }),
  '/login': (session, req) => void (session['user'] = (req.query as { as?: string }).as ?? 'ann'),
  '/admin': (session) => ({ user: (session['user'] as string) ?? null, by: session.identity }),
  '/admin/login': (session) => void (session['user'] = 'root'),
  '/logout': (session) => session.destroy(),
  '/regenerate': (session) => session.regenerate(),
  '/rotate': (session) => session.rotate({ grace: 0 }),
};

const both = { identities: [cookieIdentity(), headerIdentity()] };

function tokenIn(response: ReceivedResponse): string {
  const token = response.headers['x-auth-token'];
  if (typeof token !== 'string' || token === '') throw new Error('no token was issued');
  return token;
}

const withToken = (token: string): { headers: Record<string, string> } => ({
  headers: { 'x-auth-token': token },
});

describe('a header identity', () => {
  const only = { identities: [headerIdentity()] };

  it('issues its token in a header, accepts it there, and sends no cookie', async () => {
    const app = await serveApp(HANDLERS, only);
    const browser = app.browser();
    const login = await browser.get('/login');
    const token = tokenIn(login);
    expect(login.setCookies).toEqual([]);
    const home = await browser.get('/', withToken(token));
    expect(home.json()).toEqual({ user: 'ann', by: 'x-auth-token' });
    expect(home.headers).not.toHaveProperty('x-auth-token');
    expect((await browser.get('/')).json()).toEqual({ user: null, by: 'x-auth-token' });
  });

  it('sends the new token after rotate, and an empty header after destroy', async () => {
    const app = await serveApp(HANDLERS, only);
    const browser = app.browser();
    const first = tokenIn(await browser.get('/login'));
    const second = tokenIn(await browser.get('/rotate', withToken(first)));
    expect(second).not.toBe(first);
    expect((await browser.get('/', withToken(second))).json()).toMatchObject({ user: 'ann' });
    expect((await browser.get('/', withToken(first))).json()).toMatchObject({ user: null });
    const out = await browser.get('/logout', withToken(second));
    expect(out.headers['x-auth-token']).toBe('');
    expect(out.setCookies).toEqual([]);
    expect((await browser.get('/', withToken(second))).json()).toMatchObject({ user: null });
  });

  it.each([
    ['/', 'x-auth-token'],
    ['/login', 'x-auth-token'],
    ['/vary', 'Accept, x-auth-token'],
    ['/head', 'X-AUTH-TOKEN'],
    ['/any', '*'],
  ])('is in Vary, next to the names that the handler sets: %s has Vary: %s', async (path, vary) => {
    const app = await serveApp(
      {
        ...HANDLERS,
        '/vary': (_session, _req, res) => void res.setHeader('Vary', 'Accept'),
        '/head': (_session, _req, res) => void res.writeHead(200, { Vary: 'X-AUTH-TOKEN' }).end('null'),
        '/any': (_session, _req, res) => void res.setHeader('Vary', '*'),
      },
      both,
    );
    expect((await app.browser().get(path)).headers.vary).toBe(vary);
  });

  it('sets the lifetime of sessions to its maxAge', async () => {
    const app = await serveApp(HANDLERS, { identities: [headerIdentity({ maxAge: 60_000 })] });
    const before = Date.now();
    tokenIn(await app.browser().get('/login'));
    const { expiresAt } = app.store.calls.find(({ operation }) => operation === 'create')!.record!;
    expect(expiresAt - before).toBeGreaterThanOrEqual(60_000);
    expect(expiresAt - Date.now()).toBeLessThanOrEqual(60_000);
  });
});

describe('of several identities', () => {
  it('the first issues the tokens of new sessions, and each accepts tokens', async () => {
    const app = await serveApp(HANDLERS, both);
    const browser = app.browser();
    const login = await browser.get('/login');
    expect(login.setCookies).toHaveLength(1);
    expect(login.headers).not.toHaveProperty('x-auth-token');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', by: 'sid' });
    const token = browser.cookies.get('sid')!;
    expect((await app.browser().get('/', withToken(token))).json()).toEqual({
      user: 'ann',
      by: 'x-auth-token',
    });
  });

  it.each(['forged', '', 's:x.y'])(
    'a header with the invalid token %j is used, without falling back to a cookie',
    async (dead) => {
      const app = await serveApp(HANDLERS, { identities: [headerIdentity(), cookieIdentity()] });
      const browser = app.browser();
      const token = tokenIn(await browser.get('/login'));
      browser.cookies.set('sid', token);
      expect((await browser.get('/')).json()).toEqual({ user: 'ann', by: 'sid' });
      expect((await browser.get('/', withToken(dead))).json()).toEqual({ user: null, by: 'x-auth-token' });
    },
  );

  it.each([
    ['before', [headerIdentity(), cookieIdentity()]],
    ['after', [cookieIdentity(), headerIdentity()]],
  ] as const)(
    'a header listed %s a cookie takes precedence, even for a dead session',
    async (_, identities) => {
      const app = await serveApp(HANDLERS, { identities });
      const login = async (as: string): Promise<string> => {
        const browser = app.browser();
        const response = await browser.get(`/login?as=${as}`);
        return browser.cookies.get('sid') ?? tokenIn(response);
      };
      const browser = app.browser();
      browser.cookies.set('sid', await login('ann'));
      const token = await login('ben');
      expect((await browser.get('/')).json()).toEqual({ user: 'ann', by: 'sid' });
      expect((await browser.get('/', withToken(token))).json()).toEqual({ user: 'ben', by: 'x-auth-token' });
      await app.browser().get('/logout', withToken(token));
      expect((await browser.get('/', withToken(token))).json()).toEqual({ user: null, by: 'x-auth-token' });
    },
  );

  it('each applies to its path and the paths below', async () => {
    const app = await serveApp(HANDLERS, {
      identities: [cookieIdentity({ name: 'admin', path: '/admin' }), cookieIdentity()],
    });
    const browser = app.browser();
    await browser.get('/admin/login');
    await browser.get('/login');
    expect([...browser.cookies.keys()]).toEqual(['admin', 'sid']);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', by: 'sid' });
    expect((await browser.get('/admin')).json()).toEqual({ user: 'root', by: 'admin' });
  });

  interface Outcome {
    status: number;
    /** The names of the cookies that were set. */
    cookies: string[];
  }

  const requestTo = (options: { port: number; path: string; host?: string }): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      const { port, path, host = 'any.example' } = options;
      request({ port, path, headers: { host }, agent: false }, (res) => {
        res.resume();
        const cookies = (res.headers['set-cookie'] ?? []).map((line) => line.split('=')[0]!);
        resolve({ status: res.statusCode!, cookies });
      })
        .on('error', reject)
        .end();
    });
  /** The handler fails because there is no session. */
  const withoutSession: Outcome = { status: 500, cookies: [] };

  it.each<[string, Outcome]>([
    ['/admin/login', { status: 200, cookies: ['admin'] }],
    ['/admin/login?as=x', { status: 200, cookies: ['admin'] }],
    ['http://any.example/admin/login', { status: 200, cookies: ['admin'] }],
    ['/login', withoutSession],
  ])(
    'each is matched by the path of the request target, with or without a host: %s',
    async (path, outcome) => {
      const app = await serveApp(HANDLERS, {
        identities: [cookieIdentity({ name: 'admin', path: '/admin' })],
      });
      expect(await requestTo({ port: app.port, path })).toEqual(outcome);
    },
  );

  it.each<[string, Outcome]>([
    ['shop.example', { status: 200, cookies: ['shop'] }],
    ['www.Shop.example:8080', { status: 200, cookies: ['shop'] }],
    ['bank.example', { status: 200, cookies: ['bank'] }],
    ['notshop.example', withoutSession],
    ['bank.example.evil.example', withoutSession],
  ])('each applies only to its hosts: %s', async (host, outcome) => {
    const app = await serveApp(HANDLERS, {
      identities: [
        cookieIdentity({ name: 'shop', host: ['shop.example', '*.shop.example'] }),
        cookieIdentity({ name: 'bank', host: 'BANK.example' }),
      ],
    });
    expect(await requestTo({ port: app.port, path: '/login', host })).toEqual(outcome);
  });

  it('a custom one reads, sets and removes its token in its own way', async () => {
    const query: SessionIdentity = {
      name: 'query',
      header: 'x-own',
      get: (req) => {
        const own = req.headers['x-own'];
        return own === undefined ? undefined : String(own).split(' ');
      },
      set: (res, token, { expiresAt }) => void res.setHeader('x-own', `${token} ${expiresAt}`),
      remove: (res) => void res.setHeader('x-own', 'gone'),
    };
    const app = await serveApp(HANDLERS, { identities: [query] });
    const browser = app.browser();
    const [token] = String((await browser.get('/login')).headers['x-own']).split(' ');
    const own = { headers: { 'x-own': `nonsense ${token!}` } };
    expect((await browser.get('/', own)).json()).toEqual({ user: 'ann', by: 'query' });
    expect((await browser.get('/logout', own)).headers['x-own']).toBe('gone');
  });

  it('one that throws fails the request through the error handlers', async () => {
    const failing: SessionIdentity = {
      ...headerIdentity(),
      get: () => {
        throw new RangeError('intended');
      },
    };
    const app = await serveApp(HANDLERS, { identities: [failing] });
    expect(await app.browser().get('/')).toMatchObject({ status: 500 });
  });
});

describe('several cookies with the same name', () => {
  /** A client with the cookies of several sessions, as after a change of path or domain. */
  async function holder(app: TestApp, count: number): Promise<{ browser: Browser; tokens: string[] }> {
    const tokens: string[] = [];
    for (let index = 0; index < count; index++) {
      const browser = app.browser();
      await browser.get(`/login?as=user-${index}`);
      tokens.push(browser.cookies.get('sid')!);
    }
    return { browser: app.browser(), tokens };
  }
  const withCookies = (tokens: readonly string[]): { headers: Record<string, string> } => ({
    headers: { cookie: tokens.map((token) => `sid=${token}`).join('; ') },
  });

  it('are looked up until one has a live session, at most four with a valid signature', async () => {
    const app = await serveApp(HANDLERS);
    const { browser, tokens } = await holder(app, 6);
    const forged = Array.from({ length: 20 }, (_, index) => `s%3Aforged${index}.signature`);
    for (const token of tokens.slice(0, 3)) await browser.get('/logout', withCookies([token]));
    app.store.take();
    expect((await browser.get('/', withCookies([...forged, ...tokens]))).json()).toMatchObject({
      user: 'user-3',
    });
    expect(app.store.take()).toEqual(['read', 'read', 'read', 'read']);
    await browser.get('/logout', withCookies([tokens[3]!]));
    app.store.take();
    expect((await browser.get('/', withCookies(tokens))).json()).toMatchObject({ user: null });
    expect(app.store.take()).toEqual(['read', 'read', 'read', 'read']);
    expect(app.logged).toEqual([expect.stringContaining('presented 6 tokens with a valid signature')]);
  });

  it('are found behind hundreds of malformed ones, and behind at most 49 with a wrong signature', async () => {
    const app = await serveApp(HANDLERS);
    const { browser, tokens } = await holder(app, 1);
    const wrong = (count: number) => Array.from({ length: count }, (_, at) => `s:${at}.${'x'.repeat(43)}`);
    const junk = ['s:', '.', `${'x'.repeat(43)}`, 'j:{}', `s:${'y'.repeat(44)}`];
    const many = Array.from({ length: 500 }, (_, at) => junk[at % 2]!);
    const userWith = async (texts: string[]): Promise<unknown> =>
      (await browser.get('/', withCookies(texts))).json()['user'];
    expect(await userWith([...many, ...junk, ...tokens])).toBe('user-0');
    expect(await userWith([...wrong(49), ...tokens])).toBe('user-0');
    expect(await userWith([...wrong(50), ...tokens])).toBeNull();
  });

  it.each(['/logout', '/regenerate'])(
    'have all of their sessions destroyed by %s, even if the first four have ended',
    async (path) => {
      const app = await serveApp(HANDLERS);
      const { browser, tokens } = await holder(app, 8);
      for (const token of tokens.slice(0, 4)) await browser.get('/logout', withCookies([token]));
      await browser.get(path, withCookies(tokens));
      for (const token of tokens)
        expect((await browser.get('/', withCookies([token]))).json()).toMatchObject({ user: null });
    },
  );

  it.each([
    ['are read', 'a tab and a space', '\t ', 'user-0'],
    ['are not read', 'a no-break space, which browsers take as a part of the name', '\xA0', null],
  ])('%s behind %s', async (_, __, blank, user) => {
    const app = await serveApp(HANDLERS);
    const { browser, tokens } = await holder(app, 1);
    const headers = { cookie: `a=1;${blank}sid=${tokens[0]}` };
    expect((await browser.get('/', { headers })).json()).toMatchObject({ user });
  });

  it.each(['/logout', '/regenerate'])('have all of their sessions destroyed by %s', async (path) => {
    const app = await serveApp(HANDLERS);
    const { browser, tokens } = await holder(app, 3);
    await browser.get(path, withCookies(tokens));
    for (const token of tokens)
      expect((await browser.get('/', withCookies([token]))).json()).toMatchObject({ user: null });
  });

  it('that are equal belong to one session, which is regenerated once', async () => {
    const app = await serveApp({
      ...HANDLERS,
      '/join': (session) => session.joinGroup('g'),
      '/step-up': async (session) => {
        await session.regenerate();
        session['user'] = 'root';
      },
    });
    const { browser, tokens } = await holder(app, 1);
    await browser.get('/join', withCookies(tokens));
    const response = await browser.get('/step-up', withCookies([tokens[0]!, tokens[0]!]));
    expect(response.status).toBe(200);
    expect((await browser.get('/')).json()).toMatchObject({ user: 'root' });
    expect(app.store.take().filter((operation) => operation === 'regenerate')).toHaveLength(1);
  });

  it('leave a session alone if their secret is no longer valid', async () => {
    const app = await serveApp(HANDLERS);
    const { browser, tokens } = await holder(app, 2);
    const [mine, stale] = tokens as [string, string];
    const rotated = app.browser();
    rotated.cookies.set('sid', stale);
    await rotated.get('/rotate');
    await browser.get('/logout', withCookies([mine, stale]));
    expect((await rotated.get('/')).json()).toMatchObject({ user: 'user-1' });
  });
});

describe('a response with a token', () => {
  const own: Record<string, Handler> = {
    ...HANDLERS,
    '/login': (session, _req, res) => {
      res.setHeader('Cache-Control', 'public, max-age=60');
      session['user'] = 'ann';
    },
    '/page': (_session, _req, res) => void res.setHeader('Cache-Control', 'public, max-age=60'),
  };

  it('has Cache-Control: no-store, and other responses are left unchanged', async () => {
    const app = await serveApp(own);
    const browser = app.browser();
    expect((await browser.get('/login')).headers['cache-control']).toBe('no-store');
    const page = await browser.get('/page');
    expect(page.headers['cache-control']).toBe('public, max-age=60');
    expect(page.setCookies).toEqual([]);
    expect(page.headers).not.toHaveProperty('vary');
    expect((await browser.get('/logout')).headers['cache-control']).toBe('no-store');
  });

  it('keeps the Cache-Control of the handler with noStore: false, and has Vary: Cookie with varyCookie: true', async () => {
    const app = await serveApp(own, { noStore: false, varyCookie: true });
    const browser = app.browser();
    const login = await browser.get('/login');
    expect(login.headers).toMatchObject({ 'cache-control': 'public, max-age=60', vary: 'Cookie' });
    expect((await browser.get('/page')).headers.vary).toBe('Cookie');
  });
});

describe('cookie attributes that depend on the request', () => {
  it('come from a cookie function', async () => {
    const app = await serveApp(HANDLERS, {
      cookie: (req) => ({ maxAge: 60_000, sameSite: req.url!.includes('as=bob') ? 'strict' : 'none' }),
    });
    expect((await app.browser().get('/login')).setCookies[0]).toMatch(/SameSite=None/);
    expect((await app.browser().get('/login?as=bob')).setCookies[0]).toMatch(/SameSite=Strict/);
  });

  it('still come from the cookie function after a session sets its own maxAge', async () => {
    const app = await serveApp(
      { ...HANDLERS, '/remember': (session) => void (session.cookie.maxAge = 60_000) },
      { cookie: () => ({ sameSite: 'strict', httpOnly: false }) },
    );
    const browser = app.browser();
    await browser.get('/login');
    const [cookie] = (await browser.get('/remember')).setCookies;
    expect(cookie).toMatch(/SameSite=Strict/);
    expect(cookie).not.toMatch(/HttpOnly/);
  });

  it('fail the request if they are invalid', async () => {
    const app = await serveApp(HANDLERS, { cookie: () => ({ path: 'nowhere' }) });
    const response = await app.browser().get('/');
    expect(response.status).toBe(500);
    expect(response.json()['message']).toBe("cookie.path must be a path: write one such as '/'");
  });
});

describe('the options of identities and cookies', () => {
  const make = (options: object) => () =>
    sessionMiddleware({ secret: 's', store: new ClusterStore(), ...options });

  it.each<[string, () => unknown, RegExp]>([
    ['a name with a space', () => cookieIdentity({ name: 'a b' }), /^name must be a cookie name/],
    [
      'a __Host- cookie that is not always secure',
      () => cookieIdentity({ name: '__Host-sid' }),
      /write secure: true/,
    ],
    [
      'a __Host- cookie with a domain',
      () => cookieIdentity({ name: '__Host-sid', secure: true, domain: 'a.example' }),
      /domain absent/,
    ],
    [
      'a __Host- cookie with a path',
      () => cookieIdentity({ name: '__host-sid', secure: true, path: '/a' }),
      /^path must be '\/'/,
    ],
    ['a __Secure- cookie that is not always secure', make({ name: '__Secure-sid' }), /write secure: true/],
    [
      'a host with a port',
      () => cookieIdentity({ host: 'a.example:80' }),
      /^host must be a name without a port/,
    ],
    ['the header Cookie', () => headerIdentity({ name: 'Cookie' }), /^name must be the name of a header/],
    [
      'the header Authorization',
      () => headerIdentity({ name: 'Authorization' }),
      /^name must not be Authorization/,
    ],
    ['an invalid path', () => headerIdentity({ path: 'a' }), /path must be a path/],
    ['an empty list of identities', make({ identities: [] }), /at least one/],
    [
      'name together with identities',
      make({ name: 'a', identities: [cookieIdentity()] }),
      /write them as cookieIdentity/,
    ],
    [
      'an unknown option of headerIdentity',
      () => headerIdentity({ hots: 'a' } as never),
      /^Unknown headerIdentity option "hots"/,
    ],
    ['a name in cookie', make({ cookie: { name: 'other' } }), /^Unknown cookie attribute "name"/],
    ['an incomplete identity', make({ identities: [{ name: 'a' }] }), /^an identity must be/],
    [
      'an unknown option',
      make({ maxage: 1 }),
      /^Unknown session option "maxage"\. Valid options: secret, store/,
    ],
    ['an unknown cookie attribute', make({ cookie: { maxage: 1 } }), /^Unknown cookie attribute "maxage"/],
    ['an unknown onStoreError', make({ onStoreError: 'ignore' }), /'fail', 'anonymous'/],
  ])('reject %s with a TypeError', (_, wrong, message) => {
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow(message);
  });

  it('accept a __Host- cookie that is always secure and otherwise has the defaults', () => {
    expect(() => cookieIdentity({ name: '__Host-sid', secure: true })).not.toThrow();
    expect(make({ name: '__Host-sid', cookie: () => ({ secure: true }) })).not.toThrow();
  });
});
