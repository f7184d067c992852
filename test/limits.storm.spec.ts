import { randomUUID } from 'node:crypto';
import type { SessionStore } from 'nestjs-session-stores';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it } from 'vitest';
import { serveApp, type Handler } from './http/app.js';
import type { Browser } from './http/browser.js';
import { everyStore } from './stores/every.store.js';

const LONG = Boolean(process.env['LONG']);
const ROUNDS = LONG ? 20 : 1;
const LOGINS = LONG ? 50 : 12;
const MAX = 3;

const STORES: [word: string, make: () => SessionStore][] = [
  ...everyStore,
  ['redis cluster', () => new RedisStore({ cluster: inject('redisCluster'), prefix: `${randomUUID()}:` })],
];

const handlers: Record<string, Handler> = {
  '/login': async (session, { query }) => {
    await session.regenerate();
    const whenFull = String(query['when']) as 'reject';
    await session.joinGroup('user:1', { max: MAX, whenFull });
    session['user'] = 'ann';
  },
  '/who': (session) => session['user'] ?? null,
};

/** How many of these browsers are logged in. Whatever is counted was logged in when the first of them asked. */
async function usable(browsers: readonly Browser[]): Promise<number> {
  const users = await Promise.all(browsers.map(async (browser) => (await browser.get('/who')).json()));
  return users.filter((user) => (user as unknown) === 'ann').length;
}

describe.each(STORES)('parallel logins on %s', (_, makeStore) => {
  it.each(['end-oldest', 'end-least-recent', 'reject'])(
    `of one user leave at most ${MAX} usable sessions at any time (%s)`,
    { timeout: 300_000 },
    async (when) => {
      const app = await serveApp(handlers, { store: makeStore(), client: true });
      for (let round = 0; round < ROUNDS; round++) {
        const loggedIn: Browser[] = [];
        const statuses = await Promise.all(
          Array.from({ length: LOGINS }, async () => {
            const browser = app.browser();
            const { status } = await browser.post(`/login?when=${when}`);
            if (status === 200) loggedIn.push(browser);
            expect(await usable([...loggedIn])).toBeLessThanOrEqual(MAX);
            return status;
          }),
        );
        expect(statuses.filter((status) => ![200, 401, 409, 503].includes(status))).toEqual([]);
        const last = app.browser();
        await last.post(`/login?when=${when}`);
        const left = await usable([...loggedIn, last]);
        expect(left).toBeLessThanOrEqual(MAX);
        // A login that failed with 503 may take a place for a minute, although its client has no token.
        if (when !== 'reject' && !statuses.includes(503)) expect(left, statuses.join()).toBe(MAX);
        await app.store.clear('user:1');
      }
    },
  );
});
