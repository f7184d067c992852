import { randomUUID } from 'node:crypto';
import { Body, Controller, Delete, Get, Param, Post, Put } from '@nestjs/common';
import {
  cookieIdentity,
  Session,
  SessionStore,
  type SessionIdentity,
  type SessionModuleOptions,
} from 'nestjs-session-stores';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import type { TestSession } from '../http/app.js';
import type { Browser } from '../http/browser.js';
import { aRecord } from '../record.js';
import { RecordingStore } from '../stores/recording.store.js';
import { serveNest, startNest, type NestApp } from './nest.app.js';

@Controller(['my/path', 'x', 'session'])
class SessionController {
  @Get(':key')
  get(@Session() session: TestSession, @Param('key') key: string): object {
    return { value: session[key] ?? null };
  }

  /** Responds when the change is stored, as the callback of `set` was called then. */
  @Put(':key')
  async set(@Session() session: TestSession, @Param('key') key: string, @Body('value') value: unknown) {
    session[key] = value;
    await session.save();
    return session.id;
  }

  @Delete(':key')
  remove(@Session() session: TestSession, @Param('key') key: string): void {
    delete session[key];
  }

  @Post('renew')
  renew(@Session() session: Session): Promise<void> {
    return session.rotate();
  }

  @Post('destroy')
  destroy(@Session() session: Session): Promise<void> {
    return session.destroy();
  }
}

const newStore = (): RecordingStore =>
  new RecordingStore(new RedisStore({ ...inject('redis'), prefix: `${randomUUID()}:` }));

const optionsOf = (some: object): SessionModuleOptions => ({
  secret: 'em-session-manager',
  store: newStore(),
  ...some,
});

/** Whether a request is served without a call of the store. */
async function isCached(store: RecordingStore, browser: Browser): Promise<boolean> {
  store.take();
  await browser.get('/session/a');
  return store.take().length === 0;
}

const serve = (some: object = {}): Promise<NestApp> =>
  serveNest(optionsOf(some), { controllers: [SessionController] });

const valueIn = async (browser: Browser, path: string, headers = {}): Promise<unknown> =>
  (await browser.get(path, { headers })).json()['value'];

async function openStore(): Promise<SessionStore> {
  const store = newStore();
  onTestFinished(() => store.close());
  await store.open();
  return store;
}
const data = { a: '1', b: '2' };

describe('em-session-manager', () => {
  const A = { host: 'a.com', 'x-forwarded-proto': 'https' };

  /** The two cookies of the README. */
  const identities = [
    cookieIdentity({ name: 'sid', path: '/my/path', secure: true, httpOnly: true, host: 'a.com' }),
    cookieIdentity({ name: 'sid', path: '/x' }),
  ];

  it('the README example has a session for each of its two cookies, by host and path', async () => {
    const app = await serve({ identities });
    const [a, b] = [app.browser(), app.browser()];
    const first = await a.send('PUT', '/my/path/user', { body: { value: 'ann' }, headers: A });
    expect(first.setCookies).toEqual([
      expect.stringMatching(/^sid=.+; Path=\/my\/path; HttpOnly; Secure; SameSite=Lax$/i),
    ]);
    const second = await b.put('/x/user', { value: 'ben' });
    expect(second.setCookies).toEqual([expect.stringMatching(/^sid=.+; Path=\/x; /i)]);
    expect(second.text).not.toBe(first.text);
    expect(await valueIn(a, '/my/path/user', A)).toBe('ann');
    expect(await valueIn(b, '/x/user')).toBe('ben');
  });

  it('a cookie identity with a host gives other hosts no session', async () => {
    const app = await serve({ identities });
    const headers = { ...A, host: 'b.com' };
    const response = await app.browser().send('PUT', '/my/path/user', { body: { value: 'ann' }, headers });
    expect(response.status).toBe(500);
    expect(response.setCookies).toEqual([]);
  });

  it('a cookie identity with a path gives other paths no session', async () => {
    const app = await serve({ identities });
    const response = await app.browser().put('/session/user', { value: 'ben' });
    expect(response.status).toBe(500);
    expect(response.setCookies).toEqual([]);
  });

  it('the default of a cookie identity is a cookie named sid for all paths that ends with the browser', async () => {
    const app = await serve({ identities: [cookieIdentity({})] });
    const { setCookies } = await app.browser().put('/session/a', { value: 1 });
    expect(setCookies).toEqual([expect.stringMatching(/^sid=.+; Path=\/; HttpOnly; SameSite=Lax$/i)]);
  });

  it('ttl: a session lives as long as the maxAge of its cookie, of which browsers keep 400 days', async () => {
    const years = 20 * 365 * 24 * 60 * 60_000;
    const app = await serve({ identities: [cookieIdentity({ maxAge: years })] });
    const before = Date.now();
    const response = await app.browser().put('/session/a', { value: 1 });
    expect(response.setCookies[0]).toContain(`Max-Age=${400 * 24 * 60 * 60};`);
    const { expiresAt } = (await app.sessions.find(response.text))!;
    expect(expiresAt).toBeGreaterThan(before + years - 60_000);
    expect(expiresAt).toBeLessThan(Date.now() + years + 60_000);
  });

  it('get, set and remove: a value is read, stored and deleted, before the response', async () => {
    const app = await serve();
    const browser = app.browser();
    expect(await valueIn(browser, '/session/a')).toBeNull();
    const id = (await browser.put('/session/a', { value: { deep: [1] } })).text;
    await browser.put('/session/b', { value: 2 });
    expect(await valueIn(browser, '/session/a')).toEqual({ deep: [1] });
    await browser.delete('/session/a');
    expect((await app.sessions.find(id))!.data).toEqual({ b: 2 });
  });

  it('renew: session.rotate changes the value of the cookie and keeps the session', async () => {
    const app = await serve();
    const browser = app.browser();
    const id = (await browser.put('/session/a', { value: 1 })).text;
    const before = browser.cookies.get('sid');
    await browser.post('/session/renew');
    expect(browser.cookies.get('sid')).not.toBe(before);
    expect(await valueIn(browser, '/session/a')).toBe(1);
    expect((await browser.put('/session/a', { value: 2 })).text).toBe(id);
  });

  it('destroy: session.destroy removes the session, its data and its cookie', async () => {
    const app = await serve();
    const browser = app.browser();
    const id = (await browser.put('/session/a', { value: 1 })).text;
    await browser.post('/session/destroy');
    expect(browser.cookies.has('sid')).toBe(false);
    expect(await app.sessions.find(id)).toBeUndefined();
    expect(await valueIn(browser, '/session/a')).toBeNull();
  });

  it('an identity of your own gets, sets and removes the token', async () => {
    const bearer: SessionIdentity = {
      name: 'bearer',
      header: 'Authorization',
      get: ({ headers: { authorization } }) => authorization?.match(/(?<=^Bearer )\S+$/)?.slice(),
      set: (res, token) => void res.setHeader('x-token', token),
      remove: (res) => void res.setHeader('x-token', 'none'),
    };
    const app = await serve({ identities: [bearer] });
    const browser = app.browser();
    const { headers: given } = await browser.put('/session/a', { value: 1 });
    const headers = { authorization: `Bearer ${String(given['x-token'])}` };
    expect(await valueIn(browser, '/session/a', headers)).toBe(1);
    expect(await valueIn(browser, '/session/a')).toBeNull();
    const ended = await browser.send('POST', '/session/destroy', { headers });
    expect(ended.headers['x-token']).toBe('none');
  });

  it.each([
    ['cacheMaxAge', 'maxAge'],
    ['cacheLimit', 'maxSessions'],
  ])('the option %s is rejected, with the option to write instead', async (option, instead) => {
    await expect(startNest(optionsOf({ [option]: 3600 }), {})).rejects.toThrow(
      `Unknown session option "${option}". Write cache: { ${instead} }`,
    );
  });

  it('cacheMaxAge: a session is cached for cache.maxAge', async () => {
    const store = newStore();
    const app = await serve({ store, cache: { maxAge: 200 } });
    const browser = app.browser();
    await browser.put('/session/a', { value: 1 });
    await eventually(() => isCached(store, browser));
    await eventually(async () => !(await isCached(store, browser)));
  });

  it('cacheLimit: cache.maxSessions sessions are cached', async () => {
    const store = newStore();
    const app = await serve({ store, cache: { maxSessions: 1 } });
    const [one, other] = [app.browser(), app.browser()];
    for (const browser of [one, other]) {
      await browser.put('/session/a', { value: 1 });
      await eventually(() => isCached(store, browser));
    }
    expect(await isCached(store, one)).toBe(false);
  });

  it('with a cache, a logout is heard by each process, without session affinity', async () => {
    const prefix = `${randomUUID()}:`;
    const stores = [0, 1].map(() => new RecordingStore(new RedisStore({ ...inject('redis'), prefix })));
    const [a, b] = await Promise.all(stores.map((store) => serve({ store, cache: true })));
    const browser = a!.browser();
    await browser.put('/session/a', { value: 1 });
    await eventually(() => isCached(stores[0]!, browser));
    const elsewhere = b!.browser();
    for (const [name, value] of browser.cookies) elsewhere.cookies.set(name, value);
    expect((await elsewhere.post('/session/destroy')).status).toBe(201);
    await eventually(async () => (await browser.get('/session/a')).json()['value'] === null, {
      within: 1000,
    });
  });

  it('each request reads its session from the store, so no process needs session affinity', async () => {
    const store = newStore();
    const app = await serve({ store });
    const browser = app.browser();
    await browser.put('/session/a', { value: 1 });
    store.take();
    await browser.get('/session/a');
    await browser.get('/session/a');
    expect(store.take()).toEqual(['read', 'read']);
  });

  it('set and get: SessionStore.create and read keep the data of a session', async () => {
    const store = await openStore();
    await store.create(aRecord('k', { data }));
    expect({ ...(await store.read('k'))!.data }).toEqual(data);
    expect(await store.read('other')).toBeUndefined();
  });

  it('update: SessionStore.update sets one key and leaves the others', async () => {
    const store = await openStore();
    await store.create(aRecord('k', { data }));
    await store.update({ id: 'k' }, { set: { b: '3' } });
    expect({ ...(await store.read('k'))!.data }).toEqual({ a: '1', b: '3' });
  });

  it('remove: SessionStore.update removes one key and leaves the others', async () => {
    const store = await openStore();
    await store.create(aRecord('k', { data }));
    await store.update({ id: 'k' }, { remove: ['a'] });
    expect({ ...(await store.read('k'))!.data }).toEqual({ b: '2' });
  });

  it('delete: SessionStore.destroy removes a session', async () => {
    const store = await openStore();
    await store.create(aRecord('k', { data }));
    expect(await store.destroy('k')).toBe(true);
    expect(await store.read('k')).toBeUndefined();
  });
});
