import {
  SessionStoreError,
  type SessionChange,
  type SessionPageOptions,
  type SessionRef,
} from 'nestjs-session-stores/store';
import { describe, expect, it } from 'vitest';
import { eventually } from '../eventually.js';
import { serveApp, tokenOf, type Handler } from '../http/app.js';
import { MapStore } from '../stores/map.store.js';

/** The steps of a join with a limit that ends one session. */
const STEPS = ['first look', 'join', 'second look', 'end', 'confirmation'] as const;
type Step = (typeof STEPS)[number];

/** A store that joins in steps, of which one can fail, before it acts or after it has. */
class FailingSteps extends MapStore {
  failing: Step | undefined;
  acts = false;
  #looks = 0;

  protected override doPage(options: SessionPageOptions) {
    this.#looks += 1;
    return this.#step(this.#looks % 2 === 1 ? 'first look' : 'second look', () => super.doPage(options));
  }

  protected override doUpdate(ref: SessionRef, change: SessionChange) {
    const step = change.joining === '' ? 'confirmation' : change.joining ? 'join' : undefined;
    return this.#step(step, () => super.doUpdate(ref, change));
  }

  protected override doDestroy(id: string) {
    return this.#step('end', () => super.doDestroy(id));
  }

  #step<T>(step: Step | undefined, act: () => T): T {
    if (step === undefined || step !== this.failing) return act();
    if (this.acts) act();
    throw new SessionStoreError('failing', 'joinLimited', `made to fail: ${step}`);
  }
}

const limit = { max: 1, whenFull: 'end-oldest' } as const;

const handlers: Record<string, Handler> = {
  '/visit': (session) => {
    session['visited'] = true;
  },
  // The order that the guide advises against: the session has its user before it has joined.
  '/login': async (session) => {
    await session.regenerate();
    session['user'] = 'ann';
    await session.joinGroup('user:1', limit);
  },
  '/login/caught': async (session) => {
    await session.regenerate();
    await session.joinGroup('user:1', limit).catch(() => {});
    session['user'] = 'ann';
  },
  '/login/unawaited': async (session) => {
    await session.regenerate();
    void session.joinGroup('user:1', limit);
    session['user'] = 'ann';
  },
  '/who': (session) => session['user'] ?? null,
};

describe.each(STEPS)('a login whose join fails in the store (%s)', (failing) => {
  it.each([
    { path: '/login', acts: false },
    { path: '/login', acts: true },
    { path: '/login/caught', acts: true },
    { path: '/login/unawaited', acts: true },
  ])('gets a 503 and no token from $path (the store has acted: $acts)', async ({ path, acts }) => {
    const store = new FailingSteps();
    const app = await serveApp(handlers, { store });
    const inside = app.browser();
    expect((await inside.post('/login')).status).toBe(200);
    const newcomer = app.browser();
    await newcomer.post('/visit');
    Object.assign(store, { failing, acts });
    const response = await newcomer.post(path);
    expect(response.status).toBe(503);
    expect(response.setCookies).toEqual([]);
    store.failing = undefined;
    // A store that cannot destroy it leaves it to the next login.
    const left = failing === 'end' && !acts ? 1 : 0;
    await eventually(async () => {
      const { records } = await app.store.page({ group: 'user:1', limit: 10 });
      expect(records.filter(({ id }) => id !== tokenOf(inside).id)).toHaveLength(left);
    });
    expect((await newcomer.get('/who')).json()).toBeNull();

    const next = app.browser();
    expect((await next.post('/login')).status).toBe(200);
    expect(await app.store.count('user:1')).toBe(1);
    expect((await next.get('/who')).json()).toBe('ann');
    expect(tokenOf(next).id).not.toBe('');
  });
});
