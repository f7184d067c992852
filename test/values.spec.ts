import { MemoryStore } from 'express-session';
import { fromExpressStore } from 'nestjs-session-stores/express';
import { describe, expect, it } from 'vitest';
import {
  dataOf,
  loggedIn,
  serveApp,
  serveDropIn,
  tokenOf,
  type Handler,
  type TestApp,
  type TestSession,
} from './http/app.js';
import type { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';

const LONG = {
  text: 'a value that is parsed only when it is first read, because it is long enough for that',
};

const login: Handler = (session) => {
  session.user = 'ann';
  session.visits = 5;
  session.state = 's1';
  session.long = LONG;
};

/** The error that a call rejects with. */
async function errorOf(call: Promise<unknown>): Promise<{ name: string; message: string }> {
  try {
    await call;
  } catch (error) {
    const { name, message } = error as Error;
    return { name, message };
  }
  return { name: 'none', message: '' };
}

/** Serves `/login`, `/` for the data, and `/act` for a handler. */
async function stage(
  act: Handler,
  options: Parameters<typeof serveApp>[1] = {},
  more: Record<string, Handler> = {},
): Promise<{ app: TestApp; browser: Browser }> {
  const app = await serveApp({ '/login': login, '/': dataOf, '/act': act, ...more }, options);
  return { app, browser: await loggedIn(app) };
}

/** What a browser gets from a path, as JSON. */
const jsonAt = async (browser: Browser, path: string): Promise<any> => (await browser.get(path)).json();

/** Does something to the session in another request, in the middle of a handler. */
type Elsewhere = (name: 'add' | 'take' | 'assign' | 'destroy' | 'rotate') => Promise<unknown>;

/** A stage whose handler can act in another request of the same browser. */
async function twoRequests(act: (session: TestSession, elsewhere: Elsewhere) => unknown) {
  let browser!: Browser;
  const staged = await stage(
    (session) => act(session, (name) => browser.clone().get(`/${name}`)),
    {},
    {
      '/add': (session) => session.add('visits', 10),
      '/take': (session) => session.take('state'),
      '/assign': (session) => void (session.visits = 100),
      '/destroy': (session) => session.destroy(),
      '/rotate': (session) => session.rotate(),
    },
  );
  ({ browser } = staged);
  return staged;
}

describe('session.add()', () => {
  it('resolves to the sum, shows it in the request, and the next request reads it', async () => {
    const { browser } = await stage(async (session) => [await session.add('visits', 2), session.visits]);
    expect(await jsonAt(browser, '/act')).toEqual([7, 7]);
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 7 });
  });

  it('adds 1 by default, and counts an absent property as 0', async () => {
    const { browser } = await stage((session) => session.add('clicks'));
    expect(await jsonAt(browser, '/act')).toBe(1);
    expect(await jsonAt(browser, '/act')).toBe(2);
  });

  it('is one update, which the commit does not repeat', async () => {
    const { app, browser } = await stage((session) => session.add('visits'));
    await browser.get('/act');
    expect(app.store.calls.map(({ operation, change }) => [operation, change])).toEqual([
      ['read', undefined],
      ['update', { add: { name: 'visits', by: 1 } }],
    ]);
  });

  it('counts every one of parallel requests, also those that had read the session before', async () => {
    const gates = new Gates();
    let waiting = 0;
    const { browser } = await stage(async (session) => {
      if (++waiting === 20) gates.open('all');
      await gates.pass('all');
      return session.add('visits');
    });
    const sums = await Promise.all(Array.from({ length: 20 }, () => jsonAt(browser.clone(), '/act')));
    expect(sums.toSorted((a: number, b: number) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, at) => 6 + at),
    );
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 25 });
  });

  it('shows what other requests have added meanwhile, and the commit keeps it', async () => {
    const { browser } = await twoRequests(async (session, elsewhere) => {
      await elsewhere('add');
      const sum = await session.add('visits');
      session.other = 'changed';
      await elsewhere('add');
      return sum;
    });
    expect(await jsonAt(browser, '/act')).toBe(16);
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 26, other: 'changed' });
  });

  it('adds to an assignment of this request, which is saved first', async () => {
    const { browser } = await stage((session) => {
      session.visits = 40;
      return session.add('visits', 2);
    });
    expect(await jsonAt(browser, '/act')).toBe(42);
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 42 });
  });

  it('begins at 0 after this request has deleted the property', async () => {
    const { browser } = await stage((session) => {
      delete session.visits;
      return session.add('visits', 2);
    });
    expect(await jsonAt(browser, '/act')).toBe(2);
  });

  it('does not undo an assignment that was made while it ran', async () => {
    const { browser } = await stage(async (session) => {
      const adding = session.add('visits');
      session.visits = 70;
      return [await adding, session.visits];
    });
    expect(await jsonAt(browser, '/act')).toEqual([6, 70]);
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 70 });
  });

  it('leaves other unsaved changes to the commit', async () => {
    const { app, browser } = await stage(async (session) => {
      session.user = 'bob';
      await session.add('visits');
      delete session.state;
    });
    await browser.get('/act');
    const [, added, saved] = app.store.calls;
    expect(added!.change).toEqual({ add: { name: 'visits', by: 1 } });
    expect(saved!.change).toMatchObject({ set: { user: '"bob"' }, remove: ['state'] });
  });

  it('stores a new session first, whose client gets its token', async () => {
    const app = await serveApp({ '/act': (session) => session.add('visits'), '/': dataOf });
    const browser = app.browser();
    expect(await jsonAt(browser, '/act')).toBe(1);
    expect(await jsonAt(browser, '/')).toEqual({ visits: 1 });
    expect(app.store.take()).toEqual(['create', 'update', 'read']);
  });

  it('begins at 0 in a session that was regenerated', async () => {
    const { browser } = await stage(async (session) => {
      await session.regenerate();
      return session.add('visits');
    });
    expect(await jsonAt(browser, '/act')).toBe(1);
    expect(await jsonAt(browser, '/')).toEqual({ visits: 1 });
  });

  it('shows its sum in an object that was reloaded meanwhile', async () => {
    const { browser } = await stage(async (session) => {
      const reloading = session.reload();
      const adding = session.add('visits');
      await reloading;
      return [await adding, session.visits];
    });
    expect(await jsonAt(browser, '/act')).toEqual([6, 6]);
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 6 });
  });

  it('works after the response has begun', async () => {
    const gates = new Gates();
    const { browser } = await stage(async (session, _req, res) => {
      res.write('begun');
      await session.add('visits');
      res.end();
      await session.add('visits');
      gates.open('done');
    });
    expect((await browser.get('/act')).text).toBe('begun');
    await gates.pass('done');
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 7 });
  });

  it('rejects for a new session once the response has begun', async () => {
    const gates = new Gates();
    let error: unknown;
    const app = await serveApp({
      '/act': async (session, _req, res) => {
        res.end('begun');
        error = await errorOf(session.add('visits'));
        gates.open('done');
      },
    });
    await app.browser().get('/act');
    await gates.pass('done');
    expect(error).toMatchObject({ message: expect.stringContaining('the response has begun') });
    expect(app.store.done).toEqual([]);
  });

  it('works for a client with the previous secret', async () => {
    const { browser } = await twoRequests(async (session, elsewhere) => {
      await elsewhere('rotate');
      return session.add('visits');
    });
    expect(await jsonAt(browser, '/act')).toBe(6);
    expect(await jsonAt(browser, '/act')).toBe(7);
  });

  it.each<[what: string, value: unknown]>([
    ['a string', 'five, which must not be logged'],
    ['a fraction', 0.5],
    ['null', null],
    ['an object', { five: 5 }],
  ])('rejects with a TypeError that names the property if it is %s, and writes nothing', async (_, value) => {
    const { app, browser } = await stage(
      (session) => errorOf(session.add('count')),
      {},
      {
        '/set': (session) => void (session.count = value),
      },
    );
    await browser.get('/set');
    app.store.take();
    expect(await jsonAt(browser, '/act')).toEqual({
      name: 'TypeError',
      message:
        'session["count"] cannot be added to: its value is not an integer. Assign a whole number to it first',
    });
    expect(await jsonAt(browser, '/')).toMatchObject({ count: value });
  });

  it('rejects with a TypeError if the sum is beyond the safe integers, and writes nothing', async () => {
    const { browser } = await stage((session) => errorOf(session.add('visits', Number.MAX_SAFE_INTEGER)));
    expect(await jsonAt(browser, '/act')).toEqual({
      name: 'TypeError',
      message:
        'session["visits"] cannot be added to: the sum would not be a safe integer, from -(2 ** 53 - 1) to 2 ** 53 - 1',
    });
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 5 });
  });

  it.each([1.5, NaN, Infinity, 2 ** 53, '1', null, 1n])('rejects %s as what to add', async (by) => {
    let error: unknown;
    const { app, browser } = await stage(async (session) => {
      error = await errorOf(session.add('visits', by as number));
    });
    await browser.get('/act');
    expect(error).toEqual({
      name: 'TypeError',
      message: 'by must be a whole number from -(2 ** 53 - 1) to 2 ** 53 - 1',
    });
    expect(app.store.take()).toEqual(['read']);
  });

  it('rejects if the session would be larger than maxSize', async () => {
    const { browser } = await stage((session) => errorOf(session.add('n'.repeat(900))), { maxSize: 600 });
    expect(await jsonAt(browser, '/act')).toMatchObject({ name: 'SessionTooLargeError' });
  });

  it('rejects with the error of a store that fails, and is not repeated by the commit', async () => {
    const { app, browser } = await stage(async (session) => {
      app.store.failing = ['update'];
      const error = await errorOf(session.add('visits'));
      app.store.failing = false;
      return error;
    });
    expect(await jsonAt(browser, '/act')).toMatchObject({ name: 'SessionStoreError' });
    expect(app.store.take()).toEqual(['read', 'update']);
    expect(await jsonAt(browser, '/')).toMatchObject({ visits: 5 });
  });

  it('acts on the stored session if the request got it from the cache', async () => {
    const { app, browser } = await stage((session) => session.add('visits'), { cache: true });
    await browser.get('/');
    app.store.take();
    expect(await jsonAt(browser, '/act')).toBe(6);
    expect(app.store.take()).toEqual(['update']);
    expect(await jsonAt(browser, '/act')).toBe(7);
  });
});

describe('session.take()', () => {
  it.each<[property: string, value: unknown]>([
    ['state', 's1'],
    ['visits', 5],
    ['long', LONG],
  ])('resolves to the value, and removes the property: %s', async (property, value) => {
    const { browser } = await stage(async (session) => ({
      taken: await session.take(property),
      isThere: property in session,
    }));
    expect(await jsonAt(browser, '/act')).toEqual({ taken: value, isThere: false });
    expect(Object.keys(await jsonAt(browser, '/'))).not.toContain(property);
  });

  it('resolves to the value for exactly one of parallel requests, all of which had read it', async () => {
    const gates = new Gates();
    let waiting = 0;
    const { browser } = await stage(async (session) => {
      const read = session.state as string;
      if (++waiting === 20) gates.open('all');
      await gates.pass('all');
      return { read, taken: await session.take('state'), after: session.state as unknown };
    });
    const all = await Promise.all(Array.from({ length: 20 }, () => jsonAt(browser.clone(), '/act')));
    expect(all.filter(({ taken }) => taken !== undefined)).toEqual([{ read: 's1', taken: 's1' }]);
    expect(all.filter(({ read, after }) => read !== 's1' || after !== undefined)).toEqual([]);
  });

  it('is one update, which the commit does not undo', async () => {
    const { app, browser } = await stage((session) => session.take('long'));
    await browser.get('/act');
    expect(app.store.calls.map(({ operation, change }) => [operation, change])).toEqual([
      ['read', undefined],
      ['update', { take: 'long' }],
    ]);
  });

  it('is not undone by a request that had read the value', async () => {
    const { browser } = await twoRequests(async (session, elsewhere) => {
      void session.state;
      await elsewhere('take');
      session.other = 'changed';
    });
    await browser.get('/act');
    const data = await jsonAt(browser, '/');
    expect(data).toMatchObject({ other: 'changed' });
    expect(data).not.toHaveProperty('state');
  });

  it('resolves to undefined for a property that is absent, or that another request has taken', async () => {
    const { browser } = await twoRequests(async (session, elsewhere) => {
      await elsewhere('take');
      return {
        nothing: (await session.take('nothing')) === undefined,
        state: (await session.take('state')) ?? null,
      };
    });
    expect(await jsonAt(browser, '/act')).toEqual({ nothing: true, state: null });
  });

  it('resolves to an assignment of this request, which is saved first', async () => {
    const { browser } = await stage((session) => {
      session.state = 's2';
      return session.take('state');
    });
    expect(await jsonAt(browser, '/act')).toBe('s2');
    expect(await jsonAt(browser, '/')).not.toHaveProperty('state');
  });

  it('takes the own value of a session that is not stored, and does not store it', async () => {
    const app = await serveApp({
      '/act': async (session) => {
        session.state = { of: 'this request' };
        return [await session.take('state'), (await session.take('state')) ?? null];
      },
    });
    const { setCookies, text } = await app.browser().get('/act');
    expect(JSON.parse(text)).toEqual([{ of: 'this request' }, null]);
    expect(setCookies).toEqual([]);
    expect(app.store.take()).toEqual([]);
  });

  it('resolves to undefined for a stored value that is not JSON, and logs it', async () => {
    const { app, browser } = await stage(async (session) => (await session.take('bad')) ?? null);
    const { id } = tokenOf(browser);
    await app.store.update({ id }, { set: { bad: '{' } });
    expect(await jsonAt(browser, '/act')).toBe(null);
    expect(app.logged.at(-1)).toContain('the serialized value of "bad" is not JSON');
    expect((await app.store.read(id))!.data).not.toHaveProperty('bad');
  });
});

const CALLS: [name: string, call: (session: TestSession) => Promise<unknown>][] = [
  ['add', (session) => session.add('visits')],
  ['take', (session) => session.take('state')],
];

describe.each(CALLS)('session.%s()', (name, call) => {
  it('rejects for a session that another request has destroyed, and does not bring it back', async () => {
    const { app, browser } = await twoRequests(async (session, elsewhere) => {
      await elsewhere('destroy');
      return errorOf(call(session));
    });
    const { id } = tokenOf(browser);
    const { text } = await browser.get('/act');
    expect(JSON.parse(text)).toMatchObject({
      name: 'SessionGoneError',
      message: expect.stringMatching(`^${name}: `),
    });
    expect(await app.store.read(id)).toBeUndefined();
  });

  it('rejects for a session that this request has destroyed', async () => {
    const { app, browser } = await stage(async (session) => {
      await session.destroy();
      return errorOf(call(session));
    });
    expect(await jsonAt(browser, '/act')).toMatchObject({ name: 'SessionGoneError' });
    expect(app.store.take()).toEqual(['read', 'destroy']);
  });

  it.each([undefined, 42, null, '\ud800', ['a']])('rejects %j as a name', async (property) => {
    let error: unknown;
    const { app, browser } = await stage(async (session) => {
      error = await errorOf(
        name === 'add' ? session.add(property as string) : session.take(property as string),
      );
    });
    await browser.get('/act');
    expect(error).toMatchObject({
      name: 'TypeError',
      message: expect.stringMatching(/^name must be a well-formed string, not /),
    });
    expect(app.store.take()).toEqual(['read']);
  });

  it.each(['cookie', 'id', 'joinGroup', 'add'])('rejects the reserved name %s', async (property) => {
    let error: unknown;
    const { browser } = await stage(async (session) => {
      error = await errorOf(name === 'add' ? session.add(property) : session.take(property));
    });
    await browser.get('/act');
    expect(error).toEqual({
      name: 'TypeError',
      message: `session.${property} is reserved and cannot hold data. Choose another name`,
    });
  });

  it.each(['__proto__', 'a.b', '$set', '', 'toString', 'constructor'])(
    'works on a property of the name %j',
    async (property) => {
      const { browser } = await stage(async (session) =>
        name === 'add'
          ? [await session.add(property, 2), Object.hasOwn(session, property), session[property]]
          : [await session.take(property), Object.hasOwn(session, property)],
      );
      if (name === 'add') {
        expect(await jsonAt(browser, '/act')).toEqual([2, true, 2]);
        expect(await jsonAt(browser, '/act')).toEqual([4, true, 4]);
      } else expect(await jsonAt(browser, '/act')).toEqual([null, false]);
    },
  );

  it('does not end the process if its rejection is not awaited, but fails the response', async () => {
    const { browser } = await stage((session) => {
      void (name === 'add' ? session.add('user') : session.take('id'));
    });
    const { status } = await browser.get('/act');
    expect(status).toBe(name === 'add' ? 500 : 200);
  });
});

describe('in the drop-in for express-session', () => {
  const handlers: Record<string, Handler> = {
    '/login': login,
    '/': dataOf,
    '/act': async (session) => [await session.add('visits'), await session.take('state')],
    '/hide': (session) => void Object.assign(session, { add: 'data' }),
  };

  it('sessions have add() and take()', async () => {
    const browser = await loggedIn(await serveDropIn(handlers));
    expect(await jsonAt(browser, '/act')).toEqual([6, 's1']);
  });

  it('data of the name add hides the method', async () => {
    const browser = await loggedIn(await serveDropIn(handlers));
    await browser.get('/hide');
    expect(await jsonAt(browser, '/')).toMatchObject({ add: 'data' });
  });
});

describe('on a store of express-session', () => {
  it('one request after the other adds, and takes, and keeps what others have changed', async () => {
    const app = await serveApp(
      {
        '/login': login,
        '/': dataOf,
        '/act': async (session) => {
          session.user = 'bob';
          return [await session.add('visits'), (await session.take('state')) ?? null];
        },
      },
      { store: fromExpressStore(new MemoryStore()) },
    );
    const browser = await loggedIn(app);
    expect(await jsonAt(browser, '/act')).toEqual([6, 's1']);
    expect(await jsonAt(browser, '/act')).toEqual([7, null]);
    expect(await jsonAt(browser, '/')).toEqual({ user: 'bob', visits: 7, long: LONG });
  });
});
