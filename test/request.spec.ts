import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import expressSession from 'express-session';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  sessionMiddleware,
  type Session,
  type SessionMiddleware,
  type SessionOptions,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser } from './http/browser.js';
import { serve, type TestServer } from './http/server.js';
import { RecordingStore } from './stores/recording.store.js';

type Handler = (session: Session & Record<string, any>, req: Request, res: Response) => unknown;

let store: RecordingStore;
let middleware: SessionMiddleware;
let server: TestServer | undefined;
let logged: string[];
let names = 0;

beforeEach(() => {
  store = new RecordingStore(new ClusterStore({ name: `request-${process.pid}-${names++}` }));
  logged = [];
});
afterEach(async () => {
  await server?.close();
  await middleware.close();
});

/** Serves `handlers` by path; what one returns, unless it answered itself, is the JSON answer. */
async function app(
  handlers: Record<string, Handler>,
  options: Partial<SessionOptions> = {},
): Promise<Browser> {
  const logger = {
    warn: (message: string) => logged.push(message),
    error: (message: string) => logged.push(message),
  };
  middleware = sessionMiddleware({ secret: 'request', store, logger, ...options });
  const handler = express();
  handler.use(middleware as RequestHandler);
  for (const [path, handle] of Object.entries(handlers)) {
    handler.all(path, async (req, res) => {
      const result = await handle(req.session as unknown as Session & Record<string, any>, req, res);
      if (!res.headersSent) res.json(result ?? null);
    });
  }
  handler.use((error: Error & { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    res.status(error.status ?? 500).json({ error: error.name, message: error.message });
  });
  server = await serve(handler);
  return new Browser(server.url);
}

const login: Handler = async (session) => {
  await session.regenerate();
  session.user = 'ann';
};
const dataOf: Handler = (session) => ({ ...session, cookie: undefined });

describe('what a request costs', () => {
  it('nothing at all for a client without a session that puts nothing into one', async () => {
    const browser = await app({ '/': dataOf });
    const { setCookies } = await browser.get('/');
    expect(setCookies).toEqual([]);
    expect(store.take()).toEqual([]);
  });

  it('one create for a first write, and one read for a request that changes nothing', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    expect(store.take()).toEqual(['create']);
    const { setCookies, text } = await browser.get('/');
    expect(JSON.parse(text)).toEqual({ user: 'ann' });
    expect(setCookies).toEqual([]);
    expect(store.take()).toEqual(['read']);
  });

  it('one update with the one text that changed, of five', async () => {
    const five = { a: 1, b: { deep: [1] }, c: 'c', d: null, e: true };
    const browser = await app({
      '/five': (session) => void Object.assign(session, five),
      '/one': (session) => void session['b'].deep.push(2),
    });
    await browser.get('/five');
    store.take();
    await browser.get('/one');
    const [read, update] = store.calls;
    expect([read!.operation, update!.operation]).toEqual(['read', 'update']);
    expect({ ...update!.change!.set }).toEqual({ b: '{"deep":[1,2]}' });
    expect(update!.change!.remove).toBeUndefined();
  });

  it('a deleted property is removed, an undefined one too, and an equal one is not written', async () => {
    const browser = await app({
      '/set': (session) => void Object.assign(session, { a: 1, b: 2, c: { d: 3 } }),
      '/change': (session) => {
        delete session['a'];
        session['b'] = undefined;
        session['c'] = { d: 3 };
      },
      '/': dataOf,
    });
    await browser.get('/set');
    await browser.get('/change');
    const { change } = store.calls.at(-1)!;
    expect(change!.set).toBeUndefined();
    expect([...change!.remove!].toSorted()).toEqual(['a', 'b']);
    expect((await browser.get('/')).json()).toEqual({ c: { d: 3 } });
  });

  it('a touch only when more than a tenth of the lifetime has passed, and then the cookie is renewed', async () => {
    const maxAge = 1500;
    const browser = await app({ '/login': login, '/': dataOf }, { cookie: { maxAge } });
    await browser.get('/login');
    const id = store.calls[0]!.id!;
    expect((await browser.get('/')).setCookies).toEqual([]);
    expect(store.take()).toEqual(['create', 'read']);

    const { expiresAt } = (await store.read(id))!;
    while (Date.now() <= expiresAt - maxAge + maxAge / 10) await new Promise((next) => setTimeout(next, 10));
    store.take();
    const { setCookies } = await browser.get('/');
    expect(store.calls.map(({ operation }) => operation)).toEqual(['read', 'update']);
    expect(Object.keys(store.calls[1]!.change!)).toEqual(['touch']);
    const renewed = (await store.read(id))!.expiresAt;
    expect(renewed).toBeGreaterThan(expiresAt);
    expect(Math.floor(renewed / 1000)).toBe(Date.parse(/Expires=([^;]+)/.exec(setCookies[0]!)![1]!) / 1000);
  });

  it('a join alone makes a new session worth saving, and joining again writes nothing', async () => {
    const browser = await app({
      '/join': (session) => void session.joinGroup('g'),
      '/': (session) => session.groupNames(),
    });
    await browser.get('/join');
    expect(store.take()).toEqual(['create']);
    expect((await browser.get('/')).json()).toEqual(['g']);
    store.take();
    await browser.get('/join');
    expect(store.take()).toEqual(['read']);
    expect(await store.count('g')).toBe(1);
  });
});

describe('the cookie', () => {
  it('is httpOnly, lax, for all paths, named sid, and ends with the browser unless told otherwise', async () => {
    const browser = await app({ '/login': login });
    const [cookie] = (await browser.get('/login')).setCookies;
    expect(cookie).toMatch(/^sid=s%3A[\w-]{32}~[\w-]{32}\.[\w%]+; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  it('rolling: true sends it with every response, rolling: false only when the session changed', async () => {
    for (const [rolling, expected] of [
      [true, 1],
      [false, 0],
    ] as const) {
      const browser = await app(
        { '/login': login, '/': (session) => session.touch() },
        { rolling, cookie: { maxAge: 60_000 } },
      );
      await browser.get('/login');
      expect((await browser.get('/')).setCookies, `rolling: ${rolling}`).toHaveLength(expected);
      await server!.close();
      await middleware.close();
    }
  });

  it('is verified with any of the secrets and signed with the first', async () => {
    const browser = await app({ '/login': login, '/': dataOf }, { secret: ['old'] });
    await browser.get('/login');
    const { cookies } = browser;
    await server!.close();
    const { port } = (server = await serveAgain({ secret: ['new', 'old'] }));
    const later = new Browser(`http://127.0.0.1:${port}`);
    later.cookies.set('sid', cookies.get('sid')!);
    expect((await later.get('/')).json()).toEqual({ user: 'ann' });

    async function serveAgain(options: Partial<SessionOptions>): Promise<TestServer> {
      await app({ '/': dataOf }, options);
      return server!;
    }
  });

  it('of a forged, foreign-signed or malformed token never reaches the store, and its id is not adopted', async () => {
    const browser = await app({ '/login': login, '/': (session) => session.id });
    await browser.get('/login');
    const good = decodeURIComponent(browser.cookies.get('sid')!);
    const [token, signature] = good.slice(2).split('.') as [string, string];
    const id = token.split('~')[0]!;
    store.take();
    for (const forged of [
      `s:${token}.${signature.slice(0, -2)}AA`,
      `s:${token}`,
      `s:${id}.${signature}`,
      token,
      `s:~.${signature}`,
      's:',
      '',
      '%',
      `s:${'x'.repeat(4000)}`,
    ]) {
      browser.cookies.set('sid', encodeURIComponent(forged));
      const answer = await browser.get('/');
      expect(answer.status).toBe(200);
      expect(answer.json<string>()).not.toBe(id);
      expect(store.take(), forged.slice(0, 50)).toEqual([]);
    }
  });

  it('of a live id with another secret is no session, and a warning names the id and no secret', async () => {
    const browser = await app({ '/login': login, '/': dataOf, '/sign': (session) => session.save() });
    await browser.get('/login');
    const { id } = store.calls[0]!;
    // A second session signs a token; its record is then given the first one's place.
    const other = new Browser(browser.url);
    await other.get('/sign');
    const otherId = store.calls.at(-1)!.id!;
    const record = (await store.read(id!))!;
    await store.destroy(otherId);
    await store.create({ ...record, id: otherId });
    expect((await other.get('/')).json()).toEqual({});
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain(otherId);
    expect(logged[0]).not.toContain(decodeURIComponent(other.cookies.get('sid')!).split(/[~.]/)[1]);
  });

  it('is cleared by destroy with the attributes it was set with, and not set for a client that had none', async () => {
    const browser = await app(
      { '/login': login, '/logout': (session) => session.destroy() },
      { cookie: { path: '/', sameSite: 'strict', maxAge: 60_000 } },
    );
    await browser.get('/login');
    const [cleared] = (await browser.get('/logout')).setCookies;
    expect(cleared).toBe('sid=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Strict');
    expect(browser.cookies.size).toBe(0);
    expect((await browser.get('/logout')).setCookies).toEqual([]);
  });

  it('is for its path only', async () => {
    const browser = await app(
      { '/app/login': login, '/application': (session) => session === undefined },
      { cookie: { path: '/app' } },
    );
    expect((await browser.get('/app/login')).setCookies[0]).toContain('Path=/app;');
    expect((await browser.get('/application')).json<boolean>()).toBe(true);
  });
});

describe('what a handler can do', () => {
  it('save stores at once, and rejects with SessionGoneError when the session has ended', async () => {
    const browser = await app({
      '/login': login,
      '/save': async (session) => {
        session['a'] = 1;
        await session.save();
        const stored = (await store.read(session.id))!.data['a'];
        await store.destroy(session.id);
        session['a'] = 2;
        const error = await session.save().catch((reason: Error) => reason);
        return [stored, (error as Error).name];
      },
    });
    await browser.get('/login');
    const answer = await browser.get('/save');
    expect(answer.json<string[]>()).toEqual(['1', 'SessionGoneError']);
    expect(answer.setCookies).toEqual([]);
  });

  it('save takes a callback, as express-session does', async () => {
    const browser = await app({
      '/': (session) =>
        new Promise((resolve) => {
          session['a'] = 1;
          const returned = session.save((error) => resolve([error ?? null, returned === session]));
        }),
    });
    expect((await browser.get('/')).json()).toEqual([null, true]);
  });

  it('reload reads the session again, in place', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        await store.update((await store.read(session.id))!, { set: { theme: '"dark"' } });
        session['user'] = 'changed and not saved';
        await session.reload();
        return [session['user'], session['theme'], req.session === (session as unknown)];
      },
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual(['ann', 'dark', true]);
  });

  it('reload with a callback puts a new object at req.session and leaves the old one', async () => {
    const browser = await app({
      '/login': login,
      '/': (session, req) =>
        new Promise((resolve) => {
          session['user'] = 'mine';
          session.reload(() => resolve([session['user'], (req.session as never)['user']]));
        }),
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual(['mine', 'ann']);
  });

  it('regenerate empties the same object, ends the old session and gives a new id', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        const before = session.id;
        await session.regenerate();
        return [
          before !== session.id,
          req.sessionID === session.id,
          session['user'] ?? null,
          req.session === (session as unknown),
        ];
      },
    });
    await browser.get('/login');
    const { id } = store.calls[0]!;
    expect((await browser.get('/')).json()).toEqual([true, true, null, true]);
    expect(await store.read(id!)).toBeUndefined();
  });

  it('regenerate with a callback puts a new object at req.session and leaves the old one', async () => {
    const browser = await app({
      '/login': login,
      '/': (session, req) =>
        new Promise((resolve) => {
          session.regenerate(() => {
            resolve([session['user'], Object.keys(req.session), session !== (req.session as unknown)]);
          });
        }),
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual(['ann', ['cookie'], true]);
  });

  it('regenerate that cannot end the old session rejects, and nothing has changed', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        store.failing = ['destroy'];
        const { id } = session;
        const error = await session.regenerate().catch((reason: Error) => reason);
        store.failing = false;
        return [(error as Error).name, session.id === id, req.sessionID === id, session['user']];
      },
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual(['SessionStoreError', true, true, 'ann']);
  });

  it('destroy of a session that was replaced leaves its successor the cookie', async () => {
    const browser = await app({
      '/login': login,
      '/': (session) => ({ user: session.user ?? null }),
      '/replace': async (session, req) => {
        await new Promise<void>((resolve, reject) =>
          session.regenerate((error) => (error ? reject(error as Error) : resolve())),
        );
        const successor = req.session as unknown as Session & Record<string, any>;
        successor.user = 'ben';
        await successor.save();
        await session.destroy();
      },
    });
    await browser.get('/login');
    await browser.get('/replace');
    expect((await browser.get('/')).json()).toEqual({ user: 'ben' });
  });

  it('what is assigned after an unawaited regenerate belongs to the new session', async () => {
    const browser = await app({
      '/login': login,
      '/': (session) => {
        void session.regenerate();
        session['user'] = 'ann';
        session['fresh'] = true;
      },
      '/me': dataOf,
    });
    await browser.get('/login');
    const { id } = store.calls[0]!;
    await browser.get('/');
    expect((await browser.get('/me')).json()).toEqual({ user: 'ann', fresh: true });
    expect(await store.read(id!)).toBeUndefined();
  });

  it('a destroy that fails is a 503 and the session stays, awaited or not', async () => {
    const browser = await app({
      '/login': login,
      '/awaited': (session) => session.destroy(),
      '/unawaited': (session) => void session.destroy(),
      '/': dataOf,
    });
    await browser.get('/login');
    for (const path of ['/awaited', '/unawaited']) {
      store.failing = ['destroy'];
      const answer = await browser.get(path);
      store.failing = false;
      expect(answer.status, path).toBe(503);
      expect(answer.setCookies, path).toEqual([]);
      expect((await browser.get('/')).json(), path).toEqual({ user: 'ann' });
    }
  });

  it('destroy and regenerate end the session they were called on, awaited or not', async () => {
    const browser = await app({
      '/login': login,
      '/again': (session) => {
        void session.save();
        void session.destroy();
        void session.regenerate();
        session['user'] = 'ben';
      },
      '/me': dataOf,
    });
    await browser.get('/login');
    const { id } = store.calls[0]!;
    await browser.get('/again');
    expect(await store.read(id!)).toBeUndefined();
  });

  it('a session replaced by something else, or its cookie, is told of and not lost silently', async () => {
    const browser = await app({
      '/session': (_session, req) => void ((req as { session: unknown }).session = { user: 'x' }),
      '/cookie': (session) => {
        session['user'] = 'ann';
        (session as { cookie: unknown }).cookie = { maxAge: 1000 };
      },
    });
    expect((await browser.get('/session')).setCookies).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('req.session was replaced')]);
    expect((await browser.get('/cookie')).json()['message']).toContain('session.cookie was replaced');
  });

  it('a destroy after a regenerate that came too late still ends the old session', async () => {
    const browser = await app({
      '/login': (session) => void (session['user'] = 'ann'),
      '/late': async (session, _req, res) => {
        res.write('begun');
        await session.regenerate().catch(() => {});
        await session.destroy();
        res.end();
      },
    });
    await browser.get('/login');
    await browser.get('/late');
    expect(await store.count()).toBe(0);
  });

  it('save rejects when the answer has begun and a new session could not reach the client', async () => {
    const browser = await app({
      '/': async (session, _req, res) => {
        res.write('begun ');
        session['user'] = 'ann';
        const error = await session.save().then(
          () => 'saved',
          (reason: Error) => reason.message,
        );
        res.end(error);
      },
    });
    expect((await browser.get('/')).text).toContain('the answer has begun');
    expect(store.take()).toEqual([]);
  });

  it('a value that JSON cannot hold fails that request with an error that names the property', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const browser = await app({
      '/bigint': (session) => void (session['total'] = 1n),
      '/cycle': (session) => void (session['tree'] = cycle),
      '/reserved': (session) => void ((session as Record<string, unknown>)['save'] = 'data'),
    });
    for (const [path, property] of [
      ['/bigint', 'total'],
      ['/cycle', 'tree'],
      ['/reserved', 'save'],
    ] as const) {
      const answer = await browser.get(path);
      expect(answer.status).toBe(500);
      expect(answer.json()['message']).toContain(property);
      expect(answer.setCookies).toEqual([]);
    }
    expect(store.take()).toEqual([]);
  });

  it('a group that is not a string throws, so that it cannot go unnoticed', async () => {
    const browser = await app({ '/': (session) => void session.joinGroup({ $ne: null } as never) });
    expect((await browser.get('/')).json()).toEqual({
      error: 'TypeError',
      message: 'group must be a well-formed string, not an object',
    });
  });

  it("is an instance of express-session's Session, and its cookie of its Cookie", async () => {
    const browser = await app({
      '/': (session) => {
        const { Session: TheirSession, Cookie } = expressSession as unknown as Record<
          string,
          new () => object
        >;
        return [session instanceof TheirSession!, session.cookie instanceof Cookie!];
      },
    });
    expect((await browser.get('/')).json()).toEqual([true, true]);
  });
});

describe('a store that fails', () => {
  it('on read gives the next error handler a 503 with Retry-After', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    store.failing = true;
    const answer = await browser.get('/');
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  });

  it('on the commit gives the next error handler a 503 without the handler’s headers, body or cookie', async () => {
    const browser = await app({
      '/': (session, _req, res) => {
        session['a'] = 1;
        res.set('Cache-Control', 'public').status(201).json({ saved: true });
      },
    });
    store.failing = true;
    const answer = await browser.get('/');
    expect(answer.status).toBe(503);
    expect(answer.headers['cache-control']).toBeUndefined();
    expect(answer.json()['error']).toBe('SessionStoreError');
    expect(answer.setCookies).toEqual([]);
  });

  it.each([
    ['that the handler passes on', (res: Response, next: NextFunction) => next, 503],
    ['for an answer of its own', (res: Response) => () => void res.status(500).json({ error: 'mine' }), 500],
  ])('at an explicit save gives its reason, %s, and that answer goes out', async (_, answerWith, status) => {
    const handle = express();
    middleware = sessionMiddleware({ secret: 'request', store, logger: { warn() {}, error() {} } });
    handle.use(middleware as RequestHandler);
    handle.get('/', (req, res, next) => {
      const session = req.session as unknown as Session & Record<string, any>;
      session['a'] = 1;
      session.save((error) => answerWith(res, next)(error));
    });
    handle.use((error: Error & { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
      res.status(error.status ?? 500).json({ error: 'mine' });
    });
    server = await serve(handle);
    store.failing = true;
    const answer = await new Browser(server.url).get('/');
    expect([answer.status, answer.text, answer.setCookies]).toEqual([status, '{"error":"mine"}', []]);
    expect(answer.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
  });

  it('a session that is too large likewise', async () => {
    const browser = await app(
      {
        '/': async (session) => {
          session['a'] = 'x'.repeat(1000);
          await session.save();
        },
      },
      { maxSize: 500 },
    );
    const answer = await browser.get('/');
    expect([answer.status, answer.json()['error']]).toEqual([500, 'SessionTooLargeError']);
  });

  it('without a reason is an error all the same, and never falls through to the handler', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    store.before = () => Promise.reject();
    expect((await browser.get('/')).status).toBe(500);
    store.before = undefined;
  });

  it('to open fails the first request, and the next one tries again', async () => {
    const browser = await app({ '/': dataOf });
    const { open } = store;
    store.open = async () => {
      throw new Error('no server');
    };
    expect((await browser.get('/')).status).toBe(500);
    store.open = open;
    expect((await browser.get('/')).status).toBe(200);
  });
});

describe('wrong options', () => {
  it.each([
    [{ secret: undefined }, /secret is required/],
    [{ secret: '' }, /secret is required/],
    [{ secret: [] }, /secret is required/],
    [{ idleTimeout: -1 }, /idleTimeout must be a positive number of milliseconds/],
    [{ idleTimeout: Number.NaN }, /idleTimeout must be a positive number/],
    [{ cookie: { maxAge: -5 } }, /cookie\.maxAge must be a positive number/],
    [{ cookie: { maxAge: Infinity } }, /idleTimeout: Infinity/],
    [{ absoluteTimeout: 0 }, /absoluteTimeout must be a positive number/],
    [{ store: undefined }, /store is required/],
    [{ store: {} }, /store must be a SessionStore/],
    [{ store: new expressSession.MemoryStore() }, /wrap it, store: fromExpressStore\(store\)/],
    [{ store: Promise.resolve() }, /await it/],
    [{ cookie: Promise.resolve({}) }, /not a promise/],
    [{ store: new Map() }, /store must be a SessionStore/],
    [{ name: 'a b' }, /name must be a cookie name/],
    [{ rolling: 'yes' }, /rolling must be true or false/],
    [{ genid: 'x' }, /genid must be a function/],
    [{ cookie: { expires: new Date() } }, /maxAge/],
    [{ cookie: { path: 'app' } }, /cookie\.path must be a path/],
    [{ cookie: { sameSite: 'bogus' } }, /cookie\.sameSite/],
    [{ cookie: { domain: 'a b;c' } }, /cookie\.domain/],
    [{ secret: {} }, /secret must be a string, a Buffer/],
    [{ logger: {} }, /logger must have the functions warn and error/],
  ])('%o is refused with a sentence that says what to write', (wrong, message) => {
    middleware = sessionMiddleware({ secret: 'x', store });
    expect(() => sessionMiddleware({ secret: 'x', store, ...wrong } as never)).toThrow(message);
  });
});
