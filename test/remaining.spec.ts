import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionOptions } from 'nestjs-session-stores';
import { loggedIn, serveApp, serveDropIn, tokenOf, type Handler, type TestApp } from './http/app.js';

const SECOND = 1000;
const LIFETIME = 1000 * SECOND;
const NEVER = 8.64e15;

const left: Handler = ({ idleExpiresAt, absoluteExpiresAt }) => ({ idleExpiresAt, absoluteExpiresAt });
const HANDLERS: Record<string, Handler> = {
  '/login': async (session) => {
    await session.regenerate();
    session.user = 'ann';
  },
  '/left': left,
  '/touched': async (session, req, res) => {
    await session.touch();
    return left(session, req, res);
  },
  '/remembered': (session, req, res) => {
    session.cookie.maxAge = 5000 * SECOND;
    return left(session, req, res);
  },
};
const OPTIONS: Partial<SessionOptions> = {
  cookie: { maxAge: LIFETIME },
  passive: ({ url }) => url!.endsWith('?poll'),
};

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());
const pass = (milliseconds: number): void => void vi.setSystemTime(Date.now() + milliseconds);

describe('session.idleExpiresAt', () => {
  const expiresAt = async (app: TestApp, id: string) => (await app.store.read(id))!.expiresAt;

  it.each([
    ['/left', 50, 950],
    ['/left', 100, 900],
    ['/left', 101, 1000],
    ['/left?poll', 101, 899],
    ['/touched', 50, 1000],
    ['/touched?poll', 50, 950],
    ['/remembered', 50, 5000],
  ])(
    'in a request to %s after %d s is in %d s, as the store has it afterwards',
    async (path, after, seconds) => {
      const app = await serveApp(HANDLERS, OPTIONS);
      const browser = await loggedIn(app);
      pass(after * SECOND);
      const { idleExpiresAt } = (await browser.get(path)).json<{ idleExpiresAt: number }>();
      expect(idleExpiresAt).toBe(Date.now() + seconds * SECOND);
      expect(await expiresAt(app, tokenOf(browser).id)).toBe(idleExpiresAt);
    },
  );

  it.each<[string, Partial<SessionOptions>, number]>([
    ['the idle timeout', {}, Date.UTC(2027, 0, 15, 8) + LIFETIME],
    ['never', { cookie: {}, idleTimeout: Infinity }, NEVER],
    ['the absolute timeout', { absoluteTimeout: 60 * SECOND }, Date.UTC(2027, 0, 15, 8) + 60 * SECOND],
  ])('of a session that is not stored yet is %s', async (_, options, expected) => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, ...options });
    const { idleExpiresAt } = (await app.browser().get('/left')).json<{ idleExpiresAt: number }>();
    expect(idleExpiresAt).toBe(expected);
  });

  it('is not later than the absolute timeout, even if that was shortened', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    const next = await serveApp(HANDLERS, { ...OPTIONS, store: app.store, absoluteTimeout: 60 * SECOND });
    const later = next.browser();
    later.cookies.set('sid', browser.cookies.get('sid')!);
    pass(SECOND);
    const expected = Date.now() + 59 * SECOND;
    const response = { idleExpiresAt: expected, absoluteExpiresAt: expected };
    expect((await later.get('/left?poll')).json()).toEqual(response);
  });

  it('is there in the drop-in too', async () => {
    const app = await serveDropIn(HANDLERS, { cookie: { maxAge: LIFETIME } });
    const browser = await loggedIn(app);
    expect((await browser.get('/left')).json()).toEqual({
      idleExpiresAt: Date.now() + LIFETIME,
      absoluteExpiresAt: NEVER,
    });
  });
});

describe('session.absoluteExpiresAt', () => {
  it('is the absolute timeout after the creation, however often the session is used', async () => {
    const app = await serveApp(HANDLERS, { ...OPTIONS, absoluteTimeout: 5000 * SECOND });
    const browser = await loggedIn(app);
    const expected = Date.now() + 5000 * SECOND;
    for (const seconds of [0, 500, 500]) {
      pass(seconds * SECOND);
      expect((await browser.get('/left')).json()).toMatchObject({ absoluteExpiresAt: expected });
    }
  });

  it('is 8.64e15 without an absolute timeout', async () => {
    const app = await serveApp(HANDLERS, OPTIONS);
    const browser = await loggedIn(app);
    expect((await browser.get('/left')).json()).toMatchObject({ absoluteExpiresAt: NEVER });
  });
});
