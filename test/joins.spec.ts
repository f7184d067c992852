import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { serveApp, tokenOf, type Handler, type TestSession } from './http/app.js';
import type { Browser } from './http/browser.js';

const byCallback = (session: TestSession): Promise<void> =>
  new Promise((resolve, reject) => {
    session.regenerate((error) => (error ? reject(error as Error) : resolve()));
  });

/** Handlers around a login, which joins a group before it regenerates in the given way. */
const handlers = (regenerate: (session: TestSession) => Promise<unknown>): Record<string, Handler> => ({
  '/start': (session) => session.joinGroup('old'),
  '/login': async (session, req) => {
    await session.joinGroup('user:1');
    await regenerate(session);
    (req.session as unknown as TestSession)['user'] = 'ann';
  },
  '/login/left': async (session) => {
    await session.joinGroup('user:1');
    await session.leaveGroup('user:1');
    await regenerate(session);
  },
  '/login/saved': async (session) => {
    await session.joinGroup('user:1');
    await session.save();
    await regenerate(session);
  },
  '/login/again': async (session) => {
    await session.joinGroup('old');
    await regenerate(session);
  },
  '/name/:group': (session, req) => session.setGroupName(String(req.params['group'])),
  '/login/name/:group': async (session, req) => {
    await session.setGroupName(String(req.params['group']));
    await regenerate(session);
  },
  '/groups': async (session) => (await session.groupNames()).toSorted(),
});

function inDevelopment(): void {
  vi.stubEnv('NODE_ENV', 'development');
  onTestFinished(() => void vi.unstubAllEnvs());
}

const groupsOf = async (browser: Browser): Promise<unknown> => (await browser.get('/groups')).json();

describe.each([
  ['awaited', (session: TestSession) => session.regenerate()],
  ['with a callback', byCallback],
])('regenerate, %s,', (_, regenerate) => {
  const start = async (path = '/start') => {
    const app = await serveApp(handlers(regenerate));
    const browser = app.browser();
    await browser.post(path);
    return { app, browser };
  };

  it('puts the new session into the groups that the request has joined, and into no others', async () => {
    const { app, browser } = await start();
    await browser.post('/login');
    expect(await groupsOf(browser)).toEqual(['user:1']);
    expect(await app.store.count('user:1')).toBe(1);
    expect(await app.store.count('old')).toBe(0);
    expect(app.logged).toEqual([]);
  });

  it('does so for a session that is not stored yet', async () => {
    const { app } = await start();
    const browser = app.browser();
    await browser.post('/login');
    expect(await groupsOf(browser)).toEqual(['user:1']);
  });

  it('does not take over a group that was left again, or that was already saved', async () => {
    const { browser } = await start();
    await browser.post('/login/left');
    expect(await groupsOf(browser)).toEqual([]);
    await browser.post('/login/saved');
    expect(await groupsOf(browser)).toEqual([]);
  });

  it('logs, in development, a group that the request joined again, because the new session is not in it', async () => {
    inDevelopment();
    const { app, browser } = await start();
    await browser.post('/login/again');
    expect(await groupsOf(browser)).toEqual([]);
    expect(app.logged).toEqual([
      'joinGroup() was called before regenerate(), with a limit or for a group that the old session was already in, so the new session is not in the group. Call joinGroup() after regenerate()',
    ]);
  });

  it('logs nothing if the request joins that group after it too', async () => {
    inDevelopment();
    const app = await serveApp({
      ...handlers(regenerate),
      '/login/twice': async (session, req) => {
        await session.joinGroup('old');
        await regenerate(session);
        await (req.session as unknown as TestSession).joinGroup('old');
      },
    });
    const browser = app.browser();
    await browser.post('/start');
    await browser.post('/login/twice');
    expect(await groupsOf(browser)).toEqual(['old']);
    expect(app.logged).toEqual([]);
  });

  it('keeps the group that setGroupName has set in the request, which the next one replaces', async () => {
    const { app, browser } = await start('/name/one');
    await browser.post('/login/name/two');
    expect(await groupsOf(browser)).toEqual(['two']);
    await browser.post('/name/three');
    expect(await groupsOf(browser)).toEqual(['three']);
    expect(await app.store.count()).toBe(1);
  });

  it('that fails puts the joins and the group name back, and fails the request unless it gives them up', async () => {
    const app = await serveApp({
      ...handlers(regenerate),
      '/fail': async (session) => {
        await session.joinGroup('joined');
        await session.setGroupName('two');
        app.store.failing = ['regenerate'];
        const error = await regenerate(session).catch((reason: Error) => reason);
        app.store.failing = false;
        names = [(error as Error).name, ...(await session.groupNames()).toSorted()];
      },
    });
    let names: string[] = [];
    const browser = app.browser();
    await browser.post('/name/one');
    const { id } = tokenOf(browser);
    expect((await browser.post('/fail')).status).toBe(503);
    expect(names).toEqual(['SessionStoreError', 'joined', 'two']);
    expect(tokenOf(browser).id).toBe(id);
    expect(await groupsOf(browser)).toEqual(['one']);
    await browser.post('/name/three');
    expect(await groupsOf(browser)).toEqual(['three']);
  });
});
