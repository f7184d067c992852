import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { SessionCacheMessage } from 'nestjs-session-stores';
import { CachedStore, type SessionRecord } from 'nestjs-session-stores/store';
import { MemoryStore } from 'express-session';
import { sessionMiddleware } from 'nestjs-session-stores';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { serveApp, type Handler, type TestApp } from '../http/app.js';
import type { Browser } from '../http/browser.js';
import { moveClocks, untilFresh } from './clocks.js';
import { HeldStore } from './held.store.js';

/** A store whose records cannot be changed by those that read them. */
class FrozenStore extends HeldStore {
  protected override live(id: string): SessionRecord | undefined {
    const record = super.live(id);
    for (const part of [record, record?.data, record?.groups, record?.previous]) Object.freeze(part);
    return record;
  }
}

const HANDLERS: Record<string, Handler> = {
  '/login': async (session) => {
    await session.regenerate();
    session['user'] = 'ann';
    session['list'] = [1];
    session.joinGroup('user:ann');
  },
  '/': (session) => ({ user: (session['user'] as string) ?? null }),
  '/change': (session) => {
    session['user'] = 'bob';
    (session['list'] as number[])?.push(2);
    session.leaveGroup('user:ann');
  },
  '/list': (session) => session['list'] as number[],
  '/rotate': (session) => session.rotate({ grace: 0 }),
  '/destroy': (session) => session.destroy(),
  '/save': (session) => {
    session['n'] = 1;
    return session.save();
  },
};

/** Two processes of an app on one store, with a browser that is logged in and was served by the first. */
async function twoApps(options: object = {}): Promise<{
  inner: FrozenStore;
  a: TestApp;
  b: TestApp;
  browser: Browser;
  /** The same client at the other process. */
  at: (app: TestApp) => Browser;
}> {
  const inner = new FrozenStore();
  const [a, b] = [
    await serveApp(HANDLERS, { store: inner, cache: true, ...options }),
    await serveApp(HANDLERS, { store: inner, cache: true, ...options }),
  ];
  const browser = a.browser();
  await browser.post('/login');
  await browser.get('/');
  const at = (app: TestApp): Browser => {
    const other = app.browser();
    for (const [name, value] of browser.cookies) other.cookies.set(name, value);
    return other;
  };
  return { inner, a, b, browser, at };
}

/** How often `work` reads from the store. */
async function readsOf(inner: HeldStore, work: () => Promise<unknown>): Promise<number> {
  const { reads } = inner;
  await work();
  return inner.reads - reads;
}

describe('a request with a cached session', () => {
  it.each(['GET', 'HEAD'])('by %s reads nothing from the store', async (method) => {
    const { inner, browser } = await twoApps();
    expect(await readsOf(inner, () => browser.send(method, '/'))).toBe(0);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('by %s reads the session', async (method) => {
    const { inner, browser } = await twoApps();
    expect(await readsOf(inner, () => browser.send(method, '/'))).toBe(1);
  });

  it('makes no store call at all while no renewal is due', async () => {
    const { inner, browser } = await twoApps();
    const { reads, writes } = inner;
    for (let n = 0; n < 20; n++) await browser.get('/');
    expect({ reads: inner.reads - reads, writes: inner.writes - writes }).toEqual({ reads: 0, writes: 0 });
  });

  it('sees a change by another process once its event was heard', async () => {
    const { inner, browser, at, b } = await twoApps();
    inner.heldEvents = [];
    await at(b).post('/change');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    inner.announceHeld();
    expect((await browser.get('/')).json()).toEqual({ user: 'bob' });
  });

  it('sees a change by its own process at once', async () => {
    const { inner, browser } = await twoApps();
    inner.heldEvents = [];
    await browser.post('/change');
    expect((await browser.get('/')).json()).toEqual({ user: 'bob' });
  });

  it('does not see what another request did to its session object', async () => {
    const { browser } = await twoApps();
    await browser.get('/change');
    expect((await browser.get('/list')).json()).toEqual([1, 2]);
    expect((await browser.get('/list')).json()).toEqual([1, 2]);
  });

  it('that was rotated elsewhere is read, so that the new secret is not taken for a replaced one', async () => {
    const { inner, browser, at, b } = await twoApps({ onReplacedToken: 'destroy' });
    for (let n = 0; n < 20; n++) {
      inner.heldEvents = [];
      const other = at(b);
      await other.post('/rotate');
      browser.cookies.set('sid', other.cookies.get('sid')!);
      expect((await browser.get('/')).json(), `rotation ${n}`).toEqual({ user: 'ann' });
      inner.announceHeld();
    }
  });

  it('that was destroyed elsewhere is served until its event was heard, and not after that', async () => {
    const { inner, browser, at, b } = await twoApps();
    inner.heldEvents = [];
    await at(b).post('/destroy');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    inner.announceHeld();
    expect((await browser.get('/')).json()).toEqual({ user: null });
  });

  it('that was destroyed elsewhere cannot be written, although it is cached', async () => {
    const { inner, browser, at, b } = await twoApps();
    inner.heldEvents = [];
    await at(b).post('/destroy');
    const response = await browser.get('/save');
    expect(response.json()).toMatchObject({ error: 'SessionGoneError' });
    expect((await browser.get('/')).json()).toEqual({ user: null });
  });

  it('is read while the feed is lost', async () => {
    const { inner, browser } = await twoApps();
    inner.isFeedDown = true;
    inner.loseFeed();
    expect(await readsOf(inner, () => browser.get('/'))).toBe(1);
    expect(await readsOf(inner, () => browser.get('/'))).toBe(1);
  });

  it('is renewed in the store when that is due, and gets its cookie only then', async () => {
    const { inner, browser } = await twoApps({ cookie: { maxAge: 10_000 } });
    moveClocks({ steady: 2000, wall: 2000 });
    await untilFresh(inner);
    const { reads, writes } = inner;
    const renewed = await browser.get('/');
    const cookies = renewed.setCookies.length;
    const calls = { reads: inner.reads - reads, writes: inner.writes - writes };
    expect({ ...calls, cookies }).toEqual({ reads: 0, writes: 1, cookies: 1 });
    vi.spyOn(inner, 'update').mockRejectedValue(new Error('unreachable'));
    moveClocks({ steady: 2000, wall: 2000 });
    await untilFresh(inner);
    const failed = await browser.get('/');
    expect(failed).toMatchObject({ status: 200, setCookies: [] });
  });

  it('that has expired is gone, without an event', async () => {
    const { browser, inner } = await twoApps({ cookie: { maxAge: 1000 } });
    moveClocks({ steady: 2000, wall: 2000 });
    await untilFresh(inner);
    expect((await browser.get('/')).json()).toEqual({ user: null });
  });
});

describe('the option cache', () => {
  it('is off by default', async () => {
    const inner = new HeldStore();
    const app = await serveApp(HANDLERS, { store: inner });
    const browser = app.browser();
    await browser.post('/login');
    expect(await readsOf(inner, () => browser.get('/'))).toBe(1);
    expect(inner.sources).toBe(0);
  });

  it.each([true, {}, { maxSessions: 5, maxBytes: 1000, maxAge: 1000, sockets: true }])(
    'may be %o',
    async (cache) => {
      const inner = new HeldStore();
      const app = await serveApp(HANDLERS, { store: inner, cache });
      const browser = app.browser();
      await browser.post('/login');
      await browser.get('/');
      expect(await readsOf(inner, () => browser.get('/'))).toBe(0);
    },
  );

  it.each<[cache: unknown, message: string]>([
    [5, 'cache must be true, false or an object'],
    [null, 'cache must be true, false or an object'],
    [{ max: 5 }, 'Unknown cache option "max". Valid options: maxSessions, maxBytes, maxAge, sockets'],
    [{ sockets: 1 }, 'cache.sockets must be true or false'],
    [{ maxAge: 0 }, 'maxAge must be a positive number of milliseconds'],
  ])('is rejected as %j', (cache, message) => {
    const options = { secret: 'x', store: new HeldStore(), cache: cache as never };
    expect(() => sessionMiddleware(options)).toThrow(message);
  });

  it('is rejected for a store that is a cache already', () => {
    const store = new CachedStore(new HeldStore());
    expect(() => sessionMiddleware({ secret: 'x', store, cache: true })).toThrow(
      'cache must not be set for a store that is a CachedStore',
    );
  });

  it('fails each request on a store without a feed, with the reason', async () => {
    const app = await serveApp(HANDLERS, {
      store: fromExpressStore(new MemoryStore()),
      cache: true,
    });
    expect((await app.browser().get('/')).json()).toMatchObject({
      message: expect.stringContaining('a store of express-session does not announce changes'),
    });
  });
});

describe('the channel nestjs-session-stores:cache', () => {
  it('reports hits, misses, invalidations and the state of the feed', async () => {
    const messages: SessionCacheMessage[] = [];
    const listener = (message: unknown): void => void messages.push(message as SessionCacheMessage);
    subscribe('nestjs-session-stores:cache', listener);
    onTestFinished(() => void unsubscribe('nestjs-session-stores:cache', listener));
    const inner = new HeldStore();
    const app = await serveApp(HANDLERS, { store: inner, cache: true });
    const browser = app.browser();
    await browser.post('/login');
    const [id] = inner.ids();
    messages.length = 0;
    await browser.get('/');
    await browser.get('/');
    await inner.update({ id: id! }, { set: { a: '1' } });
    await browser.get('/');
    await browser.post('/save');
    inner.loseFeed();
    await browser.get('/');
    await eventually(() => messages.at(-1)?.type === 'live');
    const lag = expect.any(Number) as number;
    expect(messages).toEqual([
      { type: 'miss', id, reason: 'absent', lag },
      { type: 'hit', id, lag },
      { type: 'invalidated', id, by: 'feed' },
      { type: 'miss', id, reason: 'absent', lag },
      { type: 'invalidated', id, by: 'write' },
      { type: 'lost', reason: 'cut' },
      { type: 'miss', id, reason: 'not fresh', lag: Infinity },
      { type: 'live' },
    ]);
  });
});
