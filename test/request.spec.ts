import { unsign } from 'cookie-signature';
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

/** The name of the error that a call rejects with. */
const nameOfError = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    ({ name }: Error) => name,
  );

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
    const { change } = store.calls.at(-1)!;
    expect(store.take()).toEqual(['read', 'update']);
    expect({ ...change!.set }).toEqual({ b: '{"deep":[1,2]}' });
    expect(change!.remove).toBeUndefined();
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

  it.each([
    [true, 'with every response', 1],
    [false, 'only when the session has changed', 0],
  ])('with rolling: %s is sent %s', async (rolling, _, sent) => {
    const browser = await app(
      { '/login': login, '/': (session) => session.touch() },
      { rolling, cookie: { maxAge: 60_000 } },
    );
    expect((await browser.get('/login')).setCookies).toHaveLength(1);
    expect((await browser.get('/')).setCookies).toHaveLength(sent);
  });

  it('is verified with any of the secrets and signed with the first', async () => {
    const browser = await app({ '/login': login, '/': dataOf }, { secret: ['old'] });
    await browser.get('/login');
    const old = browser.cookies.get('sid')!;
    await server!.close();
    const later = await app(
      { '/': dataOf, '/rotate': (session) => session.rotate() },
      { secret: ['new', 'old'] },
    );
    later.cookies.set('sid', old);
    expect((await later.get('/')).json()).toEqual({ user: 'ann' });
    await later.get('/rotate');
    expect(unsign(decodeURIComponent(later.cookies.get('sid')!).slice('s:'.length), 'new')).not.toBe(false);
  });

  interface TokenParts {
    id: string;
    secret: string;
    signature: string;
  }

  it.each<[string, (token: TokenParts) => string]>([
    ['a changed signature', ({ id, secret, signature }) => `s:${id}.${secret}.${signature.slice(0, -2)}AA`],
    ['no signature', ({ id, secret }) => `s:${id}.${secret}`],
    ['no secret', ({ id, signature }) => `s:${id}.${signature}`],
    ['no signature and no prefix', ({ id, secret }) => `${id}.${secret}`],
    ['an empty id and secret', ({ signature }) => `s:..${signature}`],
    ['an added stamp', ({ id, secret, signature }) => `s:${id}.${secret}.9999999999.${signature}`],
    ['a prefix alone', () => 's:'],
    ['nothing in it', () => ''],
    ['a broken percent-encoding', () => '%'],
    ['4 000 characters', () => `s:${'x'.repeat(4000)}`],
  ])('with a token with %s causes no lookup, and its id is not adopted', async (_, forge) => {
    const browser = await app({ '/login': login, '/': (session) => session.id });
    await browser.get('/login');
    const good = decodeURIComponent(browser.cookies.get('sid')!);
    const [id, secret, signature] = good.slice('s:'.length).split('.') as [string, string, string];
    store.take();
    browser.cookies.set('sid', encodeURIComponent(forge({ id, secret, signature })));
    const response = await browser.get('/');
    expect(response.status).toBe(200);
    expect(response.json<string>()).not.toBe(id);
    expect(store.take()).toEqual([]);
  });

  it('with a wrong secret gets a new session, and a warning with its id but without the secret is logged', async () => {
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
        return { stored, error: await nameOfError(session.save()) };
      },
    });
    await browser.get('/login');
    const response = await browser.get('/save');
    expect(response.json()).toEqual({ stored: '1', error: 'SessionGoneError' });
    expect(response.setCookies).toEqual([]);
  });

  it('save calls its callback without an error and returns the session, as in express-session', async () => {
    const browser = await app({
      '/': (session) =>
        new Promise((resolve) => {
          session['a'] = 1;
          const returned = session.save((error) =>
            resolve({ error: error ?? null, returnsSession: returned === session }),
          );
        }),
    });
    expect((await browser.get('/')).json()).toEqual({ error: null, returnsSession: true });
    expect(store.take()).toEqual(['create']);
  });

  it('reload reads the session again, into the same object', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        await store.update((await store.read(session.id))!, { set: { theme: '"dark"' } });
        session['user'] = 'changed and not saved';
        await session.reload();
        const { user, theme } = session;
        return { user, theme, isSameObject: req.session === (session as unknown) };
      },
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual({ user: 'ann', theme: 'dark', isSameObject: true });
  });

  it('reload with a callback assigns a new object to req.session and leaves the old one unchanged', async () => {
    const browser = await app({
      '/login': login,
      '/': (session, req) =>
        new Promise((resolve) => {
          session['user'] = 'mine';
          session.reload(() => resolve({ old: session['user'], reloaded: (req.session as never)['user'] }));
        }),
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual({ old: 'mine', reloaded: 'ann' });
  });

  it('regenerate empties the same object, destroys the old session and assigns a new id', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        const before = session.id;
        await session.regenerate();
        return {
          hasNewId: before !== session.id,
          sessionIDIsNew: req.sessionID === session.id,
          user: session['user'] ?? null,
          isSameObject: req.session === (session as unknown),
        };
      },
    });
    await browser.get('/login');
    const { id } = store.calls[0]!;
    expect((await browser.get('/')).json()).toEqual({
      hasNewId: true,
      sessionIDIsNew: true,
      user: null,
      isSameObject: true,
    });
    expect(await store.read(id!)).toBeUndefined();
  });

  it('regenerate with a callback assigns a new object to req.session and leaves the old one unchanged', async () => {
    const browser = await app({
      '/login': login,
      '/': (session, req) =>
        new Promise((resolve) => {
          session.regenerate(() => {
            const { session: fresh } = req;
            resolve({
              userOfOld: session['user'],
              keysOfNew: Object.keys(fresh),
              isSameObject: session === (fresh as unknown),
            });
          });
        }),
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual({
      userOfOld: 'ann',
      keysOfNew: ['cookie'],
      isSameObject: false,
    });
  });

  it('regenerate rejects and changes nothing if the old session cannot be destroyed', async () => {
    const browser = await app({
      '/login': login,
      '/': async (session, req) => {
        store.failing = ['regenerate'];
        const { id } = session;
        const error = await nameOfError(session.regenerate());
        store.failing = false;
        const isUnchanged = session.id === id && req.sessionID === id;
        return { error, isUnchanged, user: session['user'] };
      },
    });
    await browser.get('/login');
    expect((await browser.get('/')).json()).toEqual({
      error: 'SessionStoreError',
      isUnchanged: true,
      user: 'ann',
    });
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
      expect(response).toMatchObject({ status: 401, setCookies: [] });
      expect(response.json()).toMatchObject({ error: 'SessionGoneError' });
      expect(await store.count()).toBe(0);
      expect((await browser.get('/')).json()).toEqual({});
    },
  );

  it.each(['before the call has failed', 'after it'])(
    'a property assigned %s does not reach the old session if regenerate is not awaited, and the request fails',
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

  it('regenerate rejects if an earlier regenerate in the same request has failed', async () => {
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

  it('a slower request cannot regenerate a session after another called regenerate and destroy, as passport does', async () => {
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

  it.each<[string, Handler]>([
    ['awaited', (session) => session.destroy()],
    ['unawaited', (session) => void session.destroy()],
  ])('an %s destroy that fails results in a 503, and the session stays', async (_, logout) => {
    const browser = await app({ '/login': login, '/logout': logout, '/': dataOf });
    await browser.get('/login');
    store.failing = ['destroy'];
    expect(await browser.get('/logout')).toMatchObject({ status: 503, setCookies: [] });
    store.failing = false;
    expect((await browser.get('/')).json()).toEqual({ user: 'ann' });
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

  it('replacing req.session saves nothing and is logged', async () => {
    const browser = await app({
      '/': (_session, req) => void ((req as { session: unknown }).session = { user: 'x' }),
    });
    expect((await browser.get('/')).setCookies).toEqual([]);
    expect(store.take()).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('req.session was replaced')]);
  });

  it('replacing session.cookie fails the request', async () => {
    const browser = await app({
      '/': (session) => {
        session['user'] = 'ann';
        (session as { cookie: unknown }).cookie = { maxAge: 1000 };
      },
    });
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 500, setCookies: [] });
    expect(response.json()['message']).toContain('session.cookie was replaced');
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
    expect(response.status).toBe(500);
    expect(response.json()['error']).toBe('SessionTooLargeError');
  });

  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;

  it.each([
    ['a BigInt', { property: 'total', value: 1n, message: 'session["total"] cannot be saved' }],
    ['a cycle', { property: 'tree', value: cycle, message: 'session["tree"] cannot be saved' }],
    ['a reserved name', { property: 'save', value: 'data', message: 'session.save is reserved' }],
  ])(
    '%s fails the request with an error that names the property',
    async (_, { property, value, message }) => {
      const browser = await app({ '/': (session) => void Object.assign(session, { [property]: value }) });
      const response = await browser.get('/');
      expect(response).toMatchObject({ status: 500, setCookies: [] });
      expect(response.json()['message']).toContain(message);
      expect(store.take()).toEqual([]);
    },
  );

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
        return { session: session instanceof TheirSession!, cookie: session.cookie instanceof Cookie! };
      },
    });
    expect((await browser.get('/')).json()).toEqual({ session: true, cookie: true });
  });
});

describe('a failing store', () => {
  it('passes a 503 with Retry-After to the next error handler when a read fails', async () => {
    const browser = await app({ '/login': login, '/': dataOf });
    await browser.get('/login');
    store.failing = true;
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  it('passes a 503 to the next error handler when the commit fails, without the headers and body of the handler', async () => {
    const browser = await app({
      '/': (session, _req, res) => {
        session['a'] = 1;
        res.set('Cache-Control', 'public').status(201).json({ saved: true });
      },
    });
    store.failing = true;
    const response = await browser.get('/');
    expect(response).toMatchObject({ status: 503, setCookies: [] });
    expect(response.headers).not.toHaveProperty('cache-control');
    expect(response.json()['error']).toBe('SessionStoreError');
  });

  it.each([
    ['pass it on', { status: 503, respondWith: (_res: Response, next: NextFunction) => next }],
    [
      'send its own response',
      { status: 500, respondWith: (res: Response) => () => void res.status(500).json({ error: 'mine' }) },
    ],
  ])('passes its error to the callback of save, which may %s', async (_, { respondWith, status }) => {
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
    expect(response).toMatchObject({ status, text: '{"error":"mine"}', setCookies: [] });
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
    [{ store: null }, /store must be a SessionStore, not null: write store: new RedisStore/],
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
