import express from 'express';
import { describe, expect, it } from 'vitest';
import { headerIdentity, sessionMiddleware, type SessionOptions } from 'nestjs-session-stores';
import session, { fromExpressStore } from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { loggedIn, serveApp, serveDropIn, type Handler, type TestApp } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serveForTest } from '../http/server.js';
import { fromOtherSite } from './requests.js';

const ran: string[] = [];
const login: Handler = async (own) => {
  await own.regenerate();
  own.user = 'ann';
  return { id: own.id };
};
const HANDLERS: Record<string, Handler> = {
  '/login': login,
  '/me': (own) => ({ user: own.user ?? null }),
  '/write': (own) => {
    ran.push('write');
    own.theme = 'dark';
    return { id: own.id };
  },
  '/save': async (own) => {
    own.theme = 'dark';
    await own.save();
    await own.reload();
    return { theme: own.theme };
  },
  '/values': async (own) => ({ sum: await own.add('count', 2), taken: await own.take('count') }),
  '/join': async (own) => {
    await own.joinGroup('all');
    return { ended: await own.joinGroup('devices', { max: 1, whenFull: 'reject' }) };
  },
  '/rotate': async (own) => {
    own.theme = 'dark';
    await own.save();
    await own.rotate({ grace: 0 });
  },
  '/logout': (own) => own.destroy(),
};
/** Logs in by any request. */
const loginAnywhere: express.RequestHandler = (req, res) => {
  Object.assign(req.session, { user: 'ann' });
  res.json({});
};
const userOf = async (browser: Browser): Promise<unknown> =>
  (await browser.get('/me')).json<{ user: unknown }>().user;
const reject: Partial<SessionOptions> = { crossSite: 'reject' };

describe("an app with crossSite: 'reject'", () => {
  it('rejects an unsafe cross-site request with a session cookie, before its handler and without a touch', async () => {
    const app = await serveApp(HANDLERS, { ...reject, touchAfter: 0 });
    const browser = await loggedIn(app);
    ran.length = 0;
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      app.store.take();
      const response = await fromOtherSite(browser, '/write', { method });
      expect(response.status, method).toBe(403);
      expect(response.json()).toMatchObject({ error: 'CrossSiteError' });
      expect(response.setCookies).toEqual([]);
      expect(app.store.take(), method).toEqual(['read']);
    }
    expect(ran).toEqual([]);
    expect(await userOf(browser)).toBe('ann');
  });

  it.each(['GET', 'HEAD', 'OPTIONS', 'TRACE'])('serves a cross-site %s with the session', async (method) => {
    const app = await serveApp(HANDLERS, reject);
    const browser = await loggedIn(app);
    const response = await fromOtherSite(browser, '/me', { method });
    expect(response.status).toBe(200);
    if (method === 'GET') expect(response.json()).toEqual({ user: 'ann' });
  });

  it.each([
    {
      case: 'another origin, without Sec-Fetch-Site',
      headers: { origin: 'https://evil.example' },
      status: 403,
    },
    { case: 'the origin null', headers: { origin: 'null' }, status: 403 },
    { case: 'a sibling by its Origin alone', headers: { origin: 'http://b.127.0.0.1' }, status: 403 },
    { case: 'neither header', headers: {}, status: 200 },
    { case: 'Sec-Fetch-Site: same-origin', headers: { 'sec-fetch-site': 'same-origin' }, status: 200 },
    { case: 'Sec-Fetch-Site: same-site', headers: { 'sec-fetch-site': 'same-site' }, status: 200 },
    { case: 'Sec-Fetch-Site: none', headers: { 'sec-fetch-site': 'none' }, status: 200 },
  ])('responds with $status to a POST with $case', async ({ headers, status }) => {
    const app = await serveApp(HANDLERS, reject);
    const browser = await loggedIn(app);
    expect(
      (await browser.send('POST', '/write', { headers: headers as Record<string, string> })).status,
    ).toBe(status);
  });

  it('serves a POST from its own origin and from those in `origins`', async () => {
    const app = await serveApp(HANDLERS, { ...reject, origins: ['https://app.example.com'] });
    const browser = await loggedIn(app);
    for (const headers of <Record<string, string>[]>[
      { origin: app.url },
      { origin: 'https://app.example.com' },
      { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' },
    ])
      expect((await browser.send('POST', '/write', { headers })).status, JSON.stringify(headers)).toBe(200);
    expect(app.logged).toEqual([]);
  });

  it('serves a request that a header has authenticated', async () => {
    const app = await serveApp(HANDLERS, { ...reject, identities: [headerIdentity()] });
    const { headers } = await app.browser().get('/login');
    const token = String(headers['x-auth-token']);
    const response = await fromOtherSite(app.browser(), '/write', { headers: { 'x-auth-token': token } });
    expect(response.status).toBe(200);
  });

  it('isolates a cross-site request without a session, and one whose session has ended', async () => {
    const app = await serveApp(HANDLERS, reject);
    const browser = await loggedIn(app);
    const stale = browser.clone();
    await browser.post('/logout');
    for (const one of [app.browser(), stale]) {
      const response = await fromOtherSite(one, '/login');
      expect(response.status).toBe(200);
      expect(response.setCookies).toEqual([]);
    }
    expect(await app.store.count()).toBe(0);
  });

  it('logs each pair of origin and host once, with what to do', async () => {
    const app = await serveApp(HANDLERS, reject);
    const browser = await loggedIn(app);
    for (let times = 0; times < 3; times++) await fromOtherSite(browser, '/write?code=secret');
    expect(app.logged).toEqual([
      expect.stringContaining('"POST" request from the origin "https://evil.example"'),
    ]);
    expect(app.logged[0]).toMatch(/list it: origins: .*@AllowCrossSite\(\)/);
    expect(app.logged[0]).not.toContain('secret');
  });

  it('knows its host from a proxy that Express trusts, and only then', async () => {
    for (const [trust, status] of [
      [true, 200],
      [false, 403],
    ] as const) {
      const store = new ClusterStore({ name: `proxied-${String(trust)}` });
      const app = express();
      app.set('trust proxy', trust);
      const middleware = sessionMiddleware({ secret: 'app', store, ...reject, logger: silent });
      app.use(middleware as express.RequestHandler);
      app.use(loginAnywhere);
      const browser = new Browser((await serveForTest(app, middleware)).url);
      await browser.get('/');
      const headers = {
        origin: 'https://app.example.com:8443',
        'x-forwarded-host': 'app.example.com:8443',
        'x-forwarded-proto': 'https',
      };
      expect((await browser.send('POST', '/', { headers })).status).toBe(status);
    }
  });

  it("serves without a session while the store is down, with onStoreError: 'anonymous'", async () => {
    const app = await serveApp(HANDLERS, { ...reject, onStoreError: 'anonymous' });
    const browser = await loggedIn(app);
    app.store.failing = ['read'];
    const response = await fromOtherSite(browser, '/me');
    expect(response.status).toBe(200);
    expect(response.json()).toEqual({ user: null });
  });

  it('leaves one path to a middleware of its own, which is mounted before', async () => {
    const store = new ClusterStore({ name: 'callback' });
    const [callback, others] = (['allow', 'reject'] as const).map((crossSite) =>
      sessionMiddleware({ secret: 'app', store, crossSite, logger: silent }),
    );
    const app = express();
    app.use('/saml/acs', callback as express.RequestHandler);
    app.use(others as express.RequestHandler);
    app.use(loginAnywhere);
    const browser = new Browser((await serveForTest(app, others!)).url);
    expect((await fromOtherSite(browser, '/saml/acs')).setCookies).toHaveLength(1);
    expect((await fromOtherSite(browser, '/saml/acs')).status).toBe(200);
  });
});

describe("an app with crossSite: 'isolate'", () => {
  const isolate: Partial<SessionOptions> = { crossSite: 'isolate' };

  const countAfter = async (app: TestApp, path: string, browser = app.browser()) => {
    const response = await fromOtherSite(browser, path);
    return { status: response.status, setCookies: response.setCookies, stored: await app.store.count() };
  };

  it.each(['/login', '/write', '/save', '/values', '/join', '/rotate', '/logout'])(
    'serves a cross-site POST %s without a session, and tells its client and the store nothing',
    async (path) => {
      const app = await serveApp(HANDLERS, isolate);
      expect(await countAfter(app, path)).toEqual({ status: 200, setCookies: [], stored: 0 });
    },
  );

  it('gives the handler a session that works for as long as the request', async () => {
    const app = await serveApp(HANDLERS, isolate);
    const browser = app.browser();
    const { id } = (await fromOtherSite(browser, '/write')).json<{ id: string }>();
    expect(id).toMatch(/^[\w-]{32}$/);
    expect((await fromOtherSite(browser, '/save')).json()).toEqual({ theme: 'dark' });
    expect((await fromOtherSite(browser, '/values')).json()).toEqual({ sum: 2, taken: 2 });
  });

  it('takes no place in a group with a limit', async () => {
    const app = await serveApp(HANDLERS, isolate);
    const browser = app.browser();
    expect((await browser.post('/join')).json()).toEqual({ ended: [] });
    expect((await fromOtherSite(app.browser(), '/join')).json()).toEqual({ ended: [] });
    expect(await app.store.count('devices')).toBe(1);
  });

  it('keeps the session of a user whose Lax cookie the browser has not sent', async () => {
    const app = await serveApp(HANDLERS, isolate);
    const browser = await loggedIn(app);
    const withoutCookie = new Browser(app.url);
    const { setCookies } = await fromOtherSite(withoutCookie, '/login');
    expect(setCookies).toEqual([]);
    expect(await userOf(browser)).toBe('ann');
    expect(app.logged).toEqual([expect.stringContaining('began a session, which its client does not get')]);
  });

  it('serves a cross-site POST with a cookie as any other', async () => {
    const app = await serveApp(HANDLERS, isolate);
    const browser = await loggedIn(app);
    expect((await fromOtherSite(browser, '/write')).status).toBe(200);
    expect(await app.store.count()).toBe(1);
  });

  it('gives a session to a request of its own pages, of listed ones, and of other programs', async () => {
    const app = await serveApp(HANDLERS, { ...isolate, origins: ['https://app.example.com'] });
    for (const headers of <Record<string, string>[]>[
      {},
      { origin: app.url },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'cross-site', origin: 'https://app.example.com' },
    ])
      expect((await app.browser().send('POST', '/login', { headers })).setCookies).toHaveLength(1);
  });

  it('gives a header token to a cross-site request: a client replaces that itself', async () => {
    const app = await serveApp(HANDLERS, { ...isolate, identities: [headerIdentity()] });
    expect((await fromOtherSite(app.browser(), '/login')).headers).toHaveProperty('x-auth-token');
  });
});

it('without the option a cross-site POST is served, and its session reaches the client', async () => {
  const app = await serveApp(HANDLERS);
  const browser = await loggedIn(app);
  expect((await fromOtherSite(browser, '/write')).status).toBe(200);
  expect((await fromOtherSite(app.browser(), '/login')).setCookies).toHaveLength(1);
});

describe('the drop-in', () => {
  it('has the option too, with a store of this package', async () => {
    const app = await serveDropIn(HANDLERS, { crossSite: 'reject' });
    const browser = await loggedIn(app);
    expect((await fromOtherSite(browser, '/write')).status).toBe(403);
    expect((await fromOtherSite(app.browser(), '/login')).setCookies).toEqual([]);
  });

  it('isolates on a store for express-session, whose sessions have no secrets', async () => {
    const store = fromExpressStore(new session.MemoryStore());
    const app = await serveDropIn(HANDLERS, { crossSite: 'isolate', store });
    expect((await fromOtherSite(app.browser(), '/save')).json()).toEqual({ theme: 'dark' });
    expect(await app.store.count()).toBe(0);
  });
});

describe('the options', () => {
  const make = (options: object) => () =>
    sessionMiddleware({ secret: 'app', store: new ClusterStore(), ...options } as SessionOptions);

  it('are checked', () => {
    expect(make({ crossSite: true })).toThrow("crossSite must be one of 'allow', 'isolate', 'reject'");
    expect(make({ origins: ['https://app.example.com'] })).toThrow('origins needs crossSite');
    expect(make({ crossSite: 'reject', origins: ['app.example.com'] })).toThrow('is not an origin');
    expect(make({ crossSite: 'reject', origins: 'https://app.example.com' })).toThrow(
      'origins must be a list',
    );
  });
});

const silent = { warn() {}, error() {} };
