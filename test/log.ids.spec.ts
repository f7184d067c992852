import { createHash } from 'node:crypto';
import { MemoryStore } from 'express-session';
import { SessionModule, sessionMiddleware, type SessionOptions } from 'nestjs-session-stores';
import session from 'nestjs-session-stores/express';
import { EncryptedStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { Test } from '@nestjs/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aKey } from './encryption/keys.js';
import { serveApp, serveDropIn, tokenOf, type Handler, type TestApp, type TestSession } from './http/app.js';
import { Browser } from './http/browser.js';
import { serve } from './http/server.js';

const HANDLERS: Record<string, Handler> = {
  '/login': (one) => void (one['user'] = 'ada'),
  '/rotate': (one) => one.rotate({ grace: 0 }),
  '/': (one) => ({ user: one['user'] }),
};

const sha256 = (id: string): string => createHash('sha256').update(id).digest('base64url');

/** Presents a replaced token, which is logged. Returns the id of its session. */
async function presentReplaced(app: TestApp): Promise<string> {
  const browser = app.browser();
  await browser.get('/login');
  const thief = browser.clone();
  await browser.get('/rotate');
  await thief.get('/');
  return tokenOf(browser).id;
}

const apps: [of: string, serveWith: (logIds?: SessionOptions['logIds']) => Promise<TestApp>][] = [
  ['sessionMiddleware()', (logIds) => serveApp(HANDLERS, { logIds })],
  ['the drop-in', (logIds) => serveDropIn(HANDLERS, { logIds })],
];

describe.each(apps)('in the log of %s', (_, serveWith) => {
  it('the id of a session is as it is by default', async () => {
    const app = await serveWith();
    const id = await presentReplaced(app);
    expect(app.logged).toEqual([expect.stringContaining(`session ${id}: a replaced token`)]);
  });

  it("the id of a session is its SHA-256 with logIds: 'hashed'", async () => {
    const app = await serveWith('hashed');
    const id = await presentReplaced(app);
    expect(app.logged).toEqual([
      expect.stringContaining(`session with the SHA-256 ${sha256(id)}: a replaced token`),
    ]);
  });
});

it("a value that cannot be opened is logged with the SHA-256 of its session with logIds: 'hashed'", async () => {
  const store = new ClusterStore({ name: 'log-ids' });
  const one = await serveApp(HANDLERS, { store, encrypt: { keys: aKey() } });
  const other = await serveApp(HANDLERS, { store, encrypt: { keys: aKey() }, logIds: 'hashed' });
  const browser = one.browser();
  await browser.get('/login');
  const { id } = tokenOf(browser);
  const reader = other.browser();
  for (const [name, value] of browser.cookies) reader.cookies.set(name, value);
  await reader.get('/');
  expect(other.logged).toEqual([
    expect.stringContaining(`a value of the session with the SHA-256 ${sha256(id)} is sealed`),
  ]);
});

it("an id of a store for express-session, which is a credential, is its SHA-256 even with logIds: 'plain'", async () => {
  const logged: string[] = [];
  const logger = { warn: (line: string) => logged.push(line), error: (line: string) => logged.push(line) };
  const store = fromExpressStore(new MemoryStore());
  const middleware = sessionMiddleware({ secret: 'log', store, logger, logIds: 'plain' });
  let id = '';
  const server = await serve((req, res) => {
    // A session that is begun after the response is not created, which is logged.
    res.flushHeaders();
    middleware(req, res, () => {
      const { session: one } = req as unknown as { session: TestSession };
      id = one.id;
      one['user'] = 'ada';
      res.end();
    });
  });
  onTestFinished(() => server.close());
  await new Browser(server.url).get('/');
  expect(logged).toEqual([expect.stringContaining(`session with the SHA-256 ${sha256(id)} was not created`)]);
});

describe('an unknown word of logIds is rejected', () => {
  const error = "logIds must be one of 'plain', 'hashed'";
  const options = { secret: 'log', store: new ClusterStore(), logIds: 'short' as never };

  it('by sessionMiddleware()', () => {
    expect(() => sessionMiddleware(options)).toThrow(error);
  });

  it('by the drop-in', () => {
    expect(() => session({ resave: false, saveUninitialized: false, ...options })).toThrow(error);
  });

  it('by an EncryptedStore', () => {
    expect(() => new EncryptedStore(options.store, { keys: aKey(), logIds: 'short' as never })).toThrow(
      error,
    );
  });

  it('by SessionModule', async () => {
    const module = Test.createTestingModule({ imports: [SessionModule.forRoot(options)] });
    await expect(module.compile()).rejects.toThrow(error);
  });
});
