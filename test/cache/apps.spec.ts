import { ExpressAdapter } from '@nestjs/platform-express';
import { cookieIdentity, sessionMiddleware, type Session } from 'nestjs-session-stores';
import { CachedStore } from 'nestjs-session-stores/store';
import express, { type Request, type RequestHandler } from 'express';
import { describe, expect, it } from 'vitest';
import { serveSubscriptions } from '../graphql/subscription.app.js';
import { serveApp, type Handler, type TestApp } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serveForTest } from '../http/server.js';
import { HeldStore } from './held.store.js';

const HANDLERS: Record<string, Handler> = {
  '/login': async (session, req) => {
    await session.regenerate();
    session['user'] = String(req.query['user'] ?? 'ann');
    session.joinGroup('b');
    session.joinGroup('a');
  },
  '/': (session) => session['user'] ?? null,
  '/groups': async (session) => {
    const names = await session.groupNames();
    const sorted = names.toSorted();
    names.splice(0);
    return sorted;
  },
  '/count': (session) => {
    session['count'] = ((session['count'] as number) ?? 0) + 1;
    return session['count'];
  },
  '/logout': (session) => session.destroy(),
};

async function cachedApp(
  options: object = {},
): Promise<{ inner: HeldStore; app: TestApp; browser: Browser }> {
  const inner = new HeldStore();
  const app = await serveApp(HANDLERS, { store: inner, cache: true, ...options });
  const browser = app.browser();
  await browser.post('/login');
  await browser.get('/');
  return { inner, app, browser };
}

it('a handler that changes the list of its groups changes it for no other request', async () => {
  const { inner, browser } = await cachedApp();
  const { reads } = inner;
  expect((await browser.get('/groups')).json()).toEqual(['a', 'b']);
  expect((await browser.get('/groups')).json()).toEqual(['a', 'b']);
  expect(inner.reads - reads).toBe(0);
});

it('GET requests of one client, one after another, each see what the one before has written', async () => {
  const { browser } = await cachedApp();
  for (let count = 1; count <= 20; count++) expect((await browser.get('/count')).json()).toBe(count);
});

it('a login and the page after it, in many parallel clients, mix up no sessions', async () => {
  const { app } = await cachedApp();
  await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      const browser = app.browser();
      for (const user of [`a${n}`, `b${n}`]) {
        await browser.post(`/login?user=${user}`);
        const pages = await Promise.all([1, 2, 3].map(() => browser.get('/')));
        expect(pages.map((page) => page.json())).toEqual([user, user, user]);
      }
      await browser.post('/logout');
      expect((await browser.get('/')).json()).toBeNull();
    }),
  );
});

it('a session that is larger than maxBytes is served, and read by each request', async () => {
  const { inner, browser } = await cachedApp({ cache: { maxBytes: 10 } });
  const { reads } = inner;
  for (let n = 0; n < 3; n++) expect((await browser.get('/')).json()).toBe('ann');
  expect(inner.reads - reads).toBe(3);
});

it('of two cookies of one client, each has its own cached session', async () => {
  const inner = new HeldStore();
  const identities = [cookieIdentity({ name: 'admin', path: '/admin' }), cookieIdentity({ name: 'sid' })];
  const app = await serveApp(
    { ...HANDLERS, '/admin/login': HANDLERS['/login']!, '/admin': HANDLERS['/']! },
    { store: inner, cache: true, identities },
  );
  const browser = app.browser();
  await browser.post('/admin/login?user=root');
  await browser.post('/login?user=ann');
  for (let n = 0; n < 2; n++) {
    expect((await browser.get('/')).json()).toBe('ann');
    expect((await browser.get('/admin')).json()).toBe('root');
  }
  const { reads } = inner;
  await browser.get('/');
  await browser.get('/admin');
  expect(inner.reads - reads).toBe(0);
});

describe('two apps with one CachedStore', () => {
  it('see the writes of each other at once', async () => {
    const inner = new HeldStore();
    const store = new CachedStore(inner);
    const [one, other] = [await appOf(store), await appOf(store)];
    const browser = new Browser(one);
    await browser.post('/login');
    await browser.get('/');
    inner.heldEvents = [];
    const elsewhere = new Browser(other);
    for (const [name, value] of browser.cookies) elsewhere.cookies.set(name, value);
    await elsewhere.post('/logout');
    expect((await browser.get('/')).json()).toBeNull();
  });

  async function appOf(store: CachedStore): Promise<string> {
    const middleware = sessionMiddleware({ secret: 'x', store });
    const app = express();
    app.use(middleware as RequestHandler);
    for (const [path, handle] of Object.entries(HANDLERS))
      app.all(path, async (req, res) => void res.json((await handle(sessionOf(req), req, res)) ?? null));
    return (await serveForTest(app, middleware)).url;
  }
});

const sessionOf = (req: Request): Session & Record<string, any> => req.session as never;

it.each([
  ['GET', { user: 'ann' }, 0],
  ['POST', { user: 'bob' }, 1],
])('a query of GraphQL by %s has, after a change elsewhere, %o', async (method, data, reads) => {
  const inner = new HeldStore();
  const { login, browser } = await serveSubscriptions(new ExpressAdapter(), {
    options: { store: inner, cache: true },
  });
  const id = await login();
  const query = '{ user }';
  const headers = { 'apollo-require-preflight': 'true' };
  const ask = async (by: string): Promise<unknown> =>
    by === 'GET'
      ? (await browser.get(`/graphql?query=${encodeURIComponent(query)}`, { headers })).json()
      : (await browser.post('/graphql', { query })).json();
  await ask('GET');
  inner.heldEvents = [];
  await inner.update({ id }, { set: { user: '"bob"' } });
  const before = inner.reads;
  expect(await ask(method)).toEqual({ data });
  expect(inner.reads - before).toBe(reads);
});
