import { MemoryStore } from 'express-session';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { HeldStore } from './cache/held.store.js';
import { eventually } from './eventually.js';
import { Gates } from './http/gates.js';
import { loggedIn, serveApp, serveDropIn, tokenOf, type Handler } from './http/app.js';
import type { Browser } from './http/browser.js';

const MINUTE = 60_000;
const GRACE = 30_000;
const ROTATE_AFTER = 15 * MINUTE;

const HANDLERS: Record<string, Handler> = {
  '/login': async (session) => {
    await session.regenerate();
    session.user = 'ann';
  },
  '/me': (session) => session.user ?? null,
  '/write': (session) => void (session['theme'] = 'dark'),
  '/rotate': (session) => session.rotate(),
  '/rotate-now': (session) => session.rotate({ grace: 0 }),
  '/destroy': (session) => session.destroy(),
  '/stream': (_session, _req, res) => {
    res.write('begun');
    setImmediate(() => res.end());
  },
};
const OPTIONS = { rotateAfter: ROTATE_AFTER };

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

const userOf = async (browser: Browser): Promise<unknown> => (await browser.get('/me')).json();

describe('with rotateAfter, a secret', () => {
  it('is rotated by the first request after that time, and not before', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    const first = tokenOf(browser);
    pass(ROTATE_AFTER - 1);
    expect((await browser.get('/me')).setCookies).toEqual([]);
    pass(1);
    const response = await browser.get('/me');
    expect(response.json<string>()).toBe('ann');
    expect(response.setCookies).toHaveLength(1);
    expect(tokenOf(browser).id).toBe(first.id);
    expect(tokenOf(browser).secret).not.toBe(first.secret);
    expect(await userOf(browser)).toBe('ann');
  });

  it('is rotated again after the same time since that rotation', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    await browser.get('/me');
    await browser.get('/me');
    pass(ROTATE_AFTER - 1);
    expect((await browser.get('/me')).setCookies).toEqual([]);
    pass(1);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
  });

  it('that a handler has rotated is rotated that time later', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER + MINUTE);
    expect((await browser.get('/rotate')).setCookies).toHaveLength(1);
    app.store.take();
    await browser.get('/me');
    pass(ROTATE_AFTER - 1);
    await browser.get('/me');
    expect(app.store.take()).not.toContain('rotate');
    pass(1);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
  });

  it('that a handler has rotated without a grace is rotated once more, because the store keeps no time of that', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    await browser.get('/rotate-now');
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
    await browser.get('/me');
    pass(GRACE);
    expect((await browser.get('/me')).setCookies).toEqual([]);
  });

  it('is rotated in one commit with the changes of the request', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    expect((await browser.get('/write')).setCookies).toHaveLength(1);
    expect(app.store.take()).toEqual(['read', 'rotate', 'read', 'update']);
    expect((await app.store.read(tokenOf(browser).id))!.data['theme']).toBe('"dark"');
    expect(await userOf(browser)).toBe('ann');
  });

  it('is rotated before the first byte of a stream', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    const response = await browser.get('/stream');
    expect(response.text).toBe('begun');
    expect(response.setCookies).toHaveLength(1);
    expect(await userOf(browser)).toBe('ann');
  });

  it('is rotated by one of several parallel requests, and no client is logged out', async () => {
    const gates = new Gates();
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    let waiting = 0;
    app.store.before = async (operation) => {
      if (operation === 'rotate' && ++waiting === 5) gates.open('all');
      if (operation === 'rotate') await gates.pass('all');
    };
    const clients = Array.from({ length: 5 }, () => browser.clone());
    const responses = await Promise.all(clients.map((client) => client.get('/me')));
    expect(responses.map((response) => response.json<string>())).toEqual(Array(5).fill('ann'));
    expect(responses.flatMap(({ setCookies }) => setCookies)).toHaveLength(1);
    app.store.before = undefined;
    for (const client of [...clients, browser]) expect(await userOf(client)).toBe('ann');
  });

  it('whose response was lost is rotated again, and its client stays logged in', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    await browser.clone().get('/me');
    pass(GRACE);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
    pass(2 * GRACE);
    expect(await userOf(browser)).toBe('ann');
  });

  it.each(['destroy', 'rotate'] as const)(
    'is not rotated by a request that does it itself or ends the session: %s',
    async (method) => {
      const app = await serveApp(HANDLERS, OPTIONS);
      const browser = await loggedIn(app);
      pass(ROTATE_AFTER);
      await browser.get(`/${method}`);
      const rotations = app.store.take().filter((operation) => operation === 'rotate');
      expect(rotations).toHaveLength(method === 'rotate' ? 1 : 0);
    },
  );

  it('is not rotated by a passive request', async () => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, passive: ({ url }) => url!.endsWith('?poll') });
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    expect((await browser.get('/me?poll')).setCookies).toEqual([]);
    expect(app.store.take()).toEqual(['read']);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
  });

  it('is not rotated by a request whose session came from the cache, but by one that reads it', async () => {
    // A moved clock would end the cache's trust in its records.
    vi.useRealTimers();
    const inner = new HeldStore();
    const app = await serveApp(HANDLERS, { rotateAfter: 200, cache: true, store: inner });
    const browser = app.browser();
    await browser.post('/login');
    const began = Date.now();
    await browser.get('/me');
    const { reads } = inner;
    await eventually(() => Date.now() > began + 250);
    expect(await browser.get('/me')).toMatchObject({ setCookies: [] });
    expect(inner.reads).toBe(reads);
    expect((await browser.post('/me')).setCookies).toHaveLength(1);
    expect(await userOf(browser)).toBe('ann');
  });

  it('is kept, and its request served, if the store cannot rotate it', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    app.store.failing = ['rotate'];
    const response = await browser.get('/me');
    expect({ status: response.status, cookies: response.setCookies }).toEqual({ status: 200, cookies: [] });
    expect(app.logged).toEqual([expect.stringContaining('sessions are not renewed')]);
    app.store.failing = false;
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
  });

  it('is rotated in the drop-in too', async () => {
    const app = await serveDropIn(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    pass(ROTATE_AFTER);
    expect((await browser.get('/me')).setCookies).toHaveLength(1);
    expect(await userOf(browser)).toBe('ann');
  });

  it('must be in the store: a store of express-session is rejected', async () => {
    const store = fromExpressStore(new MemoryStore());
    await expect(serveApp(HANDLERS, { ...OPTIONS, store })).rejects.toThrow(/rotateAfter needs a store/);
  });
});
