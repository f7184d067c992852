import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { headerIdentity, type SessionOptions } from 'nestjs-session-stores';
import { loggedIn, serveApp, serveDropIn, tokenOf, type Handler, type TestApp } from '../http/app.js';
import type { Browser } from '../http/browser.js';

const SECOND = 1000;
const GRACE = 30 * SECOND;
const LIFETIME = 1000 * SECOND;

const login: Handler = async (session) => {
  await session.regenerate();
  session.user = 'ann';
};
const me: Handler = (session) => session.user ?? null;
const HANDLERS: Record<string, Handler> = {
  '/login': login,
  '/me': me,
  '/write': (session) => void (session['theme'] = 'dark'),
  '/join': (session) => session.joinGroup('g'),
  '/touch': (session) => session.touch(),
  '/rotate': (session) => session.rotate(),
  '/save': (session) => session.save(),
  '/age': (session) => void (session.cookie.maxAge = 50 * SECOND),
  '/regenerate': (session) => session.regenerate(),
  '/destroy': (session) => session.destroy(),
  '/stream': async (_session, _req, res) => {
    res.write('begun');
    res.end();
  },
};

/** Requests whose address says so are passive. */
const passive: NonNullable<SessionOptions['passive']> = ({ url }) => url!.endsWith('?poll');
const OPTIONS = { passive, cookie: { maxAge: LIFETIME } };

// The server uses the fake clock of the spec.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

const recordOf = async (app: TestApp, browser: Browser) => (await app.store.read(tokenOf(browser).id))!;

describe('a passive request', () => {
  it.each<[string, Partial<SessionOptions>]>([
    ['', {}],
    [' with rolling: true', { rolling: true }],
    [' with touchAfter: 0', { touchAfter: 0 }],
    [' over a header', { cookie: undefined, identities: [headerIdentity({ maxAge: LIFETIME })] }],
  ])('that only reads writes nothing and gets no token, however due a renewal is%s', async (_, options) => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, ...options });
    const browser = app.browser();
    const { headers } = await browser.get('/login');
    const token = headers['x-auth-token'];
    const send = token === undefined ? {} : { headers: { 'x-auth-token': String(token) } };
    pass(900 * SECOND);
    app.store.take();
    const response = await browser.get('/me?poll', send);
    expect(response.json<string>()).toBe('ann');
    expect(response.setCookies).toEqual([]);
    expect(response.headers).not.toHaveProperty('x-auth-token');
    expect(app.store.take()).toEqual(['read']);
  });

  it('in the drop-in, with resave and rolling, writes nothing and gets no cookie', async () => {
    const app = await serveDropIn(HANDLERS, { ...OPTIONS, resave: true, rolling: true } as never);
    const browser = await loggedIn(app);
    pass(900 * SECOND);
    expect((await browser.get('/me?poll')).setCookies).toEqual([]);
    expect(app.store.take()).toEqual(['read']);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
  });

  it.each([
    ['/write', { set: { theme: '"dark"' } }],
    ['/join', { join: ['g'] }],
  ])('to %s has its change saved, without a touch or a cookie', async (path, change) => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, rolling: true });
    const browser = await loggedIn(app);
    const { expiresAt } = await recordOf(app, browser);
    pass(900 * SECOND);
    app.store.take();
    expect((await browser.get(`${path}?poll`)).setCookies).toEqual([]);
    expect(app.store.calls.map(({ change: sent }) => sent).filter(Boolean)).toEqual([change]);
    expect((await recordOf(app, browser)).expiresAt).toBe(expiresAt);
  });

  it.each(['/touch', '/save', '/rotate', '/stream'])('to %s does not renew or rotate', async (path) => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    const before = await recordOf(app, browser);
    pass(900 * SECOND);
    const response = await browser.get(`${path}?poll`);
    expect(response).toMatchObject({ status: 200, setCookies: [] });
    const { expiresAt, secretHash } = await recordOf(app, browser);
    expect({ expiresAt, secretHash }).toEqual({
      expiresAt: before.expiresAt,
      secretHash: before.secretHash,
    });
  });

  it('keeps a lifetime that its handler sets, with the cookie for it', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(900 * SECOND);
    expect((await browser.get('/age?poll')).setCookies).toEqual([expect.stringContaining('Max-Age=50;')]);
    expect((await recordOf(app, browser)).expiresAt).toBe(Date.now() + 50 * SECOND);
  });

  it('starts a session that its handler asks for, and ends one', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    const { id } = tokenOf(browser);
    expect((await browser.get('/regenerate?poll')).status).toBe(200);
    expect(await app.store.read(id)).toBeUndefined();
    expect((await browser.get('/write?poll')).setCookies).toHaveLength(1);
    expect((await browser.get('/destroy?poll')).setCookies).toHaveLength(1);
  });

  it('does not repeat a rotation whose response was lost, and the next request that is not passive does', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    await browser.clone().get('/rotate');
    pass(GRACE);
    app.store.take();
    expect(await browser.get('/me?poll')).toMatchObject({ setCookies: [] });
    expect(app.store.take()).toEqual(['read']);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
    pass(2 * GRACE);
    expect((await browser.get('/me')).json()).toBe('ann');
  });

  it('with the new secret completes a rotation, and gets the cookie that was changed before', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    const old = browser.clone();
    await browser.get('/rotate');
    // This request cannot send the cookie that it changes.
    expect((await old.get('/age')).setCookies).toEqual([]);
    const { expiresAt } = await recordOf(app, browser);
    pass(SECOND);
    expect((await browser.get('/me?poll')).setCookies).toEqual([expect.stringContaining('Max-Age=49;')]);
    expect((await recordOf(app, browser)).expiresAt).toBe(expiresAt);
    expect((await recordOf(app, browser)).previous?.validUntil).toBe(Date.now() + GRACE);
  });

  it.each([
    ['returns a promise', () => Promise.resolve(true)],
    ['returns nothing', () => undefined],
  ])('whose option %s fails with a TypeError', async (_, wrong) => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, passive: wrong as never });
    expect((await app.browser().get('/me')).json()).toMatchObject({
      error: 'TypeError',
      message: expect.stringContaining('passive must return true or false'),
    });
  });
});

describe('a session with touchAfter: 0.01', () => {
  it('is renewed after a hundredth of its lifetime, with its cookie, and not before', async () => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, touchAfter: 0.01 });
    const browser = await loggedIn(app);
    pass(10 * SECOND);
    expect((await browser.get('/me')).setCookies).toEqual([]);
    pass(SECOND);
    expect((await browser.get('/me')).setCookies).toEqual([expect.stringContaining('Max-Age=1000;')]);
    expect((await recordOf(app, browser)).expiresAt).toBe(Date.now() + LIFETIME);
    app.store.take();
    expect((await browser.get('/me')).setCookies).toEqual([]);
    expect(app.store.take()).toEqual(['read']);
  });

  it('expires no earlier than 99 % of the idle timeout after its last request', async () => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, touchAfter: 0.01 });
    const browser = await loggedIn(app);
    for (const wait of [3, 7, 9, 2, 990, 8, 990]) {
      pass(wait * SECOND);
      expect((await browser.get('/me')).json(), `after ${wait} s`).toBe('ann');
    }
    pass(1000 * SECOND);
    expect((await browser.get('/me')).json()).toBe(null);
  });
});

describe('the option', () => {
  const start = (options: object): Promise<TestApp> => serveApp(HANDLERS, options as Partial<SessionOptions>);

  it.each([true, 'poll', {}, null])('passive: %o is rejected', async (value) => {
    await expect(start({ passive: value })).rejects.toThrow(/passive must be a function/);
  });

  it.each([-0.1, 0.51, 1, Number.NaN, '0.1', null])('touchAfter: %o is rejected', async (value) => {
    await expect(start({ touchAfter: value })).rejects.toThrow(/touchAfter must be a number from 0 to 0.5/);
    await expect(serveDropIn(HANDLERS, { touchAfter: value } as never)).rejects.toThrow(TypeError);
  });

  it.each([0, -1, Number.NaN, '15m', null])('rotateAfter: %o is rejected', async (value) => {
    await expect(start({ rotateAfter: value })).rejects.toThrow(/rotateAfter must be a positive number/);
  });
});
