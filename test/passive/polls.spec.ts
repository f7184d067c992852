import { setTimeout as wait } from 'node:timers/promises';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../http/browser.js';
import { startPassiveApp, type PassiveApp } from './app.js';
import { byGraphql, byHttp, bySocketIo, bySubscriptions, byWs, type Way } from './polls.js';

const SECOND = 1000;
const IDLE_TIMEOUT = process.env['LONG'] ? 20 * SECOND : 4 * SECOND;

const passiveWays = (): Way[] => [
  byHttp('a handler with @Passive()', '/passive'),
  byHttp('a controller with @Passive()', '/passive-class'),
  byHttp('the option passive', '/active?poll'),
  byHttp('a handler with @Passive() that changes the session', '/passive-write'),
  byHttp('a handler with @Passive() whose guard rejects', '/passive-guarded'),
  byHttp('a handler with @Passive() that a guard of the app rejects', '/passive-app-guarded'),
  byHttp('a stream of events with @Passive()', '/passive-events'),
  byGraphql('a query with @Passive()', '{ passive }'),
  byGraphql('GraphQL with the option passive', '{ active }', '/graphql?poll'),
];
const activeWays = (): Way[] => [
  byHttp('a handler', '/active'),
  byGraphql('a query', '{ active }'),
  byGraphql('a query with and one without @Passive()', '{ passive active }'),
];

const PLATFORMS = [
  {
    platform: 'Express and ws',
    start: () => startPassiveApp(new ExpressAdapter(), 'ws'),
    passive: [
      ...passiveWays(),
      byWs('a message with @Passive()', 'passive'),
      byWs('a WebSocket with the option passive', 'active', '/?poll'),
    ],
    active: [...activeWays(), byWs('a message', 'active')],
  },
  {
    platform: 'Fastify and Socket.IO',
    start: () => startPassiveApp(new FastifyAdapter(), 'Socket.IO'),
    passive: [
      ...passiveWays(),
      // The adapter for ws rejects WebSockets that are not its own.
      bySubscriptions('a query with @Passive() over a WebSocket', '{ passive }'),
      bySubscriptions('a WebSocket of GraphQL with the option passive', '{ active }', '/graphql?poll'),
      bySocketIo('a message with @Passive()', 'passive'),
      bySocketIo('a socket with the option passive', 'active', { poll: '' }),
    ],
    active: [...activeWays(), bySocketIo('a message', 'active')],
  },
];

/** What happened to a session that was polled once a second for three idle timeouts. */
interface Polled {
  /** How long it lived, in milliseconds; `undefined` if it still does. */
  lived: number | undefined;
  /** Which expiries it had. */
  expiries: number[];
  /** What the first and the last poll saw. */
  first: string | null;
  last: string | null;
  /** The cookies that the polls got. */
  cookies: string[];
}

async function polled({ url, sessions }: PassiveApp, way: Way): Promise<Polled> {
  const browser = new Browser(url);
  const id = (await browser.post('/login')).text;
  const { poll, close } = await way.open(browser);
  // Only now, because a busy machine takes long to connect.
  await browser.post(`/begin/${IDLE_TIMEOUT}`);
  const began = Date.now();
  const expiries = new Set<number>();
  const token = browser.cookies.get('sid');
  const cookies = new Set<string>();
  let lived: number | undefined;
  const users: (string | null)[] = [];
  const watching = (async () => {
    while (Date.now() < began + 3 * IDLE_TIMEOUT) {
      const view = await sessions.find(id);
      if (!view) {
        lived = Date.now() - began;
        return;
      }
      expiries.add(view.expiresAt);
      await wait(50);
    }
  })();
  for (let next = began; next < began + 3 * IDLE_TIMEOUT; next += SECOND) {
    await wait(Math.max(0, next - Date.now()));
    users.push(await poll());
    const now = browser.cookies.get('sid');
    if (now !== undefined && now !== token) cookies.add(now);
  }
  await watching;
  close?.();
  return { lived, expiries: [...expiries], first: users[0]!, last: users.at(-1)!, cookies: [...cookies] };
}

describe('a session', () => {
  const apps: PassiveApp[] = [];
  const outcomes = new Map<Way, Polled>();

  // All are polled at the same time, because it takes three idle timeouts.
  beforeAll(
    async () => {
      const polls = PLATFORMS.map(async ({ start, passive, active }) => {
        const app = await start();
        apps.push(app);
        const done = [...passive, ...active].map(async (way) => outcomes.set(way, await polled(app, way)));
        await Promise.all(done);
      });
      await Promise.all(polls);
    },
    4 * IDLE_TIMEOUT + 20 * SECOND,
  );
  afterAll(() => Promise.all(apps.map((app) => app.close())));

  describe.each(PLATFORMS)('on $platform', ({ passive, active }) => {
    it.each(passive)('that is polled by $name expires as if it were not polled', (way) => {
      const { lived, expiries, last, cookies } = outcomes.get(way)!;
      expect(lived).toBeGreaterThan(IDLE_TIMEOUT - SECOND);
      expect(lived).toBeLessThan(IDLE_TIMEOUT + SECOND);
      const expected = { renewals: 0, last: null, cookies: [] };
      expect({ renewals: expiries.length - 1, last, cookies }).toEqual(expected);
    });

    it.each(passive.filter(({ name }) => !name.includes('reject')))(
      'that is polled by $name can be read',
      (way) => {
        expect(outcomes.get(way)!.first).toBe('ann');
      },
    );

    it.each(active)('that is used by $name is renewed', (way) => {
      const { lived, expiries, last } = outcomes.get(way)!;
      expect({ lived, last }).toEqual({ lived: undefined, last: 'ann' });
      expect(expiries.length).toBeGreaterThan(3);
    });
  });
});
