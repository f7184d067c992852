import { describe, expect, it } from 'vitest';
import { dataOf, serveApp, serveDropIn, type Handler } from '../http/app.js';
import type { ReceivedResponse } from '../http/browser.js';

// Options of express-session that only the drop-in has, with a store of ours.

const HANDLERS: Record<string, Handler> = {
  '/': dataOf,
  '/login': (session) => void (session['user'] = 'ann'),
  '/null': (_session, req) => void (req.session = null as never),
  '/delete': (_session, req) => void delete (req as Partial<typeof req>).session,
};

describe("express-session's options", () => {
  it('resave: true renews the expiry with every request and writes no property', async () => {
    const app = await serveDropIn(HANDLERS, { resave: true, cookie: { maxAge: 60_000 } });
    const browser = app.browser();
    await browser.get('/login');
    app.store.take();
    await browser.get('/');
    expect(app.store.calls.map(({ operation }) => operation)).toEqual(['read', 'update']);
    expect(Object.keys(app.store.calls[1]!.change!)).toEqual(['touch']);
  });

  it('saveUninitialized: true stores a session without data', async () => {
    const app = await serveDropIn(HANDLERS, { saveUninitialized: true });
    expect((await app.browser().get('/')).setCookies).toHaveLength(1);
    expect(app.store.take()).toEqual(['create']);
  });

  it.each([
    ['destroy', '/null', null],
    ['destroy', '/delete', null],
    ['keep', '/null', 'ann'],
    ['keep', '/delete', 'ann'],
  ] as const)(
    "unset: '%s' with a request to %s leaves a session with the user %s",
    async (unset, path, user) => {
      const app = await serveDropIn(HANDLERS, { unset });
      const browser = app.browser();
      await browser.get('/login');
      const token = browser.cookies.get('sid')!;
      expect((await browser.get(path)).status).toBe(200);
      browser.cookies.set('sid', token);
      expect((await browser.get('/')).json()['user'] ?? null).toBe(user);
    },
  );

  it.each(['fail', 'anonymous'] as const)(
    "unset: 'destroy' results in a 503 and keeps the session if the store fails, with onStoreError: '%s'",
    async (onStoreError) => {
      const app = await serveDropIn(HANDLERS, { unset: 'destroy', onStoreError });
      const browser = app.browser();
      await browser.get('/login');
      app.store.failing = onStoreError === 'fail' ? ['destroy'] : true;
      expect((await browser.get('/null')).status).toBe(503);
      app.store.failing = false;
      expect((await browser.get('/')).json()).toMatchObject({ user: 'ann' });
    },
  );

  it.each([
    [true, 'https, http', /; Secure; SameSite=None$/],
    [true, 'http', /; HttpOnly; SameSite=Lax$/],
    [false, 'https', /; HttpOnly; SameSite=Lax$/],
  ])(
    "proxy: %s and X-Forwarded-Proto: %s determine the meaning of 'auto'",
    async (proxy, proto, expected) => {
      const cookie = { sameSite: 'auto', secure: 'auto' } as const;
      const app = await serveDropIn(HANDLERS, { cookie, proxy });
      const response: ReceivedResponse = await app
        .browser()
        .get('/login', { headers: { 'x-forwarded-proto': proto } });
      expect(response.setCookies[0]).toMatch(expected);
    },
  );

  it.each([
    [{ resave: false }, 'Leave it out: a session is saved if it changed'],
    [{ saveUninitialized: false }, 'Leave it out: a session is stored once it has data'],
    [{ unset: 'destroy' }, 'Leave it out, and call session.destroy()'],
    [{ proxy: true }, "Set Express's 'trust proxy'"],
  ])(
    '%o is rejected by sessionMiddleware() with an error that says what to do instead',
    async (option, advice) => {
      const [name] = Object.keys(option);
      await expect(serveApp(HANDLERS, option as object)).rejects.toThrow(
        `Unknown session option "${name}". ${advice}`,
      );
    },
  );
});
