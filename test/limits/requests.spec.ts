import { MemoryStore } from 'express-session';
import { headerIdentity, type SessionView } from 'nestjs-session-stores';
import { fromExpressStore } from 'nestjs-session-stores/express';
import { describe, expect, it } from 'vitest';
import { serveApp, serveDropIn, tokenOf, type Handler, type TestApp, type TestSession } from '../http/app.js';
import type { Browser } from '../http/browser.js';
import { serviceOn } from '../http/service.js';
import { eventually } from '../eventually.js';

const idsOf = (views: readonly SessionView[]) => views.map(({ id }) => id);
const limitOf = (query: Record<string, unknown>) => ({
  max: Number(query['max'] ?? 2),
  whenFull: String(query['when'] ?? 'end-oldest') as 'end-oldest',
});

const handlers: Record<string, Handler> = {
  '/login': async (session, { query }) => {
    await session.regenerate();
    const ended = await session.joinGroup('user:1', limitOf(query));
    session['user'] = 'ann';
    return idsOf(ended);
  },
  '/join': async (session, { query }) => idsOf(await session.joinGroup('user:1', limitOf(query))),
  '/join/plainly/first': async (session) => {
    await session.joinGroup('user:1');
    return idsOf(await session.joinGroup('user:1', limitOf({ max: 1 })));
  },
  '/join/late': async (session, _, res) => {
    res.write('a');
    const error = await session.joinGroup('user:1', limitOf({})).then(
      () => 'joined',
      ({ message }: Error) => message,
    );
    res.end(error);
  },
  '/join/caught': async (session) => {
    const views = await session.joinGroup('user:1', limitOf({ when: 'reject' })).then(
      () => undefined,
      (error: { views?: SessionView[] }) => error.views,
    );
    session['tried'] = true;
    return { views };
  },
  '/set': (session) => {
    session['set'] = 'x';
  },
  '/who': async (session) => ({ user: session['user'] ?? null, groups: await session.groupNames() }),
  '/join/wrong/:kind': async (session, { params }) => {
    const wrong: Record<string, object> = {
      max: { max: 0, whenFull: 'reject' },
      when: { max: 1, whenFull: 'later' },
      none: { max: 1 },
      other: { max: 1, whenFull: 'reject', min: 1 },
      recent: { max: 1, whenFull: 'end-least-recent' },
    };
    return session.joinGroup('user:1', wrong[params['kind'] as string] as never).then(
      () => 'joined',
      ({ name, message }: Error) => ({ name, message }),
    );
  },
};

async function logIn(app: TestApp, query = ''): Promise<{ browser: Browser; ended: string[] }> {
  const browser = app.browser();
  const response = await browser.post(`/login?${query}`);
  expect(response.status).toBe(200);
  return { browser, ended: response.json<string[]>() };
}

const userOf = async (browser: Browser) => (await browser.get('/who')).json()['user'];

describe('a login that joins a group with a limit', () => {
  it('ends the oldest session, and resolves to it', async () => {
    const app = await serveApp(handlers);
    const [first, second] = [await logIn(app), await logIn(app)];
    const id = tokenOf(first.browser).id;
    const third = await logIn(app);
    expect({ first: first.ended, second: second.ended, third: third.ended }).toEqual({
      first: [],
      second: [],
      third: [id],
    });
    expect(await userOf(first.browser)).toBeNull();
    expect(await userOf(second.browser)).toBe('ann');
    expect(await userOf(third.browser)).toBe('ann');
    expect(await app.store.count('user:1')).toBe(2);
  });

  it('gets 409 from a full group that rejects, and its session stays outside', async () => {
    const app = await serveApp(handlers);
    for (let count = 0; count < 2; count++) await logIn(app, 'when=reject');
    const browser = app.browser();
    const response = await browser.post('/login?when=reject');
    expect(response.status).toBe(409);
    expect(response.json()).toEqual({
      error: 'SessionLimitError',
      message: 'there is room for 2 sessions, and all of it is in use. End a session first',
    });
    expect(await userOf(browser)).toBeNull();
    expect(await app.store.count('user:1')).toBe(2);
  });

  it('gets the views of the sessions inside, and may go on without joining', async () => {
    const app = await serveApp(handlers);
    const members = [await logIn(app), await logIn(app)].map(({ browser }) => tokenOf(browser).id);
    const response = await app.browser().post('/join/caught');
    const { views } = response.json<{ views: SessionView[] }>();
    expect(idsOf(views).toSorted()).toEqual(members.toSorted());
    expect(views.map(({ data }) => data['user'])).toEqual(['ann', 'ann']);
  });

  it('that joins again keeps its place, whatever it assigned', async () => {
    const app = await serveApp(handlers);
    const first = await logIn(app);
    const second = await logIn(app);
    expect((await first.browser.post('/join?max=1')).json()).toEqual([]);
    expect((await logIn(app)).ended).toEqual([tokenOf(first.browser).id]);
    expect(await userOf(second.browser)).toBe('ann');
  });

  it('joins with the limit, even if it joined the group without one in the same request', async () => {
    const app = await serveApp(handlers);
    const { browser } = await logIn(app);
    const id = tokenOf(browser).id;
    expect((await app.browser().post('/join/plainly/first')).json()).toEqual([id]);
  });

  it('lowers the number of sessions when the limit was lowered', async () => {
    const app = await serveApp(handlers);
    for (let count = 0; count < 4; count++) await logIn(app, 'max=4');
    expect((await logIn(app, 'max=2')).ended).toHaveLength(3);
    expect(await app.store.count('user:1')).toBe(2);
  });
});

describe('a session that joins a group with a limit', () => {
  it('is created at once, for a minute, and for its whole lifetime with the response', async () => {
    const app = await serveApp({
      ...handlers,
      '/peek': async (session) => {
        await session.joinGroup('user:1', limitOf({}));
        return (await app.store.read(session.id))!.expiresAt - Date.now();
      },
    });
    const browser = app.browser();
    const left = (await browser.post('/peek')).json<number>();
    expect(left).toBeGreaterThan(50_000);
    expect(left).toBeLessThanOrEqual(60_000);
    const stored = await app.store.read(tokenOf(browser).id);
    expect(stored!.expiresAt - Date.now()).toBeGreaterThan(23 * 60 * 60_000);
  });

  it.each([false, true])(
    'says in its first request that it lives its whole lifetime (passive: %s)',
    async (isPassive) => {
      const app = await serveApp(
        {
          '/left': async (session) => {
            await session.joinGroup('user:1', limitOf({}));
            return session.idleExpiresAt - Date.now();
          },
        },
        { passive: () => isPassive },
      );
      expect((await app.browser().post('/left')).json<number>()).toBeGreaterThan(23 * 60 * 60_000);
    },
  );

  it('lives its whole lifetime after a passive request too', async () => {
    const app = await serveApp(handlers, { passive: () => true });
    const browser = app.browser();
    await browser.post('/join');
    const stored = await app.store.read(tokenOf(browser).id);
    expect(stored!.expiresAt - Date.now()).toBeGreaterThan(23 * 60 * 60_000);
  });

  it.each([
    { passive: false, rolling: false },
    { passive: true, rolling: undefined },
  ])(
    'lives its whole lifetime if it is reloaded, with $passive and $rolling',
    async ({ passive, rolling }) => {
      const app = await serveApp(
        {
          '/reloaded': async (session) => {
            await session.joinGroup('user:1', limitOf({}));
            await session.reload();
          },
        },
        { passive: () => passive, rolling, cookie: { maxAge: 24 * 60 * 60_000 } },
      );
      const browser = app.browser();
      const { setCookies } = await browser.post('/reloaded');
      const stored = await app.store.read(tokenOf(browser).id);
      expect(stored!.expiresAt - Date.now()).toBeGreaterThan(23 * 60 * 60_000);
      const [, expires] = /Expires=([^;]+)/.exec(setCookies[0]!)!;
      expect(Date.parse(expires!) - Date.now()).toBeGreaterThan(23 * 60 * 60_000);
    },
  );

  it('shows the group, though a reload that was not awaited came first', async () => {
    const app = await serveApp({
      ...handlers,
      '/unawaited': async (session) => {
        void session.reload();
        await session.joinGroup('user:1', limitOf({}));
        return session.groupNames();
      },
    });
    const browser = app.browser();
    await browser.post('/set');
    expect((await browser.post('/unawaited')).json()).toEqual(['user:1']);
  });

  it('is not in the group after regenerate() or destroy()', async () => {
    const app = await serveApp({
      '/regenerated': async (session) => {
        await session.joinGroup('user:1', limitOf({}));
        await session.regenerate();
        session['user'] = 'ann';
        return session.groupNames();
      },
      '/destroyed': async (session) => {
        await session.joinGroup('user:1', limitOf({}));
        await session.destroy();
      },
    });
    expect((await app.browser().post('/regenerated')).json()).toEqual([]);
    const browser = app.browser();
    expect((await browser.post('/destroyed')).status).toBe(200);
    expect(browser.cookies.has('sid')).toBe(false);
    expect(await app.store.count('user:1')).toBe(0);
    expect(await app.store.count()).toBe(1);
  });

  it('keeps its place when one browser joins in parallel requests', async () => {
    const app = await serveApp(handlers);
    const other = await logIn(app);
    const browser = app.browser();
    await browser.post('/set');
    const responses = await Promise.all(Array.from({ length: 10 }, () => browser.clone().post('/join')));
    expect(responses.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(responses.flatMap((response) => response.json<string[]>())).toEqual([]);
    expect(await app.store.count('user:1')).toBe(2);
    expect(await userOf(other.browser)).toBe('ann');
  });

  it('is not created if its maxAge is over', async () => {
    const app = await serveApp({
      '/over': async (session) => {
        session.cookie.maxAge = -1;
        return session.joinGroup('user:1', limitOf({})).then(
          () => 'joined',
          ({ name }: Error) => name,
        );
      },
    });
    expect((await app.browser().post('/over')).json()).toBe('SessionGoneError');
    expect(await app.store.count()).toBe(0);
  });

  it.each([
    { idleTimeout: Infinity, least: 8e15 },
    { absoluteTimeout: 30_000, least: 0 },
  ])('keeps to $idleTimeout and $absoluteTimeout', async ({ least, ...options }) => {
    const app = await serveApp(handlers, options);
    const browser = app.browser();
    await browser.post('/join');
    const { expiresAt, createdAt } = (await app.store.read(tokenOf(browser).id))!;
    expect(expiresAt).toBeGreaterThan(least);
    expect(expiresAt - createdAt).toBeLessThanOrEqual(options.absoluteTimeout ?? Infinity);
  });

  it('keeps its data and its other groups', async () => {
    const app = await serveApp(handlers);
    const browser = app.browser();
    await browser.post('/set');
    await browser.post('/join');
    const { data, groups } = (await app.store.read(tokenOf(browser).id))!;
    expect({ ...data, groups }).toMatchObject({ set: '"x"', groups: ['user:1'] });
  });

  it('rejects once the response has begun', async () => {
    const app = await serveApp(handlers);
    const response = await app.browser().post('/join/late');
    expect(response.text).toContain('joinGroup: the response has begun');
    expect(await app.store.count('user:1')).toBe(0);
  });

  it('rejects with a SessionGoneError if it was destroyed meanwhile', async () => {
    const app = await serveApp({
      ...handlers,
      '/gone': async (session: TestSession) => {
        await app.store.destroy(session.id);
        return session.joinGroup('user:1', limitOf({})).then(
          () => 'joined',
          ({ name, message }: Error) => ({ name, message }),
        );
      },
    });
    const { browser } = await logIn(app, 'max=5');
    await app.store.update({ id: tokenOf(browser).id }, { leave: ['user:1'] });
    expect((await browser.post('/gone')).json()).toMatchObject({
      name: 'SessionGoneError',
      message: expect.stringContaining('joinGroup: the session was destroyed'),
    });
  });

  it.each([
    { kind: 'max', message: 'max must be a whole number of sessions, 1 or more: write { max: 3, whenFull }' },
    { kind: 'when', message: "whenFull must be 'end-oldest', 'end-least-recent' or 'reject'" },
    { kind: 'none', message: "whenFull must be 'end-oldest', 'end-least-recent' or 'reject'" },
    { kind: 'other', message: 'Unknown joinGroup option "min". Valid options: max, whenFull' },
    {
      kind: 'recent',
      message:
        "whenFull: 'end-least-recent' needs to know when sessions were last used: set the option client, or write 'end-oldest'",
    },
  ])('rejects a wrong limit ($kind) with a TypeError', async ({ kind, message }) => {
    const app = await serveApp(handlers);
    expect((await app.browser().post(`/join/wrong/${kind}`)).json()).toEqual({ name: 'TypeError', message });
    expect(await app.store.count()).toBe(0);
  });
});

describe('a login that joins a group with a limit', () => {
  it('gets its token in a header too', async () => {
    const app = await serveApp(handlers, { identities: [headerIdentity()] });
    const login = async () => (await app.browser().post('/login?max=1')).headers['x-auth-token'] as string;
    const who = async (token: string) =>
      (await app.browser().send('GET', '/who', { headers: { 'x-auth-token': token } })).json()['user'];
    const [first, second] = [await login(), await login()];
    expect(await who(second)).toBe('ann');
    expect(await who(first)).toBeNull();
  });

  it('works in the drop-in, with resave, rolling and saveUninitialized', async () => {
    const app = await serveDropIn(handlers, { resave: true, rolling: true, saveUninitialized: true });
    const [first, second] = [app.browser(), app.browser()];
    for (const browser of [first, second]) expect((await browser.post('/login?max=1')).status).toBe(200);
    expect(await userOf(first)).toBeNull();
    expect(await userOf(second)).toBe('ann');
    const { expiresAt } = (await app.store.read(tokenOf(second).id))!;
    expect(expiresAt - Date.now()).toBeGreaterThan(23 * 60 * 60_000);
  });

  it('fails on a store for express-session, which says that it has no groups', async () => {
    const store = fromExpressStore(new MemoryStore());
    const app = await serveDropIn(handlers, { store });
    const browser = app.browser();
    expect((await browser.post('/login')).status).toBeGreaterThanOrEqual(500);
    expect(await userOf(browser)).toBeNull();
    await expect(store.joinLimited({ id: 'a' }, { group: 'g', max: 1, whenFull: 'reject' })).rejects.toThrow(
      'an express-session store cannot keep groups',
    );
  });
});

describe('SessionService.create', () => {
  const start = async () => {
    const app = await serveApp(handlers, { client: true });
    const service = await serviceOn(app.store, { client: true });
    return { app, service };
  };
  const group = (max: number, whenFull: 'end-oldest' | 'reject', name = 'user:1') => ({
    name,
    max,
    whenFull,
  });

  it('joins groups with a limit, and shows them', async () => {
    const { app, service } = await start();
    const first = await service.create({}, { groups: [group(1, 'end-oldest'), 'tenant:1'] });
    expect(first.session.groups.toSorted()).toEqual(['tenant:1', 'user:1']);
    const second = await service.create({}, { groups: [group(1, 'end-oldest')] });
    expect(await service.find(first.session.id)).toBeUndefined();
    const found = await service.find(second.session.id);
    expect(found!.expiresAt - Date.now()).toBeGreaterThan(23 * 60 * 60_000);
    expect(await app.store.count('user:1')).toBe(1);
  });

  it('joins with the limit, even if the group is also named without one', async () => {
    const { app, service } = await start();
    const first = await service.create({}, { groups: [group(1, 'end-oldest')] });
    await service.create({}, { groups: ['user:1', group(1, 'end-oldest')] });
    expect(await service.find(first.session.id)).toBeUndefined();
    expect(await app.store.count('user:1')).toBe(1);
  });

  it('rejects with a SessionLimitError, leaves no session, and ends none', async () => {
    const { app, service } = await start();
    const other = await service.create({}, { groups: [group(1, 'end-oldest', 'tenant:1')] });
    const inside = await service.create({ user: 'Ann Smith' }, { groups: [group(1, 'reject')] });
    const groups = [group(1, 'end-oldest', 'tenant:1'), group(1, 'reject')];
    const error = await service.create({}, { groups }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'SessionLimitError', statusCode: 409 });
    expect(idsOf((error as { views: SessionView[] }).views)).toEqual([inside.session.id]);
    expect(JSON.stringify(error)).not.toContain('Smith');
    expect(await service.find(other.session.id)).toBeDefined();
    await eventually(async () => expect(await app.store.count()).toBe(2));
  });
});
