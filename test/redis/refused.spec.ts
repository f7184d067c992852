import { Controller, Get } from '@nestjs/common';
import { Session, SessionModule } from 'nestjs-session-stores';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { loggedIn, serveApp, type Handler } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { ownServer } from './own.server.js';
import { startRedis } from '../servers/redis.mjs';

const HANDLERS: Record<string, Handler> = {
  '/': (session) => ({ user: (session['user'] as string) ?? null }),
  '/login': (session) => void (session['user'] = 'ann'),
  '/change': (session) => void (session['user'] = 'bob'),
};

const { server, direct } = await ownServer();

describe('a Redis that responds to reads but rejects writes', () => {
  afterEach(() => direct.config('SET', 'maxmemory', '0', 'min-replicas-to-write', '0'));

  it.each([
    ['has no memory left', ['maxmemory', '1'], /OOM/],
    ['misses the replicas that it must write to', ['min-replicas-to-write', '1'], /NOREPLICAS/],
  ] as const)(
    'because it %s does not fail a request whose renewal is due, and the reason is logged once',
    async (_, setting, reason) => {
      const app = await serveApp(HANDLERS, { store: new RedisStore({ url: server.url }), rolling: true });
      const browser = await loggedIn(app);
      await direct.config('SET', ...setting);
      for (let times = 0; times < 3; times++)
        expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
      expect(app.logged).toEqual([expect.stringMatching(reason)]);
      expect((await browser.get('/change')).status).toBe(503);
      await direct.config('SET', 'maxmemory', '0', 'min-replicas-to-write', '0');
      expect((await browser.get('/')).setCookies).toHaveLength(1);
    },
  );
});

@Controller()
class LoginController {
  @Get('login')
  login(@Session() session: Session & { user?: string }): void {
    session.user = 'ann';
  }
}

it("an app with onStoreError: 'anonymous' starts before its Redis and has sessions once Redis is there", async () => {
  const late = await startRedis();
  onTestFinished(() => late.stop());
  await late.stop();
  const store = new RedisStore({ url: late.url });
  const logged: string[] = [];
  const log = (line: string): void => void logged.push(line);
  const logger = { warn: log, error: log };
  const testing = await Test.createTestingModule({
    controllers: [LoginController],
    imports: [SessionModule.forRoot({ secret: 'late', store, onStoreError: 'anonymous', logger })],
  }).compile();
  const app = testing.createNestApplication({ logger: false });
  onTestFinished(() => app.close());
  await app.listen(0, '127.0.0.1');
  const browser = new Browser(await app.getUrl());
  expect((await browser.get('/login')).status).toBe(503);
  expect(logged[0]).toMatch(/without a session until the store can be opened: .+no connection to/);
  await late.start();
  await eventually(async () => (await browser.get('/login')).status === 200);
  expect(browser.cookies.get('sid')).toBeDefined();
});
