import { randomUUID } from 'node:crypto';
import { sessionMiddleware, type SessionOptions } from 'nestjs-session-stores';
import express, { type RequestHandler } from 'express';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { TestSession } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { serve } from '../http/server.js';
import { aKey } from './keys.js';

type Encrypt = SessionOptions['encrypt'];

const USERS = process.env['LONG'] ? 40 : 8;
/** How many requests each user makes with each pair of processes. */
const REQUESTS = process.env['LONG'] ? 40 : 6;

/** A process of the app: its address, and what it logs. */
interface Process {
  url: string;
  stop(): Promise<void>;
}

const [old, next, groups] = [aKey(), aKey(), aKey()];

async function start(prefix: string, encrypt: Encrypt, logged: string[]): Promise<Process> {
  const log = (line: string): void => void logged.push(line);
  const middleware = sessionMiddleware({
    secret: 'rotation',
    store: new RedisStore({ ...inject('redis'), prefix, timeout: 20_000 }),
    encrypt,
    logger: { warn: log, error: log },
  });
  const app = express();
  app.use(middleware as RequestHandler);
  app.get('/login/:user', async (req, res) => {
    const session = req.session as unknown as TestSession;
    await session.regenerate();
    session['user'] = req.params.user;
    session.joinGroup(`user:${req.params.user}`);
    res.json({});
  });
  app.get('/next/:count', async (req, res) => {
    const session = req.session as unknown as TestSession;
    const { user, count } = session as { user?: string; count?: number };
    session['count'] = Number(req.params.count);
    res.json({ user, count, groups: await session.groupNames() });
  });
  const server = await serve(app);
  return {
    url: server.url,
    async stop() {
      await server.close();
      await middleware.close();
    },
  };
}

/**
 * Replaces two processes one after the other, for each deployment, while all users make requests to both. Resolves to what
 * was wrong with their responses.
 */
async function deploy(deployments: readonly Encrypt[]): Promise<{ wrong: string[]; logged: string[] }> {
  const prefix = randomUUID();
  const logged: string[] = [];
  const processes = [
    await start(prefix, deployments[0], logged),
    await start(prefix, deployments[0], logged),
  ];
  onTestFinished(async () => void (await Promise.all(processes.map(({ stop }) => stop()))));
  const wrong: string[] = [];
  const users = await Promise.all(
    Array.from({ length: USERS }, async (_, n) => {
      const browser = new Browser(processes[n % 2]!.url);
      await browser.get(`/login/u${n}`);
      return { name: `u${n}`, browser, count: 0 };
    }),
  );
  const traffic = (): Promise<unknown> =>
    Promise.all(
      users.map(async (user) => {
        for (let n = 0; n < REQUESTS; n++) {
          const browser = new Browser(processes[n % 2]!.url);
          for (const [cookie, value] of user.browser.cookies) browser.cookies.set(cookie, value);
          const { status, text } = await browser.get(`/next/${user.count + 1}`);
          const expected = {
            user: user.name,
            ...(user.count > 0 && { count: user.count }),
            groups: [`user:${user.name}`],
          };
          if (status !== 200 || text !== JSON.stringify(expected)) wrong.push(`${status} ${text}`);
          user.count++;
        }
      }),
    );
  await traffic();
  for (const encrypt of deployments.slice(1)) {
    for (const at of [0, 1]) {
      const replaced = processes[at]!;
      processes[at] = await start(prefix, encrypt, logged);
      // While the traffic to its successor begins.
      await Promise.all([traffic(), replaced.stop()]);
    }
  }
  expect(users.every(({ count }) => count > 0)).toBe(true);
  return { wrong, logged };
}

describe('no user is logged out, and no request fails, while the processes are replaced one by one', () => {
  it.each<[what: string, deployments: Encrypt[]]>([
    [
      'for another key',
      [
        { keys: [old], groups },
        { keys: [old, next], groups },
        { keys: [next, old], groups },
      ],
    ],
    [
      'for the first encryption',
      [undefined, { keys: [old], groups, only: [] }, { keys: [old], groups, acceptPlain: true }],
    ],
    [
      'for the end of encryption',
      [
        { keys: [old], groups },
        { keys: [old], groups, acceptPlain: true },
        { keys: [old], groups, only: [] },
      ],
    ],
  ])(
    '%s',
    async (_, deployments) => {
      expect(await deploy(deployments)).toEqual({ wrong: [], logged: [] });
    },
    120_000,
  );

  it('which the short way to another key does not do', async () => {
    const { wrong, logged } = await deploy([
      { keys: [old], groups },
      { keys: [next, old], groups },
    ]);
    expect(wrong.length).toBeGreaterThan(0);
    expect(logged[0]).toContain('which is not in encrypt.keys');
  }, 120_000);
});
