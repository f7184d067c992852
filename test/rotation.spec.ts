import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionRecord } from 'nestjs-session-stores/store';
import { Gates } from './http/gates.js';
import { simulate } from './http/rotating.clients.js';
import {
  dataOf,
  loggedIn,
  serveApp,
  tokenOf,
  type Handler,
  type TestApp,
  type TestSession,
} from './http/app.js';
import type { Browser } from './http/browser.js';
import type { RecordingStore } from './stores/recording.store.js';

const GRACE = 30_000;

const login: Handler = async (session) => {
  await session.regenerate();
  session.user = 'ann';
  session.joinGroup('user:ann');
};
const rotate: Handler = (session) => session.rotate();
const id: Handler = (session) => session.id;
const groups: Handler = (session) => session.groupNames();
const HANDLERS = { '/login': login, '/rotate': rotate, '/id': id, '/groups': groups, '/': dataOf };

const userOf = async (browser: Browser): Promise<unknown> => (await browser.get('/')).json()['user'] ?? null;

const retirements = (store: RecordingStore): number =>
  store.calls.filter(({ change }) => change?.retirePrevious).length;

// The server uses the fake clock of the spec: a grace passes in no time, and a busy machine does not prolong it.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

describe('a rotation', () => {
  it('gives the client a new secret for the same id, and leaves data and groups unchanged', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    const before = tokenOf(browser);
    const { setCookies } = await browser.get('/rotate');
    expect(setCookies).toHaveLength(1);
    const after = tokenOf(browser);
    expect(after.id).toBe(before.id);
    expect(after.secret).not.toBe(before.secret);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    expect((await browser.get('/groups')).json()).toEqual(['user:ann']);
    expect(await app.store.count('user:ann')).toBe(1);
  });

  it('keeps the old secret valid during the grace, without sending it cookies or rotating again', async () => {
    const app = await serveApp(HANDLERS, { rolling: true, cookie: { maxAge: 60_000_000 } });
    const browser = await loggedIn(app);
    const old = browser.clone();
    await browser.get('/rotate');
    pass(GRACE - 1);
    const record = await app.store.read(tokenOf(browser).id);
    for (const path of ['/', '/rotate', '/id']) {
      const response = await old.get(path);
      expect(response.status, path).toBe(200);
      expect(response.setCookies, path).toEqual([]);
    }
    expect((await old.get('/id')).json<string>()).toBe(tokenOf(browser).id);
    const { secretHash, previous } = (await app.store.read(tokenOf(browser).id))!;
    expect({ secretHash, previous }).toEqual({ secretHash: record!.secretHash, previous: record!.previous });
    expect(await userOf(browser)).toBe('ann');
  });

  it('is completed once, by the first request with the new secret', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    const old = browser.clone();
    await browser.get('/rotate');
    app.store.take();
    await old.get('/');
    expect(retirements(app.store)).toBe(0);
    await browser.get('/');
    expect(app.store.calls.map(({ operation }) => operation)).toEqual(['read', 'read', 'update']);
    expect(Object.keys(app.store.calls[2]!.change!)).toEqual(['retirePrevious']);
    app.store.take();
    await browser.get('/');
    await old.get('/');
    expect(app.store.take()).toEqual(['read', 'read']);
  });

  it('is completed by the next request if the first one cannot store that, and the first one still succeeds', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    await browser.get('/rotate');
    app.store.failing = ['update'];
    expect((await browser.get('/')).status).toBe(200);
    expect(app.logged).toEqual([expect.stringContaining('sessions are not renewed')]);
    app.store.failing = false;
    app.store.take();
    await browser.get('/');
    expect(retirements(app.store)).toBe(1);
  });

  it('invalidates the old secret one grace after the new one was presented, and logs its further use', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    const old = browser.clone();
    await browser.get('/rotate');
    pass(9 * GRACE);
    await browser.get('/');
    pass(GRACE - 1);
    expect(await userOf(old)).toBe('ann');
    expect(app.logged).toEqual([]);

    pass(1);
    app.store.take();
    expect((await old.get('/')).json()).toEqual({});
    expect((await old.get('/id')).json<string>()).not.toBe(tokenOf(browser).id);
    expect(app.store.take()).toEqual(['read', 'read']);
    expect(app.logged).toEqual([expect.stringContaining(tokenOf(browser).id)]);
    for (const { secret } of [tokenOf(old), tokenOf(browser)]) {
      expect(app.logged.join('\n')).not.toContain(secret);
    }
    expect(await userOf(browser)).toBe('ann');
  });

  it('whose response was lost is repeated for a request with the old secret after the grace', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    const lost = browser.clone();
    await lost.get('/rotate');
    const before = tokenOf(browser);

    pass(GRACE - 1);
    expect((await browser.get('/')).setCookies).toEqual([]);
    pass(1);
    const repeated = await browser.get('/');
    expect(repeated.json()).toEqual({ user: 'ann' });
    expect(repeated.setCookies).toHaveLength(1);
    const after = tokenOf(browser);
    expect(after.id).toBe(before.id);
    expect([before.secret, tokenOf(lost).secret]).not.toContain(after.secret);

    await browser.get('/');
    pass(2 * GRACE);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    expect(app.logged).toEqual([]);
    // The secret that never reached the client is no longer valid.
    expect((await lost.get('/')).json()).toEqual({});
  });

  it('whose response is lost every time is repeated for ten graces, and then the old token is a replaced one', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    await browser.clone().get('/rotate');
    for (let time = 1; time < 10; time++) {
      pass(GRACE);
      const lost = await browser.clone().get('/');
      expect(lost.json()).toEqual({ user: 'ann' });
      expect(lost.setCookies).toHaveLength(1);
    }
    expect(app.logged).toEqual([]);
    pass(GRACE);
    expect((await browser.get('/')).json()).toEqual({});
    expect(app.logged).toEqual([expect.stringContaining('a replaced token was presented')]);
  });

  it('whose new token is used late does not make the old one valid again', async () => {
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    const old = browser.clone();
    await browser.get('/rotate');
    pass(10 * GRACE);
    expect(await userOf(old)).toBe(null);
    expect(await userOf(browser)).toBe('ann');
    expect(await userOf(old)).toBe(null);
  });

  it.each(['refuse', 'destroy'] as const)(
    'that was repeated for a stolen token makes the token of the owner a replaced one, with onReplacedToken: %o',
    async (onReplacedToken) => {
      const app = await serveApp(HANDLERS, { onReplacedToken });
      const owner = await loggedIn(app);
      const thief = owner.clone();
      await owner.get('/rotate');
      pass(GRACE);
      expect((await thief.get('/')).setCookies).toHaveLength(1);
      expect(await userOf(owner)).toBe(null);
      expect(app.logged).toEqual([expect.stringContaining('The token may have been stolen')]);
      expect(await userOf(thief)).toBe(onReplacedToken === 'destroy' ? null : 'ann');
    },
  );

  it('whose response was lost is repeated once for parallel requests, and one of them gets the cookie', async () => {
    const gates = new Gates();
    const app = await serveApp(HANDLERS);
    const browser = await loggedIn(app);
    await browser.clone().get('/rotate');
    pass(GRACE);
    let waiting = 0;
    app.store.before = async (operation) => {
      if (operation === 'rotate' && ++waiting === 2) gates.open('both');
      if (operation === 'rotate') await gates.pass('both');
    };
    const responses = await Promise.all([browser.clone().get('/'), browser.clone().get('/')]);
    expect(responses.map((response) => response.json())).toEqual([{ user: 'ann' }, { user: 'ann' }]);
    expect(responses.flatMap(({ setCookies }) => setCookies)).toHaveLength(1);
  });

  it('is not undone by a slower request that began before it, whose write is saved without a cookie', async () => {
    const gates = new Gates();
    const app = await serveApp(
      {
        ...HANDLERS,
        '/slow': async (session) => {
          session['theme'] = 'dark';
          await gates.pass('slow');
        },
      },
      { rolling: true, cookie: { maxAge: 60_000_000 } },
    );
    const browser = await loggedIn(app);
    const old = browser.clone();
    const slow = old.get('/slow');
    await gates.reached('slow');
    await browser.get('/rotate');
    const { secretHash } = (await app.store.read(tokenOf(browser).id))!;
    gates.open('slow');
    expect((await slow).setCookies).toEqual([]);

    const record = (await app.store.read(tokenOf(browser).id))!;
    expect(record.data['theme']).toBe('"dark"');
    expect(record.secretHash).toBe(secretHash);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', theme: 'dark' });
    pass(GRACE);
    expect((await old.get('/')).json()).toEqual({});
  });

  it('sends no cookie if its request outlasts the grace and the rotation was repeated meanwhile', async () => {
    const gates = new Gates();
    const app = await serveApp({
      ...HANDLERS,
      '/slow': async (session) => {
        await session.rotate();
        await gates.pass('slow');
        session['theme'] = 'dark';
      },
    });
    const browser = await loggedIn(app);
    const slow = browser.clone().get('/slow');
    await gates.reached('slow');
    pass(GRACE);
    expect((await browser.get('/')).setCookies).toHaveLength(1);
    gates.open('slow');
    expect((await slow).setCookies).toEqual([]);
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', theme: 'dark' });
  });

  it('by two requests at once is won by one, the other sends no cookie, and both clients stay logged in', async () => {
    const gates = new Gates();
    const app = await serveApp({
      ...HANDLERS,
      '/slow-rotate/:gate': async (session, req) => {
        await gates.pass(String(req.params['gate']));
        await session.rotate();
      },
    });
    const browser = await loggedIn(app);
    const [one, two] = [browser.clone(), browser.clone()];
    const responses = [one.get('/slow-rotate/1'), two.get('/slow-rotate/2')];
    await Promise.all([gates.reached('1'), gates.reached('2')]);
    gates.open('1');
    gates.open('2');
    expect((await Promise.all(responses)).flatMap(({ setCookies }) => setCookies)).toHaveLength(1);
    expect({ one: await userOf(one), two: await userOf(two) }).toEqual({ one: 'ann', two: 'ann' });
  });

  it('does nothing until the grace of the previous rotation is over, unless its own grace is 0', async () => {
    const app = await serveApp({ ...HANDLERS, '/now': (session) => session.rotate({ grace: 0 }) });
    const browser = await loggedIn(app);
    const slow = browser.clone();
    await browser.get('/rotate');
    for (const path of ['/', '/rotate', '/rotate']) {
      expect((await browser.get(path)).setCookies, path).toEqual([]);
    }
    expect(await userOf(slow)).toBe('ann');

    const second = browser.clone();
    expect((await second.get('/now')).setCookies).toHaveLength(1);
    const users = { second: await userOf(second), first: await userOf(browser), slow: await userOf(slow) };
    expect(users).toEqual({ second: 'ann', first: null, slow: null });

    await second.get('/rotate');
    await second.get('/');
    pass(GRACE);
    expect((await second.get('/rotate')).setCookies).toHaveLength(1);
    expect(await userOf(second)).toBe('ann');
  });

  it.each([
    ['rotate', 'streamed'],
    ['rotate', 'held'],
    ['regenerate', 'streamed'],
    ['regenerate', 'held'],
  ] as const)(
    'by %s() rejects once the response is %s, before it reaches the store',
    async (method, state) => {
      let outcome: Promise<unknown> | undefined;
      const callOn = (session: TestSession): Promise<unknown> =>
        (outcome = session[method]().catch((error: Error) => error.message));
      const app = await serveApp({
        ...HANDLERS,
        '/streamed': async (session, _req, res) => {
          res.write('begun');
          await callOn(session);
          res.end();
        },
        '/held': (session, _req, res) => {
          // The response waits for the commit, and looks sent.
          session['visits'] = 1;
          res.json('begun');
          void callOn(session);
        },
      });
      const browser = await loggedIn(app);
      expect(await browser.get(`/${state}`)).toMatchObject({ status: 200, setCookies: [] });
      expect(await outcome).toMatch(/the response has begun/);
      const operations = app.store.take();
      for (const operation of ['rotate', 'regenerate', 'destroy'])
        expect(operations).not.toContain(operation);
      expect(await userOf(browser)).toBe('ann');
    },
  );

  it('does nothing for a session that is not stored yet', async () => {
    const app = await serveApp(HANDLERS);
    const browser = app.browser();
    expect(await browser.get('/rotate')).toMatchObject({ status: 200, setCookies: [] });
    expect(app.store.take()).toEqual([]);
  });

  it('rejects with SessionGoneError and sends no cookie if the session was destroyed meanwhile', async () => {
    const app: TestApp = await serveApp({
      ...HANDLERS,
      '/late': async (session) => {
        await app.store.destroy(session.id);
        return session.rotate().catch((error: Error) => error.name);
      },
    });
    const browser = await loggedIn(app);
    const response = await browser.get('/late');
    expect(response.json<string>()).toBe('SessionGoneError');
    expect(response.setCookies).toEqual([]);
  });

  const invalid = [-1, 0.5, Number.NaN, Infinity, '5', null].map((grace) => ({ grace }));
  it.each([...invalid, { graceMs: 0 }, 0, null, [0]])(
    'rejects the options %o, and changes nothing',
    async (options) => {
      const app = await serveApp({
        ...HANDLERS,
        '/wrong': (session) => session.rotate(options as never).catch((error: Error) => error.name),
      });
      const browser = await loggedIn(app);
      const response = await browser.get('/wrong');
      expect(response.json<string>()).toBe('TypeError');
      expect(response.setCookies).toEqual([]);
      expect(await userOf(browser)).toBe('ann');
    },
  );

  it('with grace 0 invalidates the old secret at once', async () => {
    const app = await serveApp({ ...HANDLERS, '/now': (session) => session.rotate({ grace: 0 }) });
    const browser = await loggedIn(app);
    const old = browser.clone();
    await browser.get('/now');
    expect({ current: await userOf(browser), old: await userOf(old) }).toEqual({ current: 'ann', old: null });
  });

  it.each(['by the handler', 'by the middleware, because a response was lost,'])(
    'that was stored %s sends its token even on the 503 of a commit that then fails',
    async (origin) => {
      const app: TestApp = await serveApp({
        ...HANDLERS,
        '/fail': async (session) => {
          if (origin === 'by the handler') await session.rotate();
          session['theme'] = 'dark';
          app.store.failing = ['update'];
        },
      });
      const browser = await loggedIn(app);
      if (origin !== 'by the handler') {
        await browser.clone().get('/rotate');
        pass(GRACE);
      }
      const response = await browser.get('/fail');
      app.store.failing = false;
      expect(response.status).toBe(503);
      expect(response.setCookies).toHaveLength(1);
      await browser.get('/');
      pass(2 * GRACE);
      expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    },
  );

  it.each([
    ['rotate', 'ann'],
    ['regenerate', null],
  ] as const)(
    'does not protect a login from session fixation, unlike regenerate: %s',
    async (method, userOfAttacker) => {
      const app = await serveApp({
        '/visit': (session) => void (session['visited'] = true),
        '/login': async (session) => {
          await session[method]();
          session['user'] = 'ann';
        },
        '/': dataOf,
      });
      const attacker = app.browser();
      await attacker.get('/visit');
      const victim = attacker.clone();
      await victim.get('/login');
      expect(await userOf(victim)).toBe('ann');
      expect(await userOf(attacker)).toBe(userOfAttacker);
    },
  );
});

const SEED = Number(process.env['SEED'] ?? 1);
const ROTATIONS = process.env['LONG'] ? 5000 : 100;

describe(`clients that load pages in parallel and rotate at random (SEED=${SEED})`, () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] }));

  it.each([0, 0.1])(
    'are logged out by fewer than 3 of 1000 rotations with a share of %d of their responses lost',
    async (loss) => {
      const { rotations, logouts, overtaken } = await simulate({ seed: SEED, rotations: ROTATIONS, loss });
      expect((logouts + overtaken) / rotations).toBeLessThan(3 / 1000);
      // Without loss, only cookies that reach the client in the wrong order can log it out.
      if (loss === 0) expect(logouts).toBe(0);
    },
    600_000,
  );

  it('that pause for an hour are logged out only if the response to their last rotation was lost', async () => {
    const { rotations, logouts, overtaken, pauses, paused } = await simulate({
      seed: SEED,
      rotations: ROTATIONS,
      loss: 0.1,
      pauseEvery: 25,
    });
    expect((logouts + overtaken) / rotations).toBeLessThan(3 / 1000);
    expect(pauses).toBeGreaterThan(0);
    // One of ten responses is lost, and only rotations count.
    expect(paused / pauses).toBeLessThan(0.1);
  }, 600_000);

  it('are logged out almost only by cookies in the wrong order if writes send cookies too', async () => {
    const maxAge = 60 * 60_000;
    const { rotations, logouts, overtaken } = await simulate({
      seed: SEED,
      rotations: ROTATIONS,
      loss: 0.1,
      maxAge,
    });
    expect(logouts / rotations).toBeLessThan(3 / 1000);
    expect(overtaken / rotations).toBeLessThan(20 / 1000);
  }, 600_000);

  it('are logged out by fewer than 3 of 1000 rotations that happen by themselves', async () => {
    const { rotations, logouts, overtaken } = await simulate({
      seed: SEED,
      // They are rare, so each takes long.
      rotations: ROTATIONS * 0.4,
      loss: 0.1,
      rotateAfter: 10_000,
    });
    expect((logouts + overtaken) / rotations).toBeLessThan(3 / 1000);
  }, 600_000);

  // A session layer that lacks one rule must fail, which shows that the simulation can detect it.
  it.each<{ rule: string; see: (record: SessionRecord) => SessionRecord }>([
    {
      rule: 'the old secret is never valid',
      see: ({ previous: _was, ...record }) => record,
    },
    {
      rule: 'the old secret expires a grace after the rotation, whether or not the client got the new one',
      see: ({ previous, ...record }) =>
        previous
          ? {
              ...record,
              previous: {
                ...previous,
                validUntil: previous.validUntil ?? previous.replacedAt + previous.grace,
              },
            }
          : record,
    },
  ])('are logged out by more than 30 of 1000 rotations where $rule', async ({ see }) => {
    const { rotations, logouts } = await simulate({ seed: SEED, rotations: 150, loss: 0.1, see });
    expect(logouts / rotations).toBeGreaterThan(30 / 1000);
  });
});
