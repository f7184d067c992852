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
import type { Answer, Browser } from './http/browser.js';

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

function tokenIn(answer: Answer): string {
  const token = answer.headers['x-auth-token'];
  if (typeof token !== 'string' || token === '') throw new Error('no token was issued');
  return token;
}

const withToken = (token: string): { headers: Record<string, string> } => ({
  headers: { 'x-auth-token': token },
});

describe('a header identity', () => {
  const only = { identities: [headerIdentity()] };

  it('issues its token in a header, takes it back there, and sends no cookie', async () => {
    const app = await serveApp(HANDLERS, only);
    const browser = app.browser();
    const login = await browser.get('/login');
    const token = tokenIn(login);
    expect(login.setCookies).toEqual([]);
    const home = await browser.get('/', withToken(token));
    expect(home.json()).toEqual({ user: 'ann', by: 'x-auth-token' });
    expect(home.headers['x-auth-token']).toBeUndefined();
    expect((await browser.get('/')).json()).toEqual({ user: null, by: 'x-auth-token' });
  });

  it('gives the new token after regenerate and rotate, and an empty header after destroy', async () => {
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

  it('is named by Vary in every answer, beside what the handler names there', async () => {
    const app = await serveApp(
      {
        ...HANDLERS,
        '/vary': (_session, _req, res) => void res.setHeader('Vary', 'Accept'),
        '/head': (_session, _req, res) => void res.writeHead(200, { Vary: 'X-AUTH-TOKEN' }).end('null'),
        '/any': (_session, _req, res) => void res.setHeader('Vary', '*'),
      },
      both,
    );
    const browser = app.browser();
    for (const [path, vary] of [
      ['/', 'x-auth-token'],
      ['/login', 'x-auth-token'],
      ['/vary', 'Accept, x-auth-token'],
      ['/head', 'X-AUTH-TOKEN'],
      ['/any', '*'],
    ] as const) {
      expect((await browser.get(path)).headers.vary).toBe(vary);
    }
  });

  it('keeps a session as long as its maxAge', async () => {
    const app = await serveApp(HANDLERS, { identities: [headerIdentity({ maxAge: 60_000 })] });
    const before = Date.now();
    tokenIn(await app.browser().get('/login'));
    const { expiresAt } = app.store.calls.find(({ operation }) => operation === 'create')!.record!;
    expect(expiresAt - before).toBeGreaterThanOrEqual(60_000);
    expect(expiresAt - Date.now()).toBeLessThanOrEqual(60_000);
  });
});

describe('of several identities', () => {
  it('the first gives new sessions their token, each takes its own back', async () => {
    const app = await serveApp(HANDLERS, both);
    const browser = app.browser();
    const login = await browser.get('/login');
    expect(login.setCookies).toHaveLength(1);
    expect(login.headers['x-auth-token']).toBeUndefined();
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', by: 'sid' });
    const token = browser.cookies.get('sid')!;
    expect((await app.browser().get('/', withToken(token))).json()).toEqual({
      user: 'ann',
      by: 'x-auth-token',
    });
  });

  it.each(['forged', '', 's:x.y'])(
    'one that is present with %j decides, and there is no falling back to another',
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
  ] as const)('a header listed %s a cookie decides, live or dead', async (_, identities) => {
    const app = await serveApp(HANDLERS, { identities });
    const login = async (as: string): Promise<string> => {
      const browser = app.browser();
      const answer = await browser.get(`/login?as=${as}`);
      return browser.cookies.get('sid') ?? tokenIn(answer);
    };
    const browser = app.browser();
    browser.cookies.set('sid', await login('ann'));
    const token = await login('ben');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', by: 'sid' });
    expect((await browser.get('/', withToken(token))).json()).toEqual({ user: 'ben', by: 'x-auth-token' });
    await app.browser().get('/logout', withToken(token));
    expect((await browser.get('/', withToken(token))).json()).toEqual({ user: null, by: 'x-auth-token' });
  });

  it('each is for its path and below', async () => {
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

  it('a path is that of the request, whether or not that names its host', async () => {
    const app = await serveApp(HANDLERS, { identities: [cookieIdentity({ name: 'admin', path: '/admin' })] });
    const cookiesOf = (path: string): Promise<string[] | undefined> =>
      new Promise((resolve, reject) => {
        request({ port: app.port, path, agent: false }, (res) => {
          res.resume();
          resolve(res.headers['set-cookie']);
        })
          .on('error', reject)
          .end();
      });
    for (const path of ['/admin/login', '/admin/login?as=x', 'http://any.example/admin/login'])
      expect(await cookiesOf(path)).toEqual([expect.stringMatching(/^admin=/)]);
    expect(await cookiesOf('/login')).toBeUndefined();
  });

  it('each is for its hosts', async () => {
    const app = await serveApp(HANDLERS, {
      identities: [
        cookieIdentity({ name: 'shop', host: ['shop.example', '*.shop.example'] }),
        cookieIdentity({ name: 'bank', host: 'BANK.example' }),
      ],
    });
    const ask = (host: string): Promise<number | string[] | undefined> =>
      new Promise((resolve, reject) => {
        request(`${app.url}/login`, { headers: { host }, agent: false }, (res) => {
          res.resume();
          resolve(res.headers['set-cookie']?.map((line) => line.split('=')[0]!) ?? res.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(await ask('shop.example')).toEqual(['shop']);
    expect(await ask('www.Shop.example:8080')).toEqual(['shop']);
    expect(await ask('bank.example')).toEqual(['bank']);
    // No session, so that the handler fails.
    expect(await ask('notshop.example')).toBe(500);
    expect(await ask('bank.example.evil.example')).toBe(500);
  });

  it('one of an app’s own reads, gives and removes as it likes', async () => {
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

  it('one that throws fails its request alone, through the error handlers', async () => {
    const failing: SessionIdentity = {
      ...headerIdentity(),
      get: () => {
        throw new RangeError('told to');
      },
    };
    const app = await serveApp(HANDLERS, { identities: [failing] });
    expect(await app.browser().get('/')).toMatchObject({ status: 500 });
  });
});

describe('several cookies of one name', () => {
  /** A client that holds the cookies of several sessions, oldest last, as after a change of path or domain. */
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

  it('four with a good signature are looked up at most, and the first live one is taken', async () => {
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
  });

  it.each(['/logout', '/regenerate'])('%s ends every live session that was presented', async (path) => {
    const app = await serveApp(HANDLERS);
    const { browser, tokens } = await holder(app, 3);
    await browser.get(path, withCookies(tokens));
    for (const token of tokens)
      expect((await browser.get('/', withCookies([token]))).json()).toMatchObject({ user: null });
  });

  it('the same one twice is one session, which is ended once', async () => {
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
    const answer = await browser.get('/step-up', withCookies([tokens[0]!, tokens[0]!]));
    expect(answer.status).toBe(200);
    expect((await browser.get('/')).json()).toMatchObject({ user: 'root' });
  });

  it('one whose secret is no longer good ends nothing', async () => {
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

describe('what an answer with a token says', () => {
  const own: Record<string, Handler> = {
    ...HANDLERS,
    '/login': (session, _req, res) => {
      res.setHeader('Cache-Control', 'public, max-age=60');
      session['user'] = 'ann';
    },
    '/page': (_session, _req, res) => void res.setHeader('Cache-Control', 'public, max-age=60'),
  };

  it('is that nobody may keep it; other answers are left as they are', async () => {
    const app = await serveApp(own);
    const browser = app.browser();
    expect((await browser.get('/login')).headers['cache-control']).toBe('no-store');
    const page = await browser.get('/page');
    expect(page.headers['cache-control']).toBe('public, max-age=60');
    expect([page.setCookies, page.headers.vary]).toEqual([[], undefined]);
    expect((await browser.get('/logout')).headers['cache-control']).toBe('no-store');
  });

  it('noStore: false leaves it to the handler, varyCookie: true says that answers depend on cookies', async () => {
    const app = await serveApp(own, { noStore: false, varyCookie: true });
    const browser = app.browser();
    const login = await browser.get('/login');
    expect([login.headers['cache-control'], login.headers.vary]).toEqual(['public, max-age=60', 'Cookie']);
    expect((await browser.get('/page')).headers.vary).toBe('Cookie');
  });
});

describe('a cookie for each request', () => {
  it('is what the function gives', async () => {
    const app = await serveApp(HANDLERS, {
      cookie: (req) => ({ maxAge: 60_000, sameSite: req.url!.includes('as=bob') ? 'strict' : 'none' }),
    });
    expect((await app.browser().get('/login')).setCookies[0]).toMatch(/SameSite=None/);
    expect((await app.browser().get('/login?as=bob')).setCookies[0]).toMatch(/SameSite=Strict/);
  });

  it('keeps what it does not say when it gets an age of its own', async () => {
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

  it('that nobody can have fails its request alone', async () => {
    const app = await serveApp(HANDLERS, { cookie: () => ({ path: 'nowhere' }) });
    const answer = await app.browser().get('/');
    expect([answer.status, answer.json()['message']]).toEqual([
      500,
      "cookie.path must be a path such as '/'",
    ]);
  });
});

describe('wrong identities', () => {
  const make = (options: object) => () =>
    sessionMiddleware({ secret: 's', store: new ClusterStore(), ...options });

  it.each<[string, () => unknown, RegExp]>([
    ['a name with a space', () => cookieIdentity({ name: 'a b' }), /^name must be a cookie name/],
    ['__Host- not always secure', () => cookieIdentity({ name: '__Host-sid' }), /write secure: true/],
    [
      '__Host- with a domain',
      () => cookieIdentity({ name: '__Host-sid', secure: true, domain: 'a.example' }),
      /without domain/,
    ],
    [
      '__Host- with a path',
      () => cookieIdentity({ name: '__host-sid', secure: true, path: '/a' }),
      /only with path: '\/'/,
    ],
    ['__Secure- not always secure', make({ name: '__Secure-sid' }), /write secure: true/],
    [
      'a host with a port',
      () => cookieIdentity({ host: 'a.example:80' }),
      /^host must be a name without a port/,
    ],
    [
      'a header that is cookies',
      () => headerIdentity({ name: 'Cookie' }),
      /^name must be the name of a header/,
    ],
    [
      'a header that has a scheme',
      () => headerIdentity({ name: 'Authorization' }),
      /^name must not be Authorization/,
    ],
    ['a path that is none', () => headerIdentity({ path: 'a' }), /path must be a path/],
    ['no identities', make({ identities: [] }), /at least one/],
    [
      'name beside identities',
      make({ name: 'a', identities: [cookieIdentity()] }),
      /write them as cookieIdentity/,
    ],
    ['an option of a header that is none', () => headerIdentity({ hots: 'a' } as never), /no option `hots`/],
    ['a name in the cookie', make({ cookie: { name: 'other' } }), /no attribute `name`/],
    ['half an identity', make({ identities: [{ name: 'a' }] }), /^an identity must be/],
    [
      'an option that is none',
      make({ maxage: 1 }),
      /^Unknown session option "maxage"\. Valid options: secret, store/,
    ],
    ['an attribute that is none', make({ cookie: { maxage: 1 } }), /^cookie has no attribute `maxage`/],
    ['a policy that is none', make({ onStoreError: 'ignore' }), /'fail', 'anonymous'/],
  ])('%s', (_, wrong, message) => {
    expect(wrong).toThrow(TypeError);
    expect(wrong).toThrow(message);
  });

  it('__Host- that is always secure, with the defaults, is right', () => {
    expect(() => cookieIdentity({ name: '__Host-sid', secure: true })).not.toThrow();
    expect(make({ name: '__Host-sid', cookie: () => ({ secure: true }) })).not.toThrow();
  });
});
