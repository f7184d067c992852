import { describe, expect, it } from 'vitest';
import { dataOf, serveApp, serveDropIn, type Handler } from '../http/app.js';
import type { Answer } from '../http/browser.js';

// What options of express-session do over a store of ours, as calls to the store. The module has none of them.

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

  it('saveUninitialized: true stores a session that nothing was put into', async () => {
    const app = await serveDropIn(HANDLERS, { saveUninitialized: true });
    expect((await app.browser().get('/')).setCookies).toHaveLength(1);
    expect(app.store.take()).toEqual(['create']);
  });

  it.each([
    ['destroy', '/null', null],
    ['destroy', '/delete', null],
    ['keep', '/null', 'ann'],
    ['keep', '/delete', 'ann'],
  ] as const)("unset: '%s' leaves after %s a session with the user %s", async (unset, path, user) => {
    const app = await serveDropIn(HANDLERS, { unset });
    const browser = app.browser();
    await browser.get('/login');
    const token = browser.cookies.get('sid')!;
    expect((await browser.get(path)).status).toBe(200);
    browser.cookies.set('sid', token);
    expect((await browser.get('/')).json()['user'] ?? null).toBe(user);
  });

  it.each(['fail', 'anonymous'] as const)(
    "unset: 'destroy' responds 503 and keeps the session if the store fails, with onStoreError: '%s'",
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
  ])("proxy: %s with X-Forwarded-Proto: %s decides what 'auto' means", async (proxy, proto, expected) => {
    const cookie = { sameSite: 'auto', secure: 'auto' } as const;
    const app = await serveDropIn(HANDLERS, { cookie, proxy });
    const response: Answer = await app.browser().get('/login', { headers: { 'x-forwarded-proto': proto } });
    expect(response.setCookies[0]).toMatch(expected);
  });

  it.each([
    [{ resave: false }, 'Leave it out: a session is saved if it changed'],
    [{ saveUninitialized: false }, 'Leave it out: a session is stored once something is put into it'],
    [{ unset: 'destroy' }, 'Leave it out, and call session.destroy()'],
    [{ proxy: true }, "Set Express's 'trust proxy'"],
  ])('%o is unknown elsewhere, and the error says what to do instead', async (option, advice) => {
    const [name] = Object.keys(option);
    await expect(serveApp(HANDLERS, option as object)).rejects.toThrow(
      `Unknown session option "${name}". ${advice}`,
    );
  });
});
