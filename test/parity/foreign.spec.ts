import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, Module, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RedisStore as ConnectRedis } from 'connect-redis';
import { MongoStore as ConnectMongo } from 'connect-mongo';
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import expressSession from 'express-session';
import memorystore from 'memorystore';
import {
  Session,
  SessionModule,
  SessionService,
  type Session as AnySession,
  type SessionLogger,
} from 'nestjs-session-stores';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import session, { sessionMiddleware } from 'nestjs-session-stores/express';
import { createClient } from 'redis';
import fileStore from 'session-file-store';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { Browser } from '../http/browser.js';
import { serve } from '../http/server.js';

/** The methods of an express-session store. */
const METHODS = ['get', 'set', 'touch', 'destroy', 'all', 'length', 'clear'] as const;

interface Foreign {
  store: expressSession.Store;
  /** Returns the calls since the last time. */
  take(): string[];
}

/** Records the calls to a store, which otherwise stays the same. */
function watched(store: expressSession.Store): Foreign {
  let calls: string[] = [];
  const methods = store as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  for (const name of METHODS) {
    const original = methods[name];
    if (!original) continue;
    methods[name] = (...args) => {
      calls.push(name);
      return original.apply(store, args);
    };
  }
  return {
    store,
    take: () => {
      const taken = calls;
      calls = [];
      return taken;
    },
  };
}

/** What a store can do besides keeping sessions. */
interface Abilities {
  lists: boolean;
  counts: boolean;
}

const stores: [string, Abilities, () => Promise<expressSession.Store>][] = [
  ['MemoryStore', { lists: true, counts: true }, async () => new expressSession.MemoryStore()],
  [
    'connect-redis',
    { lists: true, counts: true },
    async () => {
      const client = await createClient(inject('redis')).connect();
      onTestFinished(() => void client.destroy());
      return new ConnectRedis({ client, prefix: `${randomUUID()}:` });
    },
  ],
  [
    'connect-mongo',
    { lists: false, counts: true },
    async () => {
      const store = ConnectMongo.create({
        mongoUrl: inject('mongo').url,
        collectionName: randomUUID(),
        // Makes it write less often, with values that JSON cannot represent.
        touchAfter: 3600,
      });
      onTestFinished(() => store.close());
      return store;
    },
  ],
  [
    'memorystore',
    { lists: true, counts: true },
    async () => new (memorystore(expressSession))({ checkPeriod: 60_000 }) as unknown as expressSession.Store,
  ],
  [
    'session-file-store',
    { lists: false, counts: true },
    async () => {
      const path = await mkdtemp(join(tmpdir(), 'sessions-'));
      onTestFinished(() => rm(path, { recursive: true, force: true }));
      return new (fileStore(expressSession))({ path, retries: 0, reapInterval: -1, logFn: () => {} });
    },
  ],
];

type Data = AnySession & Record<string, any>;

/** A small app: counts, changes, logs out. */
async function appOf(middleware: RequestHandler): Promise<Browser> {
  const app = express();
  app.use(middleware);
  app.get('/count', (req, res) => {
    const data = req.session as unknown as Data;
    data['count'] = (data['count'] ?? 0) + 1;
    res.json({ count: data['count'], id: req.sessionID });
  });
  app.get('/read', (req, res) => res.json((req.session as unknown as Data)['count'] ?? null));
  app.get('/nothing', (_req, res) => res.json(null));
  app.get('/login', (req, res, next) =>
    req.session.regenerate((error: unknown) => {
      if (error) return next(error);
      (req.session as unknown as Data)['user'] = 'ann';
      res.json(req.sessionID);
    }),
  );
  app.get('/join', (req, res) => {
    void (req.session as unknown as Data).joinGroup('g');
    res.json(null);
  });
  app.get('/logout', (req, res, next) =>
    req.session.destroy((error: unknown) => (error ? next(error) : res.json('out'))),
  );
  app.use((error: Error & { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    res.status(error.status ?? 500).json({ message: error.message });
  });
  const server = await serve(app);
  onTestFinished(() => server.close());
  return new Browser(server.url);
}

const AGE = { cookie: { maxAge: 3_600_000, secure: false, sameSite: 'lax' as const, httpOnly: true } };
const PLAIN = { secret: 'foreign', resave: false, saveUninitialized: false };

/** Visits that use every method of a store, and what was observed. */
async function story(browser: Browser, { take }: Foreign) {
  const observed: { path: string; status: number; body: string; set: number; calls: string[] }[] = [];
  for (const path of ['/nothing', '/count', '/count', '/read', '/login', '/read', '/logout', '/read']) {
    const { status, text, setCookies } = await browser.get(path);
    observed.push({
      path,
      status,
      body: path === '/login' || path === '/count' ? text.replace(/"[\w-]{32}"/, '"id"') : text,
      set: setCookies.filter((line) => !line.includes('=;')).length,
      // Our middleware touches only after a tenth of the lifetime.
      calls: take().filter((call) => call !== 'touch'),
    });
  }
  return observed;
}

describe.each(stores)('%s', (_name, abilities, make) => {
  it('gets the same calls from session() as from express-session', async () => {
    const one = watched(await make());
    const theirs = await story(await appOf(expressSession({ ...PLAIN, ...AGE, store: one.store })), one);
    const two = watched(await make());
    expect(await story(await appOf(session({ ...PLAIN, ...AGE, store: two.store })), two)).toEqual(theirs);
  });

  it('gets the same calls in the same order from fromExpressStore', async () => {
    const one = watched(await make());
    const theirs = await story(await appOf(expressSession({ ...PLAIN, ...AGE, store: one.store })), one);
    const two = watched(await make());
    const middleware = sessionMiddleware({ secret: 'foreign', ...AGE, store: fromExpressStore(two.store) });
    // A logout removes the cookie too, so the read after it has no session to look up.
    theirs.at(-1)!.calls = [];
    expect(await story(await appOf(middleware as RequestHandler), two)).toEqual(theirs);
  });

  it('keeps existing sessions and cookies when an app moves to fromExpressStore and back', async () => {
    const { store } = watched(await make());
    const options = { name: 'connect.sid', ...AGE };
    const before = await appOf(expressSession({ ...PLAIN, ...options, store }));
    const after = await appOf(
      sessionMiddleware({ secret: 'foreign', ...options, store: fromExpressStore(store) }) as RequestHandler,
    );
    const { id } = (await before.get('/count')).json<{ id: string }>();
    const stored = (): Promise<Record<string, unknown>> =>
      new Promise((resolve, reject) =>
        store.get(id, (error, found) => {
          // Fields of the store itself, and the time of the call.
          const { __lastAccess: _, lastModified: __, cookie, ...data } = JSON.parse(JSON.stringify(found));
          if (error) reject(error);
          else resolve({ ...data, cookie: { ...cookie, expires: typeof cookie?.expires } });
        }),
      );
    const shape = await stored();

    for (const [name, value] of before.cookies) after.cookies.set(name, value);
    expect((await after.get('/count')).json()).toEqual({ count: 2, id });
    expect(await stored()).toEqual({ ...shape, count: 2 });
    expect((await before.get('/count')).json()).toEqual({ count: 3, id });
    expect((await after.get('/read')).json()).toBe(3);

    await after.get('/logout');
    expect((await before.get('/read')).json()).toBeNull();
  });

  it('works in SessionModule, and SessionService rejects what the store cannot do', async () => {
    const logged: string[] = [];
    const logger: SessionLogger = { warn: (text) => logged.push(text), error: (text) => logged.push(text) };

    @Controller()
    class Notes {
      @Get('note')
      note(@Session() data: Data, @Query('text') text?: string): unknown {
        if (text !== undefined) data['note'] = text;
        return { note: data['note'], id: data.id };
      }
    }

    @Module({
      imports: [
        SessionModule.forRoot({ secret: 'foreign', ...AGE, logger, store: fromExpressStore(await make()) }),
      ],
      controllers: [Notes],
    })
    class AppModule {}

    const app = await NestFactory.create(AppModule, { logger: false });
    await app.listen(0, '127.0.0.1');
    onTestFinished(() => app.close());
    const browser = new Browser(await app.getUrl());
    const { id } = (await browser.get('/note?text=hello')).json<{ id: string }>();
    expect((await browser.get('/note')).json()).toEqual({ note: 'hello', id });

    const sessions = app.get(SessionService);
    expect((await sessions.find(id))?.data).toMatchObject({ note: 'hello' });
    const cannot = /\[session:express:\w+\] an express-session store cannot .*\. RedisStore.* can/;
    await expect(sessions.count('g')).rejects.toThrow(cannot);
    await expect(sessions.clearGroup('g')).rejects.toThrow(cannot);
    await expect(sessions.page({ group: 'g' })).rejects.toThrow(cannot);
    await expect(sessions.create({}, { groups: ['g'] })).rejects.toThrow(cannot);

    if (abilities.counts) expect(await sessions.countAll()).toBe(1);
    const { session: created, token } = await sessions.create({ note: 'made' });
    expect((await sessions.find(created.id))?.expiresAt).toBe(created.expiresAt);
    const holder = new Browser(browser.url);
    holder.cookies.set('sid', token);
    expect((await holder.get('/note')).json()).toEqual({ note: 'made', id: created.id });

    if (abilities.lists) {
      const listed: string[] = [];
      for await (const view of sessions.listAll()) listed.push(view.id);
      expect(listed.toSorted()).toEqual([id, created.id].toSorted());
      expect((await sessions.pageAll({ limit: 1 })).next).toBeDefined();
      expect(await sessions.clearAll({ except: id })).toBe(1);
    } else {
      await expect(sessions.pageAll()).rejects.toThrow(cannot);
      await expect(sessions.clearAll({ except: id })).rejects.toThrow(cannot);
      await sessions.destroy(created.id);
    }
    expect((await holder.get('/note')).json()).not.toHaveProperty('note');
    expect(await sessions.clearAll()).toBe(1);
    expect(await sessions.find(id)).toBeUndefined();
    expect(logged.join('\n')).not.toContain(id);
  });
});

describe('fromExpressStore', () => {
  const storeWith = (methods: Partial<Record<(typeof METHODS)[number], unknown>>): expressSession.Store =>
    Object.assign(new expressSession.MemoryStore(), methods);

  it('ends each call at its deadline, and turns a failure into a 503', async () => {
    const silent = fromExpressStore(storeWith({ get: () => {} }), { timeout: 30 });
    await expect(silent.read('key')).rejects.toMatchObject({ status: 503, operation: 'read' });
    const boom = new Error('boom');
    for (const get of [
      (_id: string, done: (error: Error) => void) => done(boom),
      () => {
        throw boom;
      },
      async () => {
        throw boom;
      },
    ]) {
      await expect(fromExpressStore(storeWith({ get })).read('key')).rejects.toMatchObject({
        status: 503,
        cause: boom,
      });
    }
  });

  it('fails at once while the store is disconnected', async () => {
    const store = new expressSession.MemoryStore();
    const sessions = fromExpressStore(store);
    store.emit('disconnect');
    await expect(sessions.read('key')).rejects.toMatchObject({ status: 503 });
    store.emit('connect');
    expect(await sessions.read('key')).toBeUndefined();
  });

  /** A browser of an app that touches its session with every request, and the lines that are logged. */
  async function rollingOn(store: expressSession.Store): Promise<{ browser: Browser; logged: string[] }> {
    const logged: string[] = [];
    const log = (line: string): void => void logged.push(line);
    const browser = await appOf(
      sessionMiddleware({
        secret: 'foreign',
        rolling: true,
        store: fromExpressStore(store),
        logger: { warn: log, error: log },
      }) as RequestHandler,
    );
    return { browser, logged };
  }

  it('treats a failed touch as the end of the session if the store no longer has the session', async () => {
    const store = storeWith({
      touch: (_id: string, _session: unknown, done: (error: Error) => void) => done(new Error('not there')),
    });
    const { browser, logged } = await rollingOn(store);
    await browser.get('/count');
    store.get = ((original) =>
      function once(this: expressSession.Store, id: string, done: never) {
        store.get = (_id, none) => none(null, null);
        original.call(store, id, done);
      })(store.get);
    expect((await browser.get('/read')).json()).toBe(1);
    expect(logged).toEqual([]);
  });

  it('logs a failed touch of a session that the store still has, and serves the request', async () => {
    const touch = (_id: string, _session: unknown, done: (error: Error) => void): void =>
      done(new Error('read-only'));
    const { browser, logged } = await rollingOn(storeWith({ touch }));
    await browser.get('/count');
    expect((await browser.get('/read')).json()).toBe(1);
    expect(logged).toEqual([expect.stringContaining('(read-only)')]);
  });

  it('keeps the changes of several saves in one request', async () => {
    const sessions = fromExpressStore(new expressSession.MemoryStore());
    const now = Date.now();
    const record = {
      id: 'k',
      secretHash: 'p',
      data: { a: '1' },
      groups: [],
      createdAt: now,
      expiresAt: now + 60_000,
    };
    await sessions.create(record);
    await sessions.update(record, { set: { b: '2' } });
    await sessions.update(record, { set: { c: '3' }, remove: ['a'] });
    expect((await sessions.read('k'))?.data).toMatchObject({ b: '2', c: '3' });
    expect((await sessions.read('k'))?.data).not.toHaveProperty('a');
  });

  it('rejects operations that an express-session store cannot do, naming the stores that can', async () => {
    const store = fromExpressStore(new expressSession.MemoryStore());
    expect(() => sessionMiddleware({ secret: 's', store, absoluteTimeout: 1000 })).toThrow(/absoluteTimeout/);
    const browser = await appOf(sessionMiddleware({ secret: 'foreign', store }) as RequestHandler);
    const { status, text } = await browser.get('/join');
    expect(status).toBe(500);
    expect(text).toContain('cannot keep groups. RedisStore');
    await expect(store.rotate({ id: 'k' }, '', '', 0)).rejects.toThrow(/cannot rotate/);
    expect(() => fromExpressStore({} as never)).toThrow(/get, set and destroy/);
  });
});
