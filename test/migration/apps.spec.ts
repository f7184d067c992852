import { randomUUID } from 'node:crypto';
import express from 'express';
import expressSession, { MemoryStore, type SessionOptions as ExpressOptions } from 'express-session';
import { sessionMiddleware } from 'nestjs-session-stores';
import { MigratingStore, type SessionRecord, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { dataOf, serveApp, tokenOf, type Handler, type TestApp } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serve } from '../http/server.js';
import { serviceOn } from '../http/service.js';

const groupsOf = (data: Record<string, unknown>): string[] =>
  typeof data['user'] === 'string' ? [`user:${data['user']}`] : [];

const handlers: Record<string, Handler> = {
  '/login': async (session, req) => {
    await session.regenerate();
    session['user'] = String(req.query['user'] ?? 'ada');
    session.joinGroup(`user:${session['user']}`);
  },
  '/visit': (session) => {
    session['visits'] = (session['visits'] ?? 0) + 1;
  },
  '/logout': (session) => session.destroy(),
  '/': dataOf,
};

/** The app as it was before, with express-session. */
async function serveOld(store: MemoryStore, cookie: ExpressOptions['cookie'] = {}): Promise<string> {
  const app = express();
  app.use(
    expressSession({ secret: 'app', name: 'sid', resave: false, saveUninitialized: false, store, cookie }),
  );
  app.all('/login', (req, res) => {
    Object.assign(req.session, { user: 'ada' });
    res.json(null);
  });
  app.all('/visit', (req, res) => {
    const session = req.session as { visits?: number };
    session.visits = (session.visits ?? 0) + 1;
    res.json(null);
  });
  app.get('/', (req, res) => res.json({ ...req.session, cookie: undefined }));
  const server = await serve(app);
  onTestFinished(() => server.close());
  return server.url;
}

function newStore(name: string = randomUUID()): SessionStore {
  return new ClusterStore({ name });
}

async function recordsOf(name: string): Promise<SessionRecord[]> {
  const store = newStore(name);
  await store.open();
  const { records } = await store.page({ limit: 10 });
  await store.close();
  return records;
}

/** The app on the new store, as it migrates. `there` are its sessions. */
function serveNew(memory: MemoryStore, move: boolean, there: string, more: object = {}): Promise<TestApp> {
  const migrateFrom = { store: fromExpressStore(memory), move, groupsOf };
  return serveApp(handlers, { store: newStore(there), migrateFrom, ...more });
}

/** The same browser, at another process. */
function at(url: string, { cookies }: Browser): Browser {
  const browser = new Browser(url);
  for (const [name, value] of cookies) browser.cookies.set(name, value);
  return browser;
}

afterEach(() => vi.useRealTimers());

describe('an app whose sessions are in an express-session store', () => {
  it('serves them without a move: the old app still reads what it writes, by the same cookie', async () => {
    const memory = new MemoryStore();
    const old = await serveOld(memory);
    const browser = new Browser(old);
    await browser.post('/login');
    const app = await serveNew(memory, false, randomUUID());

    const here = at(app.url, browser);
    expect((await here.post('/visit')).setCookies).toEqual([]);
    expect((await at(old, browser).get('/')).json()).toEqual({ user: 'ada', visits: 1 });
    expect((await here.get('/')).json()).toEqual({ user: 'ada', visits: 1 });
  });

  it('creates sessions that the old app can use, until it moves them', async () => {
    const memory = new MemoryStore();
    const old = await serveOld(memory);
    const app = await serveNew(memory, false, randomUUID());
    const browser = app.browser();
    await browser.post('/login');

    expect(tokenOf(browser).secret).not.toMatch(/^[\w-]{32}$/);
    expect((await at(old, browser).get('/')).json()).toEqual({ user: 'ada' });
  });

  it('moves them when they are used, and gives their clients a secret', async () => {
    const memory = new MemoryStore();
    const browser = new Browser(await serveOld(memory));
    await browser.post('/login');
    const before = new Map(browser.cookies);
    const app = await serveNew(memory, true, randomUUID());

    const here = at(app.url, browser);
    expect((await here.get('/')).json()).toEqual({ user: 'ada' });
    expect(here.cookies.get('sid')).not.toEqual(before.get('sid'));
    expect(tokenOf(here).secret).toMatch(/^[\w-]{32}$/);
    expect(tokenOf(here).id).toBe(tokenOf(browser).id);
    expect(Object.keys((memory as unknown as { sessions: object }).sessions)).toEqual([]);
    expect((await here.post('/visit')).status).toBe(200);
    expect((await here.get('/')).json()).toEqual({ user: 'ada', visits: 1 });
  });

  it('accepts the old cookie for a grace, and rejects it afterwards', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const memory = new MemoryStore();
    const browser = new Browser(await serveOld(memory));
    await browser.post('/login');
    const app = await serveNew(memory, true, randomUUID());
    const here = at(app.url, browser);
    await here.get('/');
    await here.get('/');

    expect((await at(app.url, browser).get('/')).json()).toEqual({ user: 'ada' });
    vi.setSystemTime(Date.now() + 31_000);
    expect((await at(app.url, browser).get('/')).json()).toEqual({});
    expect((await here.get('/')).json()).toEqual({ user: 'ada' });
  });

  it('finds a session that moved in processes that do not move any yet', async () => {
    const memory = new MemoryStore();
    const browser = new Browser(await serveOld(memory));
    await browser.post('/login');
    const there = randomUUID();
    const early = await serveNew(memory, false, there);
    const late = await serveNew(memory, true, there);

    const here = at(late.url, browser);
    await here.post('/visit');
    expect((await at(early.url, here).get('/')).json()).toEqual({ user: 'ada', visits: 1 });
    await at(early.url, here).post('/visit');
    expect((await here.get('/')).json()).toEqual({ user: 'ada', visits: 2 });
    const other = early.browser();
    await other.post('/login?user=bob');
    expect((await at(late.url, other).get('/')).json()).toEqual({ user: 'bob' });
  });

  it.each([false, true])('ends them in both stores at a logout, with move: %s', async (move) => {
    const memory = new MemoryStore();
    const old = await serveOld(memory);
    const browser = new Browser(old);
    await browser.post('/login');
    const app = await serveNew(memory, move, randomUUID());

    await at(app.url, browser).post('/logout');
    expect((await at(app.url, browser).get('/')).json()).toEqual({});
    expect((await at(old, browser).get('/')).json()).toEqual({});
  });

  it.each([false, true])('clears the groups of groupsOf in both stores, with move: %s', async (move) => {
    const memory = new MemoryStore();
    const old = await serveOld(memory);
    const [moved, left] = [new Browser(old), new Browser(old)];
    await moved.post('/login');
    await left.post('/login');
    const there = randomUUID();
    const app = await serveNew(memory, true, there);
    const here = at(app.url, moved);
    await here.get('/');
    const service = await serviceOn(newStore(there), {
      migrateFrom: { store: fromExpressStore(memory), move, groupsOf },
    });

    expect(await service.count('user:ada')).toBe(2);
    expect((await service.migration())?.left).toBe(1);
    expect(await service.clearGroup('user:ada')).toBe(2);
    expect((await here.get('/')).json()).toEqual({});
    expect((await at(app.url, left).get('/')).json()).toEqual({});
    expect(await service.migration()).toEqual({ move, left: 0 });
  });

  it('rejects a clear of a group without groupsOf', async () => {
    const service = await serviceOn(newStore(), {
      migrateFrom: { store: fromExpressStore(new MemoryStore()), move: true },
    });
    await expect(service.clearGroup('user:ada')).rejects.toThrow(
      'the groups of sessions in an express-session store are not known: write migrateFrom: { groupsOf',
    );
  });

  it('gives a session without an age of its cookie the idle timeout when it moves', async () => {
    const memory = new MemoryStore();
    const browser = new Browser(await serveOld(memory));
    await browser.post('/login');
    const there = randomUUID();
    const app = await serveNew(memory, true, there, { idleTimeout: 60_000, cookie: { maxAge: 60_000 } });
    await at(app.url, browser).get('/');
    const records = await recordsOf(there);
    expect(records[0]!.expiresAt - Date.now()).toBeLessThanOrEqual(60_000);
    expect(records[0]!.data['cookie']).toBe('{"maxAge":null}');
  });

  it('keeps the age of the cookie that a session has', async () => {
    const memory = new MemoryStore();
    const browser = new Browser(await serveOld(memory, { maxAge: 90_000 }));
    await browser.post('/login');
    const there = randomUUID();
    const app = await serveNew(memory, true, there);
    await at(app.url, browser).get('/');
    const records = await recordsOf(there);
    const left = records[0]!.expiresAt - Date.now();
    expect(left).toBeGreaterThan(80_000);
    expect(left).toBeLessThanOrEqual(90_000);
  });

  it('logs in, joins a group and limits it without a move', async () => {
    const memory = new MemoryStore();
    const app = await serveApp(
      {
        ...handlers,
        '/login': async (session) => {
          await session.regenerate();
          session['user'] = 'ada';
          await session.joinGroup('user:ada', { max: 2, whenFull: 'end-oldest' });
        },
      },
      { store: newStore(), migrateFrom: { store: fromExpressStore(memory), move: false, groupsOf } },
    );
    const browsers = [app.browser(), app.browser(), app.browser()];
    for (const browser of browsers) expect((await browser.post('/login')).status).toBe(200);
    const users = await Promise.all(browsers.map(async (browser) => (await browser.get('/')).json()['user']));
    expect(users.filter((user) => user === 'ada')).toHaveLength(2);
  });
});

describe('a migration', () => {
  const invalid: [string, object, RegExp][] = [
    ['without a store', { move: true }, /migrateFrom.store is required: write migrateFrom/],
    ['without move', { store: newStore() }, /migrateFrom.move is required: write false until/],
    [
      'with an express-session store',
      { store: new MemoryStore(), move: true },
      /write store: fromExpressStore\(store\)/,
    ],
    ['with no store', { store: {}, move: true }, /migrateFrom.store must be a store/],
    [
      'with groupsOf for a store that keeps groups',
      { store: newStore(), move: true, groupsOf },
      /only for express-session/,
    ],
    [
      'with an unknown option',
      { store: newStore(), move: true, moves: 1 },
      /Unknown migrateFrom option "moves"/,
    ],
  ];
  it.each(invalid)('is rejected %s', (_, options, message) => {
    expect(() => new MigratingStore(newStore(), options as never)).toThrow(message);
  });

  it.each(['idleTimeout', 'logger'])('is rejected with %s in migrateFrom, which would be ignored', (name) => {
    const migrateFrom = { store: newStore(), move: true, [name]: 1000 };
    expect(() => sessionMiddleware({ secret: 'app', store: newStore(), migrateFrom })).toThrow(
      `Unknown migrateFrom option "${name}". Write ${name} beside migrateFrom.`,
    );
  });

  it('is rejected if it would go from a store to itself, or to an express-session store', () => {
    const store = newStore();
    expect(() => new MigratingStore(store, { store, move: true })).toThrow(/must not be the store to which/);
    const foreign = fromExpressStore(new MemoryStore());
    expect(() => new MigratingStore(foreign, { store, move: true })).toThrow(
      /cannot move to an express-session/,
    );
  });
});
