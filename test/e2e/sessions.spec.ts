import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Browser, type ReceivedResponse } from '../http/browser.js';
import { SampleApp, STORES } from './sample-app.js';

interface Me {
  user: string;
  theme: string | null;
  language: string | null;
  visits: number;
  worker: number;
}

interface Device {
  key: string;
  current: boolean;
  userAgent: string | null;
  createdAt: number;
  expiresAt: number;
}

/** Runs may share a server, but not users. */
const run = randomUUID();
const HALF_AN_HOUR = 30 * 60_000;
/** How far an instant may differ from the expected one because of clocks and load, in milliseconds. */
const SLACK = 10_000;

const me = async (browser: Browser): Promise<Me> => (await browser.get('/me')).json<Me>();
const list = async (browser: Browser): Promise<Device[]> => (await browser.get('/sessions')).json<Device[]>();

async function keyOf(browser: Browser): Promise<string> {
  return (await list(browser)).find(({ current }) => current)!.key;
}

function expectCleared({ setCookies }: ReceivedResponse, browser: Browser): void {
  expect(setCookies).toEqual(['sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax']);
  expect(browser.cookies.size).toBe(0);
}

describe.each(STORES)('three browsers of one user, two workers, STORE=%s', (store) => {
  let app: SampleApp;
  let users = 0;
  let user: string;
  let laptop: Browser;
  let phone: Browser;
  let tablet: Browser;

  beforeAll(async () => {
    app = await SampleApp.start({ STORE: store });
  });
  afterAll(() => app?.stop());

  beforeEach(async () => {
    user = `user ${users++} of ${run}`;
    laptop = await login('laptop');
    phone = await login('phone');
    tablet = await login('tablet');
  });

  async function login(userAgent: string, as = user): Promise<Browser> {
    const browser = new Browser(app.url, userAgent);
    const { status } = await browser.post('/login', { user: as });
    expect(status).toBe(201);
    return browser;
  }

  /** The status of `/me` on each device: 200 while it is logged in, and 401 after that. */
  async function statuses(): Promise<{ laptop: number; phone: number; tablet: number }> {
    const [ofLaptop, ofPhone, ofTablet] = await Promise.all(
      [laptop, phone, tablet].map((browser) => browser.get('/me')),
    );
    return { laptop: ofLaptop!.status, phone: ofPhone!.status, tablet: ofTablet!.status };
  }

  describe('a login', () => {
    it('sets a cookie that scripts cannot read and that lasts as long as the session', async () => {
      const browser = new Browser(app.url);
      const response = await browser.post('/login', { user });
      expect(response.status).toBe(201);
      expect(response.json()).toEqual({ user, worker: expect.any(Number) });
      expect(response.setCookies).toEqual([
        expect.stringMatching(/^sid=s%3A[^;]+; Max-Age=\d+; Path=\/; Expires=[^;]+; HttpOnly; SameSite=Lax$/),
      ]);
      const expires = Date.parse(/Expires=([^;]+)/.exec(response.setCookies[0]!)![1]!);
      expect(Math.abs(expires - Date.now() - HALF_AN_HOUR)).toBeLessThan(SLACK);
    });

    it('destroys the previous session of the browser, and keeps none of its data', async () => {
      const before = laptop.clone();
      await laptop.put('/preferences/theme', { value: 'dark' });
      await laptop.get('/me');

      expect((await laptop.post('/login', { user })).status).toBe(201);
      expect(await me(laptop)).toEqual({
        user,
        theme: null,
        language: null,
        visits: 1,
        worker: expect.any(Number),
      });
      expect((await before.get('/me')).status).toBe(401);
      expect(await list(laptop)).toHaveLength(3);
    });

    it('accepts any user name of 1 to 64 characters, and distinguishes similar names', async () => {
      for (const name of ['__proto__', 'constructor', 'a:b', 'a', '*', '😀'.repeat(64), 'x'.repeat(64)]) {
        const browser = await login('odd', name);
        expect(await me(browser)).toMatchObject({ user: name, visits: 1 });
        expect(await list(browser)).toHaveLength(1);
        // The server may be shared, so the session must not stay.
        await browser.post('/logout');
      }
    });
  });

  it('a page of another site can neither log a browser out nor in again', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await laptop.send('POST', '/logout', { headers })).status).toBe(403);
    expect((await laptop.send('POST', '/login', { body: { user: 'mallory' }, headers })).status).toBe(403);
    expect(await me(laptop)).toMatchObject({ user });
  });

  it('the app is live, and ready to serve sessions', async () => {
    const ready = await laptop.get('/health/ready');
    expect(ready).toMatchObject({ status: 200 });
    expect(ready.json()).toMatchObject({ status: 'ok', details: { sessions: { shards: [{ read: 'up' }] } } });
    expect((await laptop.get('/health/live')).status).toBe(200);
  });

  it('the visits of each login are counted across both workers', async () => {
    const workers = new Set<number>();
    for (let visit = 1; visit <= 10; visit++) {
      for (const browser of [laptop, phone, tablet]) {
        const { visits, worker } = await me(browser);
        expect(visits).toBe(visit);
        workers.add(worker);
      }
    }
    expect(workers.size).toBe(2);
  });

  it('a theme and a language that are set at the same time are both kept', async () => {
    for (let round = 0; round < 100; round++) {
      const [theme, language] = await Promise.all([
        laptop.put('/preferences/theme', { value: `theme ${round}` }),
        laptop.put('/preferences/language', { value: `language ${round}` }),
      ]);
      expect(theme).toMatchObject({ status: 200, text: `{"theme":"theme ${round}"}` });
      expect(language).toMatchObject({ status: 200, text: `{"language":"language ${round}"}` });
      expect(await me(laptop)).toMatchObject({ theme: `theme ${round}`, language: `language ${round}` });
    }
    expect(await me(phone)).toMatchObject({ theme: null, language: null });
  });

  describe('the list of sessions', () => {
    it('contains each device of the user once, marks the current one, and shows no secret', async () => {
      await login('somebody else', `${user}, another`);
      const devices = await list(phone);
      const current = devices.map((device) => [device.userAgent, device.current] as const);
      expect(current).toHaveLength(3);
      expect(Object.fromEntries(current)).toEqual({ laptop: false, phone: true, tablet: false });
      const secret = /^s:[^.]+\.([^.]+)\./.exec(decodeURIComponent(phone.cookies.get('sid')!))![1]!;
      for (const device of devices) {
        expect(Object.keys(device)).toEqual(['key', 'current', 'userAgent', 'createdAt', 'expiresAt']);
        expect(Math.abs(device.createdAt - Date.now())).toBeLessThan(SLACK);
        expect(Math.abs(device.expiresAt - Date.now() - HALF_AN_HOUR)).toBeLessThan(SLACK);
        expect(JSON.stringify(device)).not.toContain(secret);
      }
    });

    it('no longer contains a session that was destroyed, and the others stay', async () => {
      const key = await keyOf(phone);
      const ended = await laptop.delete(`/sessions/${key}`);
      expect(ended).toMatchObject({ status: 204, text: '' });
      expect(await statuses()).toEqual({ laptop: 200, phone: 401, tablet: 200 });
      expect((await list(laptop)).map(({ userAgent }) => userAgent).toSorted()).toEqual(['laptop', 'tablet']);
      expect((await laptop.delete(`/sessions/${key}`)).status).toBe(404);
    });

    it('lets the current session be destroyed, whose cookie is then cleared', async () => {
      const response = await laptop.delete(`/sessions/${await keyOf(laptop)}`);
      expect(response.status).toBe(204);
      expectCleared(response, laptop);
      expect(await statuses()).toEqual({ laptop: 401, phone: 200, tablet: 200 });
    });

    it('excludes other users: destroying their session or an unknown one results in a 404', async () => {
      const stranger = await login('stranger', `${user}, a stranger`);
      const keys = [await keyOf(stranger), 'x'.repeat(32), '__proto__', '%00', '%F0%9F%98%80', '*', '%2E%2E'];
      for (const key of keys) {
        expect((await laptop.delete(`/sessions/${key}`)).status, key).toBe(404);
      }
      expect((await stranger.get('/me')).status).toBe(200);
      expect(await statuses()).toEqual({ laptop: 200, phone: 200, tablet: 200 });
    });
  });

  describe('a logout', () => {
    it('destroys only this session, and its cookie is no longer valid', async () => {
      const before = laptop.clone();
      const response = await laptop.post('/logout');
      expect(response).toMatchObject({ status: 204, text: '' });
      expectCleared(response, laptop);
      expect(await statuses()).toEqual({ laptop: 401, phone: 200, tablet: 200 });
      expect((await before.get('/me')).status).toBe(401);
    });

    it('of other devices destroys all sessions but this one', async () => {
      const response = await laptop.post('/logout-others');
      expect(response).toMatchObject({ status: 200, text: '{"ended":2}' });
      expect(await statuses()).toEqual({ laptop: 200, phone: 401, tablet: 401 });
      expect((await laptop.post('/logout-others')).json()).toEqual({ ended: 0 });
    });

    it('everywhere destroys this session too, clears its cookie, and affects no other user', async () => {
      const stranger = await login('stranger', `${user}, a stranger`);
      const before = laptop.clone();
      const response = await laptop.post('/logout-everywhere');
      expect(response).toMatchObject({ status: 200, text: '{"ended":3}' });
      expectCleared(response, laptop);
      expect(await statuses()).toEqual({ laptop: 401, phone: 401, tablet: 401 });
      expect((await before.get('/me')).status).toBe(401);
      expect((await stranger.get('/me')).status).toBe(200);
    });
  });

  describe('a browser that is not logged in', () => {
    const guarded: [method: string, path: string][] = [
      ['GET', '/me'],
      ['PUT', '/preferences/theme'],
      ['PUT', '/preferences/language'],
      ['GET', '/sessions'],
      ['DELETE', '/sessions/key'],
      ['POST', '/logout-others'],
      ['POST', '/logout-everywhere'],
    ];

    it.each(guarded)('gets 401 and no cookie for %s %s', async (method, path) => {
      const { key, secret } = /^s:(?<key>[^.]+)\.(?<secret>[^.]+)/.exec(
        decodeURIComponent(laptop.cookies.get('sid')!),
      )!.groups as { key: string; secret: string };
      const forged = ['', 'x', key, `s:${key}`, `s:${key}.${secret}`, `s:${key}.${secret}.${'A'.repeat(43)}`];
      for (const sid of [undefined, ...forged]) {
        const browser = new Browser(app.url);
        if (sid !== undefined) browser.cookies.set('sid', encodeURIComponent(sid));
        const response = await browser.send(method, path, {
          body: method === 'PUT' ? { value: 'x' } : undefined,
        });
        expect(response, sid).toMatchObject({ status: 401, setCookies: [] });
      }
    });

    it('may log out, and gets no cookie', async () => {
      expect(await new Browser(app.url).post('/logout')).toMatchObject({ status: 204, setCookies: [] });
    });

    it('gets a list of the routes at /, and no cookie', async () => {
      const response = await new Browser(app.url).get('/');
      expect(response).toMatchObject({
        status: 200,
        headers: { 'content-type': 'text/html; charset=utf-8' },
        setCookies: [],
      });
      const { text } = response;
      for (const [method, path] of guarded) {
        expect(text).toContain(`${method} ${path.replace('/key', '/:key')}<`);
      }
      expect(text).toContain(`${app.url.replace('127.0.0.1', 'localhost')} `);
    });
  });

  describe('an invalid body', () => {
    const wrong: [what: string, body: (name: string) => unknown][] = [
      ['no body', () => undefined],
      ['malformed JSON', (name) => `{"${name}":`],
      ['null', () => 'null'],
      ['a string', () => '"x"'],
      ['an empty object', () => ({})],
      ['an array', (name) => [{ [name]: 'x' }]],
      ['a value of null', (name) => ({ [name]: null })],
      ['a number', (name) => ({ [name]: 7 })],
      ['an array as value', (name) => ({ [name]: ['x'] })],
      ['an object as value', (name) => ({ [name]: { $ne: null } })],
      ['an object that looks like a string', (name) => ({ [name]: { length: 1, toString: 'x' } })],
      ['an empty value', (name) => ({ [name]: '' })],
      ['65 characters', (name) => ({ [name]: 'x'.repeat(65) })],
      ['half of a surrogate pair', (name) => `{"${name}":"\\ud83d"}`],
    ];

    it.each(wrong)('with %s gets 400 with a reason', async (_, body) => {
      const anonymous = new Browser(app.url);
      const responses = [
        await anonymous.post('/login', body('user')),
        await laptop.put('/preferences/theme', body('value')),
        await laptop.put('/preferences/language', body('value')),
      ];
      for (const response of responses) {
        expect(response.status).toBe(400);
        expect([response.json()['message']].flat()).toEqual(
          expect.arrayContaining([expect.stringMatching(/\w{4}/)]),
        );
        expect(response.setCookies).toEqual([]);
      }
      expect(await me(laptop)).toMatchObject({ theme: null, language: null, visits: 1 });
    });
  });
});
