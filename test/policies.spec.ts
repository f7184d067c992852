import { describe, expect, it } from 'vitest';
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

  it('what needs no session is served with an empty one, with no call to the store and no cookie', async () => {
    const app = await serveApp(handlers, options);
    const browser = app.browser();
    await browser.get('/login');
    const token = browser.cookies.get('sid');
    app.store.failing = true;
    for (const path of ['/', '/touch']) {
      app.store.take();
      const answer = await browser.get(path);
      expect([answer.status, answer.setCookies, answer.headers['cache-control']]).toEqual([
        200,
        [],
        undefined,
      ]);
      expect(app.store.take()).toEqual(['read']);
    }
    expect((await browser.get('/')).json()).toEqual({ user: null });
    app.store.failing = false;
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    expect(browser.cookies.get('sid')).not.toBe('');
    expect(token).toBeDefined();
  });

  it.each(['/change', '/age', '/save', '/destroy', '/regenerate', '/reload', '/rotate', '/join', '/leave'])(
    '%s fails with the error of the store, and changes nothing',
    async (path) => {
      const app = await serveApp(handlers, options);
      const browser = app.browser();
      await browser.get('/login');
      app.store.failing = true;
      const answer = await browser.get(path);
      expect([answer.status, answer.setCookies]).toEqual([503, []]);
      expect(answer.json()).toMatchObject({ error: 'SessionStoreError' });
      app.store.failing = false;
      expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
      expect(app.store.done).not.toContain('destroy');
    },
  );

  it('asks no genid, which might fail, for a session that is never stored', async () => {
    let asked = 0;
    const app = await serveApp(handlers, {
      ...options,
      genid: () => {
        if (asked++ > 0) throw new Error('told to');
        return 'the only one';
      },
    });
    const browser = app.browser();
    await browser.get('/login');
    app.store.failing = true;
    expect((await browser.get('/')).status).toBe(200);
    expect(asked).toBe(1);
  });

  it('a handler that catches a logout that failed can say so', async () => {
    const app = await serveApp(handlers, options);
    const browser = app.browser();
    await browser.get('/login');
    app.store.failing = true;
    expect((await browser.get('/caught')).json()).toEqual({ out: false, error: 'SessionStoreError' });
  });

  it('is said once for an outage, not with every request', async () => {
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

  it('an expiry that could not be renewed is logged, and the answer goes out; a change still fails', async () => {
    const app = await serveApp(handlers, { onStoreError: 'anonymous', rolling: true });
    const browser = app.browser();
    await browser.get('/login');
    app.store.failing = ['update'];
    const answer = await browser.get('/');
    expect([answer.status, answer.json()]).toEqual([200, { user: 'ann' }]);
    expect(app.logged.at(-1)).toContain('its expiry was not renewed');
    expect((await browser.get('/change')).status).toBe(503);
  });
});

describe('onReplacedToken', () => {
  it.each([
    ['refuse', 'ann'],
    ['destroy', null],
  ] as const)(
    "'%s': the session of a secret that was replaced is then %j's",
    async (onReplacedToken, user) => {
      const app = await serveApp(HANDLERS, { onReplacedToken });
      const browser = app.browser();
      await browser.get('/login');
      const thief = browser.clone();
      await browser.get('/rotate');
      expect((await thief.get('/')).json()).toEqual({ user: null });
      expect((await browser.get('/')).json()).toEqual({ user });
      expect(app.logged[0]).toContain('may be stolen');
    },
  );

  it('takes a secret in its grace for no theft', async () => {
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
  /** A text of `size` x takes two more bytes as JSON. */
  const put = (name: string, bytes: number): string => `/put?name=${name}&size=${bytes - 2 - name.length}`;

  it('is exact, in bytes of names and JSON texts', async () => {
    const app = await serveApp(handlers, { maxSize: 1000 });
    const browser = app.browser();
    expect((await browser.get(put('a', 400))).status).toBe(200);
    expect((await browser.get(put('b', 601))).status).toBe(500);
    expect((await browser.get(put('b', 600))).status).toBe(200);
    expect((await browser.get(put('c', 10))).status).toBe(500);
    expect((await browser.get(`/put?name=a&text=${encodeURIComponent('é'.repeat(200))}`)).status).toBe(500);
    expect((await browser.get(`/put?name=a&text=${encodeURIComponent('é'.repeat(198))}`)).status).toBe(200);
  });

  it('is said with what is too large, and nothing of it is stored', async () => {
    const app = await serveApp(handlers, { maxSize: 1000 });
    const browser = app.browser();
    await browser.get('/login');
    const answer = await browser.get(put('big', 5000));
    expect(answer.json()).toEqual({
      error: 'SessionTooLargeError',
      message: expect.stringContaining('would have 5009 bytes and may have 1000 (maxSize)') as string,
    });
    expect(answer.json()['message']).toContain('"big"');
    expect(answer.json()['message']).not.toContain('xxx');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });

  it('lets what is larger than allowed become smaller', async () => {
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

  it('is 1 MiB unless told otherwise', async () => {
    const app = await serveApp(handlers);
    const browser = app.browser();
    expect((await browser.get(put('a', 2 ** 20))).status).toBe(200);
    expect((await browser.get(put('b', 10))).status).toBe(500);
    expect(tokenOf(browser).id).not.toBe('');
  });
});
