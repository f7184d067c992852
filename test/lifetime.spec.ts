import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionModule, SessionService } from 'nestjs-session-stores';
import { NEVER } from 'nestjs-session-stores/store';
import { dataOf, serveApp, serveDropIn, tokenOf, type Handler, type TestApp, loggedIn } from './http/app.js';
import type { ReceivedResponse, Browser } from './http/browser.js';
import { Gates } from './http/gates.js';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const AGE = 30 * MINUTE;
const LONG = 30 * DAY;

const login: Handler = async (session) => {
  await session.regenerate();
  session.user = 'ann';
};
const remember: Handler = (session) => void (session.cookie.maxAge = LONG);
const HANDLERS = {
  '/login': login,
  '/remember': remember,
  '/rotate': ((session) => session.rotate()) satisfies Handler,
  '/write': ((session) => void (session['writes'] = Number(session['writes'] ?? 0) + 1)) satisfies Handler,
  '/': dataOf,
};

// The server uses the fake clock of the spec, so that 30 days take no time.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

const recordOf = async (app: TestApp, browser: Browser) => (await app.store.read(tokenOf(browser).id))!;

/**
 * The remaining lifetimes of the cookies in a response, in milliseconds, rounded to seconds. `null` for a cookie that
 * ends with the browser.
 */
function agesOf({ setCookies }: ReceivedResponse): (number | null)[] {
  return setCookies.map((line) => {
    const expires = /Expires=([^;]+)/.exec(line)?.[1];
    return expires === undefined ? null : Date.parse(expires) - Math.floor(Date.now() / 1000) * 1000;
  });
}

describe('a session whose cookie.maxAge was set to 30 days', () => {
  const options = { cookie: { maxAge: AGE } };

  it('keeps it through touches, writes, a rotation and a reload, counted from the last request', async () => {
    const app = await serveApp(
      { ...HANDLERS, '/reload': (session) => session.reload().then(() => session.cookie.originalMaxAge) },
      options,
    );
    const browser = await loggedIn(app);
    expect(agesOf(await browser.get('/remember'))).toEqual([LONG]);
    for (const path of ['/', '/write', '/', '/rotate', '/', '/write']) {
      pass(4 * DAY);
      const response = await browser.get(path);
      const ages = agesOf(response);
      const record = await recordOf(app, browser);
      // The cookie of a rotation is sent after the touch. Otherwise it would have the old expiry.
      expect(ages, path).toEqual([LONG]);
      expect(record.expiresAt - Date.now(), path).toBe(LONG);
      expect(record.data['cookie'], path).toBe(JSON.stringify({ maxAge: LONG }));
    }
    expect((await browser.get('/reload')).json<number>()).toBe(LONG);
    pass(LONG - 1);
    expect((await browser.get('/')).json()).toMatchObject({ user: 'ann' });
    pass(LONG);
    expect((await browser.get('/')).json()).toEqual({});
  });

  it.each<[string, (handlers: Record<string, Handler>) => Promise<TestApp>]>([
    ['by default', (handlers) => serveApp(handlers, options)],
    ['with rolling: true', (handlers) => serveApp(handlers, { ...options, rolling: true })],
    ['with rolling: false', (handlers) => serveApp(handlers, { ...options, rolling: false })],
    ["with the drop-in's resave: true", (handlers) => serveDropIn(handlers, { ...options, resave: true })],
  ])(
    'is not shortened by slower requests that began before and read, write, join or touch, %s',
    async (_, serve) => {
      const gates = new Gates();
      const slow: Record<string, Handler> = {
        '/slow-read': () => gates.pass('/slow-read'),
        '/slow-write': (session) => ((session['slow'] = true), gates.pass('/slow-write')),
        '/slow-join': (session) => (void session.joinGroup('g'), gates.pass('/slow-join')),
        '/slow-touch': (session) => (void session.touch(), gates.pass('/slow-touch')),
      };
      const app = await serve({ ...HANDLERS, ...slow });
      const browser = await loggedIn(app);
      // The touch of each is due.
      pass(AGE / 2);
      const paths = Object.keys(slow);
      const responses = paths.map((path) => browser.clone().get(path));
      await Promise.all(paths.map((path) => gates.reached(path)));
      expect(agesOf(await browser.get('/remember'))).toEqual([LONG]);
      const until = Date.now() + LONG;
      pass(MINUTE);
      for (const path of paths) gates.open(path);
      for (const response of await Promise.all(responses)) expect(response.setCookies).toEqual([]);
      const record = await recordOf(app, browser);
      expect(record.expiresAt).toBe(until);
      expect(record.data['slow']).toBe('true');
      expect(record.groups).toEqual(['g']);
    },
  );

  it.each([{ maxAge: AGE }, {}])(
    'gets a cookie for 30 days from a rotation that began before, and from its repetition, with cookie: %o',
    async (cookie) => {
      const gates = new Gates();
      const app = await serveApp(
        {
          ...HANDLERS,
          '/slow-rotate': async (session) => {
            await gates.pass('rotate');
            await session.rotate();
          },
        },
        { cookie },
      );
      const browser = await loggedIn(app);
      const rotating = browser.clone();
      const response = rotating.get('/slow-rotate');
      await gates.reached('rotate');
      await browser.get('/remember');
      gates.open('rotate');
      expect(agesOf(await response)).toEqual([LONG]);
      expect((await recordOf(app, browser)).expiresAt).toBe(Date.now() + LONG);

      pass(MINUTE);
      const repeated = await browser.get('/');
      expect(agesOf(repeated)).toEqual([LONG - MINUTE]);
      expect(tokenOf(browser).secret).not.toBe(tokenOf(rotating).secret);
    },
  );

  it('gets its cookie with the next request if a rotation prevented it from being sent', async () => {
    const gates = new Gates();
    const app = await serveApp(
      {
        ...HANDLERS,
        '/slow-remember': async (session) => {
          session.cookie.maxAge = LONG;
          await gates.pass('remember');
        },
      },
      options,
    );
    const browser = await loggedIn(app);
    const response = browser.clone().get('/slow-remember');
    await gates.reached('remember');
    await browser.get('/rotate');
    gates.open('remember');
    expect((await response).setCookies).toEqual([]);
    expect(agesOf(await browser.get('/'))).toEqual([LONG]);
    expect((await browser.get('/')).setCookies).toEqual([]);
  });

  it.each(['before', 'after'])('keeps it if the same request rotates %s setting it', async (when) => {
    const both: Handler = async (session, ...others) => {
      if (when === 'before') await session.rotate();
      remember(session, ...others);
      if (when === 'after') await session.rotate();
    };
    const app = await serveApp({ ...HANDLERS, '/both': both }, options);
    const browser = await loggedIn(app);
    expect(agesOf(await browser.get('/both'))).toEqual([LONG]);
    expect((await recordOf(app, browser)).expiresAt).toBe(Date.now() + LONG);
  });

  it('gets the cookie of a rotation with the last known expiry if the store cannot be read then', async () => {
    const app: TestApp = await serveApp(
      {
        ...HANDLERS,
        '/rotate': (session) => {
          app.store.failing = ['read'];
          return session.rotate();
        },
      },
      options,
    );
    const browser = await loggedIn(app);
    const response = await browser.get('/rotate');
    app.store.failing = false;
    expect(response.status).toBe(200);
    expect(agesOf(response)).toEqual([AGE]);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });

  it('has no `cookie` among the data of its view', async () => {
    const app = await serveApp(HANDLERS, options);
    const browser = await loggedIn(app);
    await browser.get('/remember');
    const module = await Test.createTestingModule({
      imports: [SessionModule.forRoot({ secret: 'app', store: app.store })],
    }).compile();
    const view = await module.get(SessionService).find(tokenOf(browser).id);
    expect({ ...view!.data }).toEqual({ user: 'ann' });
    expect(view!.expiresAt).toBe(Date.now() + LONG);
  });
});

describe('session.cookie.maxAge', () => {
  it('of null makes a cookie that ends with the browser, and the default value is not stored', async () => {
    const app = await serveApp(
      {
        ...HANDLERS,
        '/forget': (session) => void (session.cookie.maxAge = null as never),
        '/default': (session) => void (session.cookie.maxAge = AGE),
      },
      { cookie: { maxAge: AGE }, idleTimeout: DAY },
    );
    const browser = await loggedIn(app);
    expect(agesOf(await browser.get('/forget'))).toEqual([null]);
    const forgotten = await recordOf(app, browser);
    expect(forgotten.data['cookie']).toBe('{"maxAge":null}');
    expect(forgotten.expiresAt - Date.now()).toBe(DAY);
    pass(AGE * 2);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    expect(agesOf(await browser.get('/default'))).toEqual([AGE]);
    const usual = await recordOf(app, browser);
    expect(usual.data).not.toHaveProperty('cookie');
    expect(usual.expiresAt - Date.now()).toBe(AGE);
  });

  it.each([0, -1, -DAY])('of %d destroys the session and clears the cookie', async (age) => {
    const app = await serveApp(
      { ...HANDLERS, '/end': (session) => void (session.cookie.maxAge = age) },
      { cookie: { maxAge: AGE } },
    );
    const browser = await loggedIn(app);
    const old = browser.clone();
    expect(await browser.get('/end')).toMatchObject({
      status: 200,
      setCookies: ['sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax'],
    });
    expect(await app.store.read(tokenOf(old).id)).toBeUndefined();
    expect((await old.get('/')).json()).toEqual({});
    // A session that is not stored yet is not created.
    expect((await app.browser().get('/end')).setCookies).toEqual([]);
    expect(await app.store.count()).toBe(0);
  });

  it.each([Number.NaN, Infinity, -Infinity, '5', '1d', '', 'x', {}, true])(
    'of %o fails the request, and the session stays unchanged',
    async (age) => {
      const app = await serveApp(
        { ...HANDLERS, '/wrong': (session) => void (session.cookie.maxAge = age as never) },
        { cookie: { maxAge: AGE } },
      );
      const browser = await loggedIn(app);
      const before = await recordOf(app, browser);
      const response = await browser.get('/wrong');
      expect(response).toMatchObject({ status: 500, setCookies: [] });
      expect(response.json()).toEqual({ error: 'TypeError', message: expect.stringContaining('maxAge') });
      expect(await recordOf(app, browser)).toEqual(before);
      expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    },
  );
});

describe('cookie attributes that a handler sets', () => {
  it('persist for path, domain, httpOnly, secure, sameSite, priority and partitioned', async () => {
    const own = {
      path: '/app',
      domain: 'example.com',
      httpOnly: false,
      secure: false,
      sameSite: 'none',
      priority: 'high',
      partitioned: true,
    };
    const app = await serveApp(
      {
        ...HANDLERS,
        '/own': (session) => void Object.assign(session.cookie, own),
        '/cookie': (session) => session.cookie,
      },
      { rolling: true, cookie: { maxAge: AGE } },
    );
    const browser = await loggedIn(app);
    const attributes = (line: string) => line.split('; ').slice(1).toSorted();
    const expected = [
      expect.stringMatching(/^Expires=/),
      expect.stringMatching(/^Max-Age=/),
      'Domain=example.com',
      'Partitioned',
      'Path=/app',
      'Priority=High',
      'SameSite=None',
    ];
    for (const path of ['/own', '/', '/write', '/rotate']) {
      pass(AGE / 2);
      const { setCookies } = await browser.get(path);
      expect(setCookies, path).toHaveLength(1);
      expect(attributes(setCookies[0]!), path).toEqual(expect.arrayContaining(expected));
      expect(attributes(setCookies[0]!), path).toHaveLength(expected.length);
    }
    expect((await browser.get('/cookie')).json()).toMatchObject(own);
    expect(JSON.parse((await recordOf(app, browser)).data['cookie']!)).toEqual({
      ...own,
      // Not stored, because it equals the configured value over plain HTTP.
      secure: undefined,
    });
  });

  it.each([
    'not json',
    'null',
    '5',
    '"text"',
    '[]',
    '{"maxAge":"5"}',
    '{"maxAge":1e999}',
    '{"path":5,"domain":{"$ne":null},"httpOnly":"no","secure":"auto","sameSite":"evil","priority":1,"partitioned":[]}',
    '{"path":"/\\r\\nSet-Cookie: stolen=1","domain":"a;b"}',
    '{"path":"/;Domain=evil.example","domain":"a b"}',
    '{"expires":"2099-01-01","_expires":1,"originalMaxAge":5,"unknown":true}',
    '{"__proto__":{"polluted":true},"constructor":1,"maxAge":{}}',
  ])('are not loaded from the record if they are invalid, such as %s', async (serialized) => {
    const app = await serveApp(
      {
        ...HANDLERS,
        '/cookie': ({ cookie }) => ({ cookie, polluted: Reflect.get(cookie, 'polluted') ?? null }),
      },
      { rolling: true, cookie: { maxAge: AGE } },
    );
    const browser = await loggedIn(app);
    const usual = (await browser.get('/cookie')).json();
    await app.store.update(await recordOf(app, browser), { set: { cookie: serialized } });
    expect(await browser.get('/cookie')).toMatchObject({
      status: 200,
      setCookies: [expect.stringMatching(/; Path=\/; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$/)],
      text: JSON.stringify(usual),
    });
  });

  it.each([
    ['sameSite', 'evil'],
    ['path', '/\r\nSet-Cookie: stolen=1'],
    ['domain', 'a;b'],
    ['domain', 'a b'],
    ['secure', 'auto'],
    ['priority', 5],
  ])('fail the request if they are invalid, such as %s: %j', async (name, value) => {
    const app = await serveApp(
      { ...HANDLERS, '/wrong': (session) => void Object.assign(session.cookie, { [name]: value }) },
      { cookie: { maxAge: AGE } },
    );
    const browser = await loggedIn(app);
    const response = await browser.get('/wrong');
    expect(response).toMatchObject({ status: 500, setCookies: [] });
    expect(response.json()['message']).toContain(`session.cookie.${name}`);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });
});

describe('idleTimeout: Infinity', () => {
  it('stores NEVER as the expiry, and never touches', async () => {
    const app = await serveApp(HANDLERS, { idleTimeout: Infinity });
    const browser = await loggedIn(app);
    expect((await recordOf(app, browser)).expiresAt).toBe(NEVER);
    expect(NEVER).toBe(8.64e15);
    app.store.take();
    pass(100 * 365 * DAY);
    expect(await browser.get('/')).toMatchObject({ text: '{"user":"ann"}', setCookies: [] });
    expect(app.store.take()).toEqual(['read']);
    await browser.get('/write');
    expect((await recordOf(app, browser)).expiresAt).toBe(NEVER);
  });
});

describe('absoluteTimeout', () => {
  const DAYS = 3;
  const options = { cookie: { maxAge: DAY }, absoluteTimeout: DAYS * DAY };

  it('limits every expiry, counted from the creation, even with a maxAge of 30 days', async () => {
    const app = await serveApp(HANDLERS, options);
    const [active, remembered] = [await loggedIn(app), await loggedIn(app)];
    const end = Date.now() + DAYS * DAY;
    expect(agesOf(await remembered.get('/remember'))).toEqual([DAYS * DAY]);
    for (const path of ['/', '/write', '/', '/rotate']) {
      pass(0.7 * DAY);
      await active.get(path);
      const { expiresAt } = await recordOf(app, active);
      expect(expiresAt, path).toBe(Math.min(end, Date.now() + DAY));
      expect((await recordOf(app, remembered)).expiresAt).toBe(end);
    }
    pass(end - Date.now() - 1);
    expect((await active.get('/')).json()).toMatchObject({ user: 'ann' });
    pass(1);
    for (const browser of [active, remembered]) expect((await browser.get('/')).json()).toEqual({});
  });

  it('applies to existing sessions when it is lowered, both in a read and in a reload', async () => {
    const app = await serveApp(HANDLERS, options);
    const browser = await loggedIn(app);
    await browser.get('/remember');
    const gates = new Gates();
    const lowered = await serveApp(
      {
        ...HANDLERS,
        '/reload': async (session) => {
          await gates.pass('reload');
          return session.reload().catch((error: Error) => error.name);
        },
      },
      { ...options, secret: 'app', store: app.store, absoluteTimeout: DAY },
    );
    const later = lowered.browser();
    later.cookies.set('sid', browser.cookies.get('sid')!);
    pass(DAY - 1);
    expect((await later.get('/')).json()).toEqual({ user: 'ann' });
    const reload = later.get('/reload');
    await gates.reached('reload');
    pass(1);
    gates.open('reload');
    expect((await reload).json<string>()).toBe('SessionGoneError');
    expect((await later.get('/')).json()).toEqual({});
  });
});
