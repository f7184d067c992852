import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import expressSession from 'express-session';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  sessionMiddleware,
  type Session,
  type SessionMiddleware,
  type SessionOptions,
} from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';
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

/** Serves `handlers` by path. A handler's result is sent as JSON, unless the handler responded itself. */
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

describe('store calls of a request', () => {
  it('a client without a session that stores nothing causes no call and gets no cookie', async () => {
    const browser = await app({ '/': dataOf });
    const { setCookies } = await browser.get('/');
    expect(setCookies).toEqual([]);
    expect(store.take()).toEqual([]);
  });

  it('a first write causes one create, and a request that changes nothing causes one read', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    expect(store.take()).toEqual(['create']);
    const { setCookies, text } = await browser.get('/');
    expect(JSON.parse(text)).toEqual({ user: 'ann' });
    expect(setCookies).toEqual([]);
    expect(store.take()).toEqual(['read']);
  });

  it('a change to one of five properties causes one update with that serialized value only', async () => {
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

  it('an update removes deleted and undefined properties, and does not write equal ones', async () => {
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

  it('a session is touched, and its cookie renewed, only after more than a tenth of the lifetime', async () => {
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

  it('joining a group is enough to store a new session, and joining again writes nothing', async () => {
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

describe('the session cookie', () => {
  it('is by default named sid, HttpOnly, SameSite=Lax, for all paths, and has no expiry', async () => {
    const browser = await app({ '/login': login });
    const [cookie] = (await browser.get('/login')).setCookies;
    expect(cookie).toMatch(/^sid=s%3A[\w-]{32}\.[\w-]{32}\.[\w%]+; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  it('is sent with every response if rolling is true, and only when the session changed if it is false', async () => {
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

  it('never causes a lookup when its token is forged or malformed, and its id is not adopted', async () => {
    const browser = await app({ '/login': login, '/': (session) => session.id });
    await browser.get('/login');
    const good = decodeURIComponent(browser.cookies.get('sid')!);
    const [id, secret, signature] = good.slice(2).split('.') as [string, string, string];
    const token = `${id}.${secret}`;
    store.take();
    for (const forged of [
      `s:${token}.${signature.slice(0, -2)}AA`,
      `s:${token}`,
      `s:${id}.${signature}`,
      token,
      `s:..${signature}`,
      `s:${token}.9999999999.${signature}`,
      's:',
      '',
      '%',
      `s:${'x'.repeat(4000)}`,
    ]) {
      browser.cookies.set('sid', encodeURIComponent(forged));
      const response = await browser.get('/');
      expect(response.status).toBe(200);
      expect(response.json<string>()).not.toBe(id);
      expect(store.take(), forged.slice(0, 50)).toEqual([]);
    }
  });

  it('with a wrong secret gets a new session, and a warning contains its id but no secret', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    const { id, record } = store.calls[0]!;
    const secret = decodeURIComponent(browser.cookies.get('sid')!).split('.')[1];
    await store.rotate(record!, record!.secretHash, 'the hash of another secret', 0);
    expect((await browser.get('/')).json()).toEqual({});
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain(id);
    expect(logged[0]).not.toContain(secret);
  });

  it('is cleared by destroy with the attributes it was set with, and not for a client that had none', async () => {
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

  it('applies only to requests under its path', async () => {
    const browser = await app(
      { '/app/login': login, '/application': (session) => session === undefined },
      { cookie: { path: '/app' } },
    );
    expect((await browser.get('/app/login')).setCookies[0]).toContain('Path=/app;');
    expect((await browser.get('/application')).json<boolean>()).toBe(true);
  });
});

describe('the methods of a session', () => {
  it('save stores the session at once, and rejects with SessionGoneError if it was destroyed', async () => {
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
    const response = await browser.get('/save');
    expect(response.json<string[]>()).toEqual(['1', 'SessionGoneError']);
    expect(response.setCookies).toEqual([]);
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

  it('reload reads the session again, into the same object', async () => {
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

  it('reload with a callback assigns a new object to req.session and leaves the old one unchanged', async () => {
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

  it('regenerate empties the same object, destroys the old session and assigns a new id', async () => {
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

  it('regenerate with a callback assigns a new object to req.session and leaves the old one unchanged', async () => {
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

  it('regenerate rejects and changes nothing if the old session cannot be destroyed', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        store.failing = ['regenerate'];
        const { id } = session;
        const error = await session.regenerate().catch((reason: Error) => reason);
        store.failing = false;
        return [(error as Error).name, session.id === id, req.sessionID === id, session['user']];
      },
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual(['SessionStoreError', true, true, 'ann']);
  });

  it.each(['destroyed', 'cleared'])(
    'regenerate is a 401 that stores nothing and sends no cookie if the old session was %s before the commit',
    async (ending) => {
      const browser = await app({
        '/login': login,
        '/again': async (session) => {
          const { id } = session;
          await session.regenerate();
          session['user'] = 'ann';
          if (ending === 'destroyed') await store.destroy(id);
          else await store.clear();
        },
        '/': dataOf,
      });
      await browser.get('/login');
      const response = await browser.get('/again');
      expect([response.status, response.setCookies]).toEqual([401, []]);
      expect(response.json()).toMatchObject({ error: 'SessionGoneError' });
      expect(await store.count()).toBe(0);
      expect((await browser.get('/')).json()).toEqual({});
    },
  );

  it.each(['before the call has failed', 'after it'])(
    'what is set %s does not reach the old session if regenerate is not awaited, and the request fails',
    async (when) => {
      const browser = await app({
        '/login': login,
        '/again': async (session) => {
          store.failing = ['regenerate'];
          void session.regenerate();
          if (when === 'after it') await new Promise((resolve) => setTimeout(resolve, 20));
          session['user'] = 'ben';
          await new Promise((resolve) => setTimeout(resolve, 20));
        },
        '/': dataOf,
      });
      await browser.get('/login');
      expect((await browser.get('/again')).status).toBe(503);
      store.failing = false;
      expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
    },
  );

  it('regenerate rejects if one before it in the same request has failed', async () => {
    const browser = await app({
      '/login': login,
      '/again': async (session) => {
        store.failing = ['regenerate'];
        void session.regenerate();
        await session.regenerate();
        session['user'] = 'ben';
      },
      '/': dataOf,
    });
    await browser.get('/login');
    expect((await browser.get('/again')).status).toBe(503);
    store.failing = false;
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
  });

  it.each(['regenerate', 'save'] as const)(
    'a login is a 401 if its session was destroyed before, and its %s is not awaited',
    async (unawaited) => {
      const browser = await app({
        '/login': login,
        '/again': async (session) => {
          const { id } = session;
          if (unawaited === 'regenerate') await store.destroy(id);
          const regenerated = session.regenerate();
          if (unawaited === 'save') await regenerated;
          if (unawaited === 'save') await store.destroy(id);
          session['user'] = 'ann';
          if (unawaited === 'save') void session.save();
        },
      });
      await browser.get('/login');
      expect((await browser.get('/again')).status).toBe(401);
      expect(await store.count()).toBe(0);
    },
  );

  it('a destroy after regenerate ends the old session for requests that regenerate it too, as passport logs out', async () => {
    const gates = new Gates();
    const browser = await app({
      '/login': login,
      '/logout': async (session) => {
        await session.regenerate();
        await session.destroy();
      },
      '/slow': async (session) => {
        const { user } = session;
        await gates.pass('slow');
        await session.regenerate();
        session['user'] = user;
      },
      '/': dataOf,
    });
    await browser.get('/login');
    const slowly = browser.clone();
    const slow = slowly.get('/slow');
    await gates.reached('slow');
    await browser.get('/logout');
    gates.open('slow');
    expect((await slow).status).toBe(401);
    expect((await slowly.get('/')).json()).toEqual({});
  });

  it('a session object that was regenerated away cannot start a session for one that others have destroyed', async () => {
    const browser = await app({
      '/login': login,
      '/again': async (session, req) => {
        const { id } = session;
        await new Promise((resolve) => session.regenerate(resolve));
        await store.destroy(id);
        await session.regenerate();
        (req.session as unknown as { user: string }).user = 'ann';
      },
    });
    await browser.get('/login');
    expect((await browser.get('/again')).status).toBe(401);
    expect(await store.count()).toBe(0);
  });

  it('destroy of a regenerated session leaves the cookie of its successor alone', async () => {
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

  it('properties assigned after an unawaited regenerate belong to the new session', async () => {
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

  it('a destroy that fails results in a 503 and the session stays, awaited or not', async () => {
    const browser = await app({
      '/login': login,
      '/awaited': (session) => session.destroy(),
      '/unawaited': (session) => void session.destroy(),
      '/': dataOf,
    });
    await browser.get('/login');
    for (const path of ['/awaited', '/unawaited']) {
      store.failing = ['destroy'];
      const response = await browser.get(path);
      store.failing = false;
      expect(response.status, path).toBe(503);
      expect(response.setCookies, path).toEqual([]);
      expect((await browser.get('/')).json(), path).toEqual({ user: 'ann' });
    }
  });

  it('an unawaited save, destroy and regenerate in a row destroy the session they were called on', async () => {
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

  it('replacing req.session is logged, and replacing session.cookie fails the request', async () => {
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

  it('destroy removes the old session even after a regenerate that came too late', async () => {
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

  it('save of a new session rejects once the response has begun, because no cookie can be sent', async () => {
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
    expect((await browser.get('/')).text).toContain('the response has begun');
    expect(store.take()).toEqual([]);
  });

  it('save of a session above maxSize rejects, which results in a 500', async () => {
    const browser = await app(
      {
        '/': async (session) => {
          session['a'] = 'x'.repeat(1000);
          await session.save();
        },
      },
      { maxSize: 500 },
    );
    const response = await browser.get('/');
    expect([response.status, response.json()['error']]).toEqual([500, 'SessionTooLargeError']);
  });

  it('an unserializable value or a reserved name fails the request with an error that names the property', async () => {
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
      const response = await browser.get(path);
      expect(response.status).toBe(500);
      expect(response.json()['message']).toContain(property);
      expect(response.setCookies).toEqual([]);
    }
    expect(store.take()).toEqual([]);
  });

  it('joinGroup throws for a group that is not a string', async () => {
    const browser = await app({ '/': (session) => void session.joinGroup({ $ne: null } as never) });
    expect((await browser.get('/')).json()).toEqual({
      error: 'TypeError',
      message: 'group must be a well-formed string, not an object',
    });
  });

  it('a session is an instance of Session of express-session, and its cookie an instance of Cookie', async () => {
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

describe('a failing store', () => {
  it('passes a 503 with Retry-After to the next error handler when a read fails', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    store.failing = true;
    const response = await browser.get('/');
    expect([response.status, response.headers['retry-after']]).toEqual([503, '1']);
  });

  it('passes a 503 without what the handler sent to the next error handler when the commit fails', async () => {
    const browser = await app({
      '/': (session, _req, res) => {
        session['a'] = 1;
        res.set('Cache-Control', 'public').status(201).json({ saved: true });
      },
    });
    store.failing = true;
    const response = await browser.get('/');
    expect(response.status).toBe(503);
    expect(response.headers['cache-control']).toBeUndefined();
    expect(response.json()['error']).toBe('SessionStoreError');
    expect(response.setCookies).toEqual([]);
  });

  it.each([
    ['passes it on', (res: Response, next: NextFunction) => next, 503],
    [
      'sends a response of its own',
      (res: Response) => () => void res.status(500).json({ error: 'mine' }),
      500,
    ],
  ])('passes its error to the callback of save, and the handler %s', async (_, respondWith, status) => {
    const handle = express();
    middleware = sessionMiddleware({ secret: 'request', store, logger: { warn() {}, error() {} } });
    handle.use(middleware as RequestHandler);
    handle.get('/', (req, res, next) => {
      const session = req.session as unknown as Session & Record<string, any>;
      session['a'] = 1;
      session.save((error) => respondWith(res, next)(error));
    });
    handle.use((error: Error & { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
      res.status(error.status ?? 500).json({ error: 'mine' });
    });
    server = await serve(handle);
    store.failing = true;
    const response = await new Browser(server.url).get('/');
    expect([response.status, response.text, response.setCookies]).toEqual([status, '{"error":"mine"}', []]);
    expect(response.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
  });

  it('that rejects with undefined results in a 500 and never falls through to the handler', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    vi.spyOn(store, 'read').mockImplementation(() => Promise.reject());
    expect((await browser.get('/')).status).toBe(500);
    vi.restoreAllMocks();
  });

  it('that fails to open fails the first request, and the next request opens it again', async () => {
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

describe('sessionMiddleware()', () => {
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
    [{ store: 'redis' }, /store must be a SessionStore, not a string: write store: new RedisStore/],
    [{ store: new expressSession.MemoryStore() }, /write store: fromExpressStore\(store\)/],
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
  ])('rejects the options %o with an error that says what to write', (wrong, message) => {
    middleware = sessionMiddleware({ secret: 'x', store });
    expect(() => sessionMiddleware({ secret: 'x', store, ...wrong } as never)).toThrow(message);
  });
});
