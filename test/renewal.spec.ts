import { createHmac } from 'node:crypto';
import { MemoryStore } from 'express-session';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { headerIdentity } from 'nestjs-session-stores';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { serveApp, serveDropIn, tokenOf, type Handler, type TestApp, loggedIn } from './http/app.js';
import type { Browser, ReceivedResponse } from './http/browser.js';
import { Random } from './http/random.js';

const SECOND = 1000;
const DAY = 24 * 60 * 60 * SECOND;

const login: Handler = async (session) => {
  await session.regenerate();
  session.user = 'ann';
};
const me: Handler = (session) => session.user ?? null;
const left: Handler = ({ cookie }) => [
  cookie.maxAge,
  cookie.expires?.getTime() ?? null,
  cookie.originalMaxAge,
];
const HANDLERS = {
  '/login': login,
  '/me': me,
  '/left': left,
  '/write': ((session) => void (session['writes'] = Date.now())) satisfies Handler,
  '/rotate': ((session) => session.rotate()) satisfies Handler,
  '/forget': ((session) => void (session.cookie.maxAge = null)) satisfies Handler,
};

// The server uses the fake clock of the spec.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

/** When the token says that its cookie expires, in seconds. */
function stampOf(browser: Browser): number | undefined {
  const [, , stamp] = decodeURIComponent(browser.cookies.get('sid')!).slice('s:'.length).split('.');
  return /^\d{1,12}$/.test(stamp!) ? Number(stamp) : undefined;
}

const maxAgesOf = ({ setCookies }: ReceivedResponse): number[] =>
  setCookies.map((line) => Number(/Max-Age=(\d+)/.exec(line)?.[1]));

describe('the cookie of an active user', () => {
  it('is renewed by the next response that reaches the browser, however many were discarded', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 4 * SECOND } });
    const browser = await loggedIn(app);
    for (let round = 0; round < 12; round++) {
      for (let request = 0; request < 5; request++) {
        pass(500);
        expect((await browser.clone().get('/me')).json()).toBe('ann');
      }
      pass(200);
      const response = await browser.get('/me');
      const received = { user: response.json<string>(), maxAges: maxAgesOf(response) };
      expect(received, `round ${round}`).toEqual({ user: 'ann', maxAges: [4] });
    }
  });

  it('is not sent again, and nothing is written, as long as it expires with the session', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    for (let request = 0; request < 9; request++) {
      pass(SECOND);
      expect((await browser.get('/me')).setCookies).toEqual([]);
    }
    expect(app.store.take()).toEqual(Array.from({ length: 9 }, () => 'read'));
    pass(2 * SECOND);
    expect(maxAgesOf(await browser.get('/me'))).toEqual([100]);
    expect(app.store.take()).toEqual(['read', 'update']);
    expect((await browser.get('/me')).setCookies).toEqual([]);
    expect(app.store.take()).toEqual(['read']);
  });

  it('is sent when it expires earlier than the session by more than a tenth of the lifetime, not before', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    const old = browser.clone();
    pass(10 * SECOND);
    await browser.get('/write');
    expect((await old.clone().get('/me')).setCookies).toEqual([]);
    pass(SECOND);
    await browser.get('/write');
    const response = await old.get('/me');
    expect(maxAgesOf(response)).toEqual([100]);
    expect(stampOf(old)).toBe(stampOf(browser));
    expect(tokenOf(old)).toEqual(tokenOf(browser));
  });

  it('has the expiry that the store returned', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    pass(50 * SECOND);
    const response = await browser.get('/me');
    const { expiresAt } = (await app.store.read(tokenOf(browser).id))!;
    expect(stampOf(browser)).toBe(expiresAt / 1000);
    expect(response.setCookies[0]).toContain(`Expires=${new Date(expiresAt).toUTCString()}`);
  });

  it('is not sent with rolling: false', async () => {
    const app = await serveApp(HANDLERS, { rolling: false, cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    pass(50 * SECOND);
    await browser.clone().get('/me');
    pass(10 * SECOND);
    expect((await browser.get('/me')).setCookies).toEqual([]);
  });

  it('is not sent to a client whose secret was rotated away', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    const old = browser.clone();
    pass(20 * SECOND);
    await browser.get('/rotate');
    expect((await old.get('/me')).json()).toBe('ann');
    expect((await old.get('/me')).setCookies).toEqual([]);
  });

  it('is not sent if the session was destroyed meanwhile', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    pass(50 * SECOND);
    const { id } = tokenOf(browser);
    app.store.before = async (operation) => {
      if (operation !== 'update') return;
      app.store.before = undefined;
      await app.store.destroy(id);
    };
    expect((await browser.get('/me')).setCookies).toEqual([]);
  });

  it.each([
    ['gets', undefined, 100 * SECOND, [100]],
    ['loses', 100 * SECOND, undefined, [Number.NaN]],
  ])('is sent once when the configuration %s an age', async (_, before, after, ages) => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: before } });
    const browser = await loggedIn(app);
    const next = await serveApp(HANDLERS, { cookie: { maxAge: after }, store: app.store });
    const later = next.browser();
    later.cookies.set('sid', browser.cookies.get('sid')!);
    expect(maxAgesOf(await later.get('/me'))).toEqual(ages);
    expect(stampOf(later) === undefined).toBe(after === undefined);
    expect((await later.get('/me')).setCookies).toEqual([]);
  });

  it('of a lifetime of years is renewed after a tenth of the 400 days for which browsers keep it', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 3650 * DAY } });
    const browser = app.browser();
    expect(maxAgesOf(await browser.get('/login'))).toEqual([400 * 86_400]);
    pass(40 * DAY);
    expect((await browser.get('/me')).setCookies).toEqual([]);
    pass(DAY);
    expect(maxAgesOf(await browser.get('/me'))).toEqual([400 * 86_400]);
    expect((await browser.get('/me')).setCookies).toEqual([]);
  });
});

describe('the stamp of a token', () => {
  const signed = (value: string): string =>
    encodeURIComponent(
      `s:${value}.${createHmac('sha256', 'app').update(value).digest('base64').replace(/=+$/, '')}`,
    );

  it('does not decide whether a request is accepted', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    const { id, secret } = tokenOf(browser);
    for (const stamp of [0, 1, 999_999_999_999]) {
      browser.cookies.set('sid', signed(`${id}.${secret}.${stamp}`));
      expect((await browser.get('/me')).json()).toBe('ann');
    }
    await app.store.destroy(id);
    browser.cookies.set('sid', signed(`${id}.${secret}.999999999999`));
    expect((await browser.get('/me')).json()).toBe(null);
  });

  it('is the latest of several cookies with one secret', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    const { id, secret } = tokenOf(browser);
    const stamp = stampOf(browser)!;
    const old = signed(`${id}.${secret}.${stamp - 50}`);
    const current = signed(`${id}.${secret}.${stamp}`);
    const get = (...texts: string[]) =>
      app.browser().get('/me', { headers: { cookie: texts.map((text) => `sid=${text}`).join('; ') } });
    expect((await get(old, current)).setCookies).toEqual([]);
    expect((await get(current, old)).setCookies).toEqual([]);
    expect((await get(old)).setCookies).toHaveLength(1);
  });

  it('is absent for a cookie without an age, a header token and a bare session id', async () => {
    const plain = await serveApp(HANDLERS);
    const browser = await loggedIn(plain);
    expect(stampOf(browser)).toBeUndefined();

    const header = await serveApp(HANDLERS, { identities: [headerIdentity({ maxAge: 100 * SECOND })] });
    const response = await header.browser().get('/login');
    const token = String(response.headers['x-auth-token']);
    expect(decodeURIComponent(token).split('.')).toHaveLength(3);
    pass(5 * SECOND);
    header.store.take();
    const read = await header.browser().get('/me', { headers: { 'x-auth-token': token } });
    expect(read.json<string>()).toBe('ann');
    expect(read.headers).not.toHaveProperty('x-auth-token');
    expect(header.store.take()).toEqual(['read']);

    const bare = await serveApp(HANDLERS, {
      store: fromExpressStore(new MemoryStore()),
      cookie: { maxAge: 100 * SECOND },
    });
    const visitor = await loggedIn(bare);
    expect(decodeURIComponent(visitor.cookies.get('sid')!).split('.')).toHaveLength(2);
    pass(5 * SECOND);
    expect((await visitor.get('/me')).setCookies).toEqual([]);
    expect(bare.store.take()).toEqual(['read']);
  });

  it('is separated by a dot, so that HAProxy may put its prefix in front, and an id may contain anything', async () => {
    const ids = ['a.b', '.', 'a~b', `x.${'y'.repeat(32)}`, `x.${'y'.repeat(32)}.1234567890`, 'ü ;,="'];
    for (const id of ids) {
      const app = await serveApp(HANDLERS, { genid: () => id, cookie: { maxAge: 100 * SECOND } });
      const browser = await loggedIn(app);
      expect((await browser.get('/me')).json(), id).toBe('ann');
      expect((await app.store.read(id))?.id).toBe(id);
    }
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    expect(browser.cookies.get('sid')).not.toContain('~');
  });
});

describe('session.cookie of a loaded session', () => {
  const SERVERS: [string, () => Promise<TestApp>][] = [
    ['the module', () => serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } })],
    ['the drop-in', () => serveDropIn(HANDLERS, { cookie: { maxAge: 100 * SECOND } })],
  ];

  it.each(SERVERS)('shows its remaining lifetime in maxAge and expires, in %s', async (_, serve) => {
    const app = await serve();
    const browser = await loggedIn(app);
    const until = Date.now() + 100 * SECOND;
    pass(4 * SECOND);
    expect((await browser.get('/left')).json()).toEqual([96 * SECOND, until, 100 * SECOND]);
    pass(5 * SECOND);
    expect((await browser.get('/left')).json()).toEqual([91 * SECOND, until, 100 * SECOND]);
    pass(20 * SECOND);
    expect((await browser.get('/left')).json()).toEqual([71 * SECOND, until, 100 * SECOND]);
    expect((await browser.get('/left')).json()).toEqual([
      100 * SECOND,
      Date.now() + 100 * SECOND,
      100 * SECOND,
    ]);
  });

  it('has no age if the cookie ends with the browser', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: 100 * SECOND } });
    const browser = await loggedIn(app);
    const response = await browser.get('/forget');
    expect(response.setCookies[0]).not.toMatch(/Max-Age|Expires/);
    expect((await browser.get('/left')).json()).toEqual([null, null, null]);
  });
});

/** The users of the model. */
const USERS = process.env['LONG'] ? 3000 : 60;
const LIFETIME = 100 * SECOND;

describe(`a model of ${USERS} users whose responses are mostly discarded`, () => {
  it('keeps every user logged in if a response reaches the browser every 80 % of the lifetime minus a second', async () => {
    const app = await serveApp(HANDLERS, { cookie: { maxAge: LIFETIME } });
    let kept = 0;
    let requests = 0;
    for (let user = 0; user < USERS; user++) {
      const random = new Random(user);
      const browser = await loggedIn(app);
      let expires = Date.now() + LIFETIME;
      let sinceKept = 0;
      for (let request = 0; request < 25; request++) {
        const most = 0.8 * LIFETIME - SECOND - sinceKept;
        const wait = Math.min(random.between(1, LIFETIME * 0.4), most);
        pass(wait);
        sinceKept += wait;
        requests++;
        const isKept = sinceKept >= 0.8 * LIFETIME - SECOND || random.chance(0.1);
        // A browser does not send a cookie that has expired.
        if (Date.now() >= expires) throw new Error(`user ${user} was logged out at request ${request}`);
        const response = await (isKept ? browser : browser.clone()).get(
          random.chance(0.2) ? '/write' : '/me',
        );
        expect(response.status).toBe(200);
        if (!isKept) continue;
        kept++;
        sinceKept = 0;
        const [maxAge] = maxAgesOf(response);
        if (maxAge !== undefined) expires = Date.now() + maxAge * SECOND;
        expect((await browser.clone().get('/me')).json(), `user ${user}`).toBe('ann');
      }
    }
    expect(kept).toBeGreaterThan(USERS);
    expect(requests).toBe(USERS * 25);
  }, 600_000);
});
