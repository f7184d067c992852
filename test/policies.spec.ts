import { describe, expect, it } from 'vitest';
import { eventually } from './eventually.js';
import { serveApp, tokenOf, type Handler } from './http/app.js';

const HANDLERS: Record<string, Handler> = {
  '/': (session) => ({ user: (session['user'] as string) ?? null }),
  '/login': (session) => void (session['user'] = 'ann'),
  '/rotate': (session) => session.rotate({ grace: 0 }),
  '/touch': (session) => session.touch(),
};

describe("onStoreError: 'anonymous', while the store cannot be read", () => {
  const handlers: Record<string, Handler> = {
    ...HANDLERS,
    '/change': (session) => void (session['user'] = 'eve'),
    '/age': (session) => void (session.cookie.maxAge = 1000),
    '/save': (session) => session.save(),
    '/destroy': (session) => session.destroy(),
    '/regenerate': (session) => session.regenerate(),
    '/reload': (session) => session.reload(),
    '/join': (session) => session.joinGroup('g'),
    '/leave': (session) => session.leaveGroup('g'),
    '/caught': (session) =>
      session.destroy().then(
        () => ({ out: true }),
        (error: Error) => ({ out: false, error: error.name }),
      ),
  };
  const options = { onStoreError: 'anonymous', rolling: true } as const;

  it('a handler that only reads is served with an empty session, without further store calls or a cookie', async () => {
    const app = await serveApp(handlers, options);
    const browser = app.browser();
    await browser.get('/login');
    const token = browser.cookies.get('sid');
    app.store.failing = true;
    for (const path of ['/', '/touch']) {
      app.store.take();
      const response = await browser.get(path);
      expect(response, path).toMatchObject({ status: 200, setCookies: [] });
      expect(response.headers, path).not.toHaveProperty('cache-control');
      expect(app.store.take(), path).toEqual(['read']);
    }
    expect((await browser.get('/')).json()).toEqual({ user: null });
    app.store.failing = false;
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    expect(token).toBeDefined();
    expect(browser.cookies.get('sid')).toBe(token);
  });

  it.each(['/change', '/age', '/save', '/destroy', '/regenerate', '/reload', '/rotate', '/join', '/leave'])(
    'a request to %s, which needs the store, fails with its error and changes nothing',
    async (path) => {
      const app = await serveApp(handlers, options);
      const browser = app.browser();
      await browser.get('/login');
      app.store.failing = true;
      const response = await browser.get(path);
      expect(response).toMatchObject({ status: 503, setCookies: [], headers: { 'retry-after': '1' } });
      expect(response.json()).toMatchObject({ error: 'SessionStoreError' });
      app.store.failing = false;
      expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
      expect(app.store.done).not.toContain('destroy');
    },
  );

  it('genid, which might fail, is not called for a session that is never stored', async () => {
    let calls = 0;
    const app = await serveApp(handlers, {
      ...options,
      genid: () => {
        if (calls++ > 0) throw new Error('intended');
        return 'the only one';
      },
    });
    const browser = app.browser();
    await browser.get('/login');
    app.store.failing = true;
    expect((await browser.get('/')).status).toBe(200);
    expect(calls).toBe(1);
  });

  it('a handler can catch the error of a failed logout', async () => {
    const app = await serveApp(handlers, options);
    const browser = app.browser();
    await browser.get('/login');
    app.store.failing = true;
    expect((await browser.get('/caught')).json()).toEqual({ out: false, error: 'SessionStoreError' });
  });

  it('an outage is logged once and not with every request', async () => {
    const app = await serveApp(handlers, options);
    const browser = app.browser();
    await browser.get('/login');
    for (let outage = 1; outage <= 2; outage++) {
      app.store.failing = true;
      for (let times = 0; times < 3; times++) await browser.get('/');
      expect(app.logged.filter((line) => line.includes('served without a session'))).toHaveLength(outage);
      app.store.failing = false;
      await browser.get('/');
    }
  });
});

describe('while the store can be read but not written', () => {
  const handlers: Record<string, Handler> = {
    ...HANDLERS,
    '/save': (session) => session.save(),
    '/rotate': (session) => session.rotate({ grace: 100 }),
    '/change': (session) => void (session['user'] = 'eve'),
  };
  const notRenewed = ({ logged }: { logged: string[] }) =>
    logged.filter((line) => line.includes('are not renewed'));

  it.each([
    ['fail', '/'],
    ['fail', '/touch'],
    ['fail', '/save'],
    ['anonymous', '/'],
  ] as const)(
    "with onStoreError: '%s' a request to %s, whose renewal fails, is served with its session and without a cookie",
    async (onStoreError, path) => {
      const app = await serveApp(handlers, { onStoreError, rolling: true });
      const browser = app.browser();
      await browser.get('/login');
      app.store.failing = ['update'];
      app.store.take();
      const { status, setCookies } = await browser.get(path);
      expect({ status, setCookies, calls: app.store.take() }).toEqual({
        status: 200,
        setCookies: [],
        calls: ['read', 'update'],
      });
      expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    },
  );

  it('each outage is logged once, with the error of the store and its cause', async () => {
    const app = await serveApp(handlers, { rolling: true });
    const browser = app.browser();
    await browser.get('/login');
    for (let outage = 1; outage <= 2; outage++) {
      app.store.failing = ['update'];
      for (let times = 0; times < 3; times++) await browser.get('/');
      expect(notRenewed(app)).toHaveLength(outage);
      app.store.failing = false;
      await browser.get('/');
    }
    expect(notRenewed(app)[0]).toMatch(/update: made to fail.+\(DOWN the recording store is down\)/);
  });

  it('a request that changes its session fails with a 503', async () => {
    const app = await serveApp(handlers, { rolling: true });
    const browser = app.browser();
    await browser.get('/login');
    app.store.failing = ['update'];
    expect((await browser.get('/change')).status).toBe(503);
  });

  it('a request with the secret before a rotation whose response was lost is served, and rotates later', async () => {
    const app = await serveApp(handlers, { rolling: false });
    const browser = app.browser();
    await browser.get('/login');
    const behind = browser.clone();
    await browser.get('/rotate');
    const { record } = app.store.calls.find(({ operation }) => operation === 'create')!;
    app.store.failing = ['rotate'];
    app.store.take();
    // Once the grace is over, each request tries to rotate.
    await eventually(async () => {
      expect((await behind.get('/')).json()).toEqual({ user: 'ann' });
      return app.store.take().includes('rotate');
    });
    expect(notRenewed(app)).toHaveLength(1);
    app.store.failing = false;
    expect((await behind.get('/')).setCookies).toHaveLength(1);
    expect((await app.store.read(record!.id))?.previous?.hash).toBe(record!.secretHash);
  });
});

describe('onReplacedToken', () => {
  it.each([
    ['refuse', 'ann'],
    ['destroy', null],
  ] as const)(
    "'%s' gives a replaced token no session, and the user of its session is then %j",
    async (onReplacedToken, user) => {
      const app = await serveApp(HANDLERS, { onReplacedToken });
      const browser = app.browser();
      await browser.get('/login');
      const thief = browser.clone();
      await browser.get('/rotate');
      expect((await thief.get('/')).json()).toEqual({ user: null });
      expect((await browser.get('/')).json()).toEqual({ user });
      expect(app.logged[0]).toContain('may have been stolen');
    },
  );

  it("'destroy' keeps the session of a client that presents its current token as well", async () => {
    const app = await serveApp(HANDLERS, { onReplacedToken: 'destroy' });
    const browser = app.browser();
    await browser.get('/login');
    const old = browser.cookies.get('sid')!;
    await browser.get('/rotate');
    const current = browser.cookies.get('sid')!;
    for (const cookie of [`sid=${old}; sid=${current}`, `sid=${current}; sid=${old}`]) {
      expect((await browser.get('/', { headers: { cookie } })).json()).toEqual({ user: 'ann' });
      expect((await browser.get('/', { headers: { cookie: `sid=${current}` } })).json()).toEqual({
        user: 'ann',
      });
    }
    expect(app.logged).toEqual([]);
  });

  it('warns of one session once a minute, however often its replaced token is presented', async () => {
    const app = await serveApp(HANDLERS);
    const browser = app.browser();
    await browser.get('/login');
    const thief = browser.clone();
    await browser.get('/rotate');
    for (let times = 0; times < 5; times++) await thief.get('/');
    expect(app.logged).toHaveLength(1);
  });

  it("'destroy' keeps the session if the previous secret is presented during its grace", async () => {
    const app = await serveApp(
      { ...HANDLERS, '/rotate': (session) => session.rotate() },
      { onReplacedToken: 'destroy' },
    );
    const browser = app.browser();
    await browser.get('/login');
    const slow = browser.clone();
    await browser.get('/rotate');
    expect((await slow.get('/')).json()).toEqual({ user: 'ann' });
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });
});

describe('maxSize', () => {
  const handlers: Record<string, Handler> = {
    ...HANDLERS,
    '/put': (session, req) => {
      const { name, size } = req.query as { name: string; size: string };
      session[name] = (req.query as { text?: string }).text ?? 'x'.repeat(Number(size));
    },
    '/drop': (session) => void delete session['big'],
  };
  /** A string of `size` characters takes two more bytes as JSON. */
  const put = (name: string, bytes: number): string => `/put?name=${name}&size=${bytes - 2 - name.length}`;

  it('is compared with the bytes of the names and the serialized values exactly', async () => {
    const app = await serveApp(handlers, { maxSize: 1000 });
    const browser = app.browser();
    expect((await browser.get(put('a', 400))).status).toBe(200);
    expect((await browser.get(put('b', 601))).status).toBe(500);
    expect((await browser.get(put('b', 600))).status).toBe(200);
    expect((await browser.get(put('c', 10))).status).toBe(500);
    expect((await browser.get(`/put?name=a&text=${encodeURIComponent('é'.repeat(200))}`)).status).toBe(500);
    expect((await browser.get(`/put?name=a&text=${encodeURIComponent('é'.repeat(198))}`)).status).toBe(200);
  });

  it('is stated in an error that names the oversized property, and nothing is stored', async () => {
    const app = await serveApp(handlers, { maxSize: 1000 });
    const browser = app.browser();
    await browser.get('/login');
    const response = await browser.get(put('big', 5000));
    expect(response.json()).toEqual({
      error: 'SessionTooLargeError',
      message: expect.stringContaining('would have 5009 bytes; the maximum is 1000 (maxSize)') as string,
    });
    expect(response.json()['message']).toContain('"big"');
    expect(response.json()['message']).not.toContain('xxx');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });

  it('lets a session that is already too large become smaller', async () => {
    const roomy = await serveApp(handlers, { maxSize: 10_000 });
    const browser = roomy.browser();
    await browser.get(put('big', 5000));
    const strict = await serveApp(handlers, { maxSize: 1000, store: roomy.store });
    const same = strict.browser();
    same.cookies.set('sid', browser.cookies.get('sid')!);
    expect((await same.get('/login')).status).toBe(500);
    expect((await same.get(put('big', 4000))).status).toBe(200);
    expect((await same.get('/drop')).status).toBe(200);
    expect((await same.get('/login')).status).toBe(200);
  });

  it('is 1 MiB by default', async () => {
    const app = await serveApp(handlers);
    const browser = app.browser();
    expect((await browser.get(put('a', 2 ** 20))).status).toBe(200);
    expect((await browser.get(put('b', 10))).status).toBe(500);
    expect(tokenOf(browser).id).not.toBe('');
  });
});
