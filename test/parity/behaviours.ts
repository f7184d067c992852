import { Readable } from 'node:stream';
import { createHmac } from 'node:crypto';
import expressSession from 'express-session';
import type { Request, Response } from 'express';
import type { Behaviour, Handle, ParitySession, Visit } from './observe.js';

const MINUTE = 60_000;

const count: Handle = (session, _req, res) => {
  session['count'] = (session['count'] ?? 0) + 1;
  res.end(`count ${session['count']}`);
};
/** Changes nothing after the first visit. */
const setOnce: Handle = (session, _req, res) => {
  session['user'] = 'bob';
  res.end();
};
const showUser: Handle = (session, _req, res) => void res.end(String(session['user']));
const twice: Visit[] = [{}, {}];

/** The session's original max age, rounded up because express-session derives it from a running clock. */
const ageOf = ({ cookie: { originalMaxAge } }: ParitySession): number | null =>
  originalMaxAge === null ? null : Math.ceil(originalMaxAge / 10) * 10;

/** Requests over HTTPS according to `X-Forwarded-Proto`, according to a trusted proxy and over TLS, and over HTTP. */
const protocolVisits: Visit[] = [
  { headers: { 'x-forwarded-proto': 'https' } },
  { headers: { 'x-forwarded-proto': 'https' }, way: 'trusting' },
  { headers: { 'x-forwarded-proto': 'https, http' }, cookies: () => '' },
  { headers: { 'x-forwarded-proto': 'http' }, cookies: () => '' },
  { cookies: () => '' },
  { way: 'secure', cookies: () => '' },
];

/** Replaces methods of a response, as many middlewares do. */
function patch(res: Response): void {
  for (const name of ['write', 'end'] as const) {
    const original = res[name] as (...args: unknown[]) => unknown;
    res[name] = ((...args: unknown[]) => original.apply(res, args)) as never;
  }
}

/** A cookie in the format of express-session. */
function signedCookie(name: string, id: string): string {
  const signature = createHmac('sha256', 'parity').update(id).digest('base64').replace(/=+$/, '');
  return `${name}=${encodeURIComponent(`s:${id}.${signature}`)}`;
}

const options: Behaviour[] = [
  {
    name: 'a new session is stored and its cookie is set',
    options: { saveUninitialized: true },
    visits: [{}],
  },
  { name: 'an empty new session is not stored and gets no cookie', visits: [{}] },
  {
    name: 'resave and saveUninitialized are true by default',
    options: { resave: undefined, saveUninitialized: undefined },
    visits: twice,
  },
  { name: 'a session is loaded by its cookie', handle: count, visits: [{}, {}, {}] },
  { name: 'each client has its own session', handle: count, visits: [{}, { cookies: () => '' }] },
  {
    name: 'the option name is the name of the cookie',
    options: { name: 'session_id' },
    handle: count,
    visits: twice,
  },
  {
    name: 'the option key is an alias of name',
    options: { key: 'session_id' } as object,
    handle: count,
    visits: twice,
  },
  {
    name: 'the option name takes precedence over key',
    options: { name: 'a', key: 'b' } as object,
    handle: count,
    visits: twice,
  },
  { name: 'an empty name means the default name', options: { name: '' }, handle: count, visits: twice },
  {
    name: 'the first secret signs and all secrets verify',
    options: { secret: 'old' },
    handle: count,
    visits: [{}, { options: { secret: ['new', 'old'] } }, { options: { secret: ['new'] } }],
  },
  {
    name: 'a secret may be a Buffer',
    options: { secret: Buffer.alloc(32, 7) as never },
    handle: count,
    visits: twice,
  },
  {
    name: 'without the option secret, req.secret is the secret',
    options: { secret: undefined },
    before: (req) => void ((req as { secret?: string }).secret = 'parity'),
    handle: count,
    visits: twice,
  },
  { name: 'a missing secret is an error', options: { secret: undefined }, visits: [{}] },
  {
    name: 'a cookie with a forged signature starts a new session without a lookup',
    handle: count,
    visits: [{}, { cookies: (jar) => jar.replace(/\.[^.]*$/, '.AAAAA') }],
  },
  {
    name: 'an unsigned cookie starts a new session',
    handle: count,
    visits: [{ cookies: () => 'connect.sid=guess' }],
  },
  {
    name: 'a session id that the store does not have is replaced by a new one',
    handle: count,
    visits: [{ cookies: () => signedCookie('connect.sid', 'unknown') }],
  },
  {
    name: 'genid generates the session id from the request',
    options: { genid: (req) => `id${req.url}%` },
    handle: count,
    visits: [{ path: '/one' }, {}, { path: '/two', cookies: () => '' }],
  },
  {
    name: 'with rolling the cookie is sent with every response',
    options: { rolling: true },
    handle: setOnce,
    visits: twice,
  },
  {
    name: 'with rolling no cookie is sent for a session that is not stored',
    options: { rolling: true },
    visits: twice,
  },
  {
    name: 'with rolling the cookie of an uninitialized stored session is sent with every response',
    options: { rolling: true, saveUninitialized: true, cookie: { maxAge: MINUTE } },
    visits: twice,
  },
  {
    name: 'without rolling a cookie with a maxAge is sent when the session changed',
    options: { cookie: { maxAge: MINUTE } },
    handle: (session, req, res) => {
      if (req.path === '/change') session['n'] = Math.random();
      res.end();
    },
    visits: [{ path: '/change' }, {}, { path: '/change' }, {}],
  },
  {
    name: 'without rolling a cookie without a maxAge is sent once',
    handle: count,
    visits: twice,
  },
  {
    name: 'with resave an unchanged session is saved',
    options: { resave: true },
    handle: setOnce,
    visits: twice,
  },
  { name: 'without resave an unchanged session is touched', handle: setOnce, visits: twice },
  {
    name: 'without resave an unchanged session with a maxAge is touched',
    options: { cookie: { maxAge: MINUTE } },
    handle: setOnce,
    visits: twice,
  },
  {
    name: 'with resave an unchanged session with a maxAge is saved',
    options: { resave: true, cookie: { maxAge: MINUTE } },
    handle: setOnce,
    visits: twice,
  },
  {
    name: 'a property named cookie inside a value is data',
    handle: (session, _req, res) => {
      session['user'] = { cookie: (session['user']?.cookie ?? 0) + 1 };
      res.end(String(session['user'].cookie));
    },
    visits: twice,
  },
  ...(['null', 'delete'] as const).flatMap((how) =>
    (['keep', 'destroy', undefined] as const).map((unset): Behaviour => ({
      name: [
        unset ? `with unset ${unset}` : 'by default',
        how === 'null' ? 'req.session = null' : 'delete req.session',
        unset === 'destroy' ? 'destroys the stored session' : 'keeps the stored session',
      ].join(' '),
      options: { unset },
      handle: (session, req, res) => {
        if (req.path === '/unset') {
          if (how === 'null') (req as { session: unknown }).session = null;
          else delete (req as { session?: unknown }).session;
        } else session['count'] = (session['count'] ?? 0) + 1;
        res.end(String(session['count']));
      },
      visits: [{}, { path: '/unset' }, {}, { path: '/unset', cookies: () => '' }],
    })),
  ),
];

const cookies: Behaviour[] = [
  {
    name: 'maxAge is the lifetime of both cookie and session',
    options: { cookie: { maxAge: 600 } },
    handle: count,
    visits: [{}, {}, { later: 700 }],
  },
  {
    name: 'a session can have a maxAge of its own',
    options: { cookie: { maxAge: 20 * MINUTE } },
    handle: (session, req, res) => {
      if (req.path === '/short') session.cookie.maxAge = 5 * MINUTE;
      if (req.path === '/long') session.cookie.maxAge = 3_000_000_000;
      if (req.path === '/browser') session.cookie.maxAge = null as never;
      session['n'] = (session['n'] ?? 0) + 1;
      res.end(String(ageOf(session)));
    },
    visits: [{}, { path: '/short' }, {}, { path: '/long' }, {}, { path: '/browser' }, {}],
  },
  {
    name: 'originalMaxAge stays the same between requests',
    options: { cookie: { maxAge: 2000 }, saveUninitialized: true },
    handle: (session, _req, res) => void res.end(String(ageOf(session))),
    visits: [{}, { later: 20 }],
  },
  {
    name: 'the option cookie.expires applies to all sessions',
    options: { cookie: { expires: new Date(Date.now() + 24 * 60 * MINUTE) } },
    handle: count,
    visits: twice,
  },
  {
    name: 'session.cookie.expires may be set to a date',
    handle: (session, _req, res) => {
      session.cookie.expires = new Date(Date.now() + 20 * MINUTE);
      session['a'] = 1;
      res.end();
    },
    visits: [{}, {}],
  },
  ...[{ expires: new Date(0) }, { maxAge: 0 }].map((cookie) => ({
    name: `a cookie may be configured as expired by ${Object.keys(cookie).join()}`,
    options: { cookie },
    handle: ((_session, _req, res) => void res.end()) as Behaviour['handle'],
    visits: twice,
  })),
  {
    name: 'the cookie options may be null',
    options: { cookie: null as never },
    handle: (session, _req, res) => {
      session['n'] = (session['n'] ?? 0) + 1;
      res.end(String(session['n']));
    },
    visits: twice,
  },
  {
    name: 'a session expires when its cookie.expires is set to the past',
    handle: (session, _req, res) => {
      session['n'] = (session['n'] ?? 0) + 1;
      if (session['n'] === 2) session.cookie.expires = new Date(0);
      res.end(String(session['n']));
    },
    visits: [{}, {}, {}],
  },
  {
    name: 'session.cookie.expires = null makes a cookie that ends with the browser',
    options: { cookie: { maxAge: MINUTE } },
    handle: (session, _req, res) => {
      session.cookie.expires = null;
      session['n'] = (session['n'] ?? 0) + 1;
      res.end();
    },
    visits: twice,
  },
  ...[
    { path: '/admin' },
    { domain: 'example.com' },
    { httpOnly: false },
    { sameSite: true },
    { sameSite: false },
    { sameSite: 'lax' as const },
    { sameSite: 'strict' as const },
    { sameSite: 'none' as const },
    { priority: 'low' as const },
    { priority: 'medium' as const },
    { priority: 'high' as const },
    { partitioned: true },
    { partitioned: false },
  ].map((cookie): Behaviour => ({
    name: `a cookie is sent with ${JSON.stringify(cookie)}`,
    options: { cookie },
    handle: count,
    visits: [{ path: '/admin' }, { path: '/admin' }],
  })),
  {
    name: 'a handler can set cookie attributes of its session',
    options: { proxy: true },
    handle: (session, _req, res) => {
      session.cookie.httpOnly = false;
      session.cookie.secure = true;
      session.cookie.sameSite = 'strict';
      session['a'] = 1;
      res.end();
    },
    visits: [{ headers: { 'x-forwarded-proto': 'https' } }, { headers: { 'x-forwarded-proto': 'https' } }],
  },
  {
    name: 'a secure cookie is sent over HTTPS only',
    options: { cookie: { secure: true } },
    handle: count,
    visits: protocolVisits,
  },
  ...[undefined, true, false].flatMap((proxy): Behaviour[] => [
    {
      name: `a cookie with secure true is sent according to proxy ${proxy}`,
      options: { proxy, cookie: { secure: true } },
      handle: count,
      visits: protocolVisits,
    },
    {
      name: `a cookie with secure auto is secure according to proxy ${proxy}`,
      options: { proxy, cookie: { secure: 'auto' } },
      handle: count,
      visits: protocolVisits,
    },
    {
      name: `a cookie with sameSite auto has its SameSite according to proxy ${proxy}`,
      options: { proxy, cookie: { sameSite: 'auto' as never, maxAge: MINUTE } },
      handle: count,
      visits: protocolVisits,
    },
  ]),
  {
    name: 'with proxy undefined req.secure is respected',
    options: { cookie: { secure: 'auto' } },
    before: (req) => void Object.defineProperty(req, 'secure', { value: true }),
    handle: count,
    visits: [{}],
  },
  {
    name: 'with proxy false req.secure is ignored',
    options: { proxy: false, cookie: { secure: 'auto' } },
    before: (req) => void Object.defineProperty(req, 'secure', { value: true }),
    handle: count,
    visits: [{}],
  },
  {
    name: 'a cookie function is called for each request',
    options: {
      cookie: ((req: Request) =>
        req.url.startsWith('/long') ? { maxAge: 2 * 60 * MINUTE } : { sameSite: 'lax' }) as never,
    },
    handle: count,
    visits: [{ path: '/long' }, {}, { path: '/short', cookies: () => '' }],
  },
  {
    name: 'the path from a cookie function decides which requests have a session',
    options: { cookie: (() => ({ path: '/app' })) as never },
    handle: (session, _req, res) => void res.end(typeof session),
    visits: [{ path: '/' }, { path: '/app' }, { path: '/app/deep?x=/y' }],
  },
  {
    name: 'a cookie function may return secure auto',
    options: { cookie: (() => ({ secure: 'auto' })) as never },
    handle: count,
    visits: [{}, { way: 'secure' }],
  },
  {
    name: "requests outside the cookie's path have no session",
    options: { cookie: { path: '/foo/bar' }, saveUninitialized: true },
    handle: (session, _req, res) => void res.end(typeof session),
    visits: ['/', '/foo', '/foo/bar', '/foo/bar?a', '/foo/bar/baz', '/FOO/bar', '/x?/foo/bar'].map(
      (path) => ({
        path,
        cookies: () => '',
      }),
    ),
  },
  {
    name: "a request path that merely starts with the cookie's path has a session",
    options: { cookie: { path: '/foo/bar' }, saveUninitialized: true },
    handle: (session, _req, res) => void res.end(typeof session),
    visits: [{ path: '/foo/barbecue' }],
  },
  {
    name: 'the cookie path is compared with the whole URL when the middleware is mounted on a path',
    mount: '/foo',
    options: { cookie: { path: '/foo/bar' }, saveUninitialized: true },
    handle: (session, _req, res) => void res.end(typeof session),
    visits: [{ path: '/foo/bar' }, { path: '/foo/foo/bar', cookies: () => '' }],
  },
  {
    name: 'cookies that the handler sets are kept',
    handle: (session, req, res) => {
      session['a'] = 1;
      if (req.path === '/head') res.writeHead(200, { 'Set-Cookie': 'theirs=2; Path=/' });
      else res.setHeader('Set-Cookie', 'theirs=1; Path=/');
      res.end();
    },
    visits: [{}, { path: '/head', cookies: () => '' }],
  },
  {
    name: 'session.cookie is a Cookie and serializes to JSON and to a header',
    options: { cookie: { maxAge: MINUTE, sameSite: 'lax' } },
    handle: (session, _req, res) => {
      const {
        expires: _,
        originalMaxAge: _age,
        ...rest
      } = JSON.parse(JSON.stringify(session.cookie)) as Record<string, unknown>;
      res.end(
        JSON.stringify([
          rest,
          session.cookie instanceof expressSession.Cookie,
          session.cookie.expires instanceof Date,
          (session.cookie as unknown as { serialize(...pair: string[]): string })
            .serialize('n', 'v')
            .replace(/Expires=[^;]*/, 'Expires=…'),
        ]),
      );
    },
    visits: [{}],
  },
];

const sources: Behaviour[] = [
  {
    name: 'a signed cookie that the header does not have is read from req.cookies',
    before: (req) => {
      const value = /connect\.sid=([^;]*)/.exec(req.headers.cookie ?? '')?.[1];
      req.cookies = value ? { 'connect.sid': decodeURIComponent(value) } : {};
      req.headers.cookie = 'a=b';
    },
    handle: count,
    visits: [
      {},
      {},
      { cookies: (jar) => jar.replace(/\.[^.]*$/, '.AAAAA') },
      { cookies: () => 'connect.sid=guess' },
    ],
  },
  {
    name: 'a cookie that another parser verified is read from req.signedCookies',
    before: (req) => {
      const value = /connect\.sid=s%3A([^;]*)\.[^;.]*/.exec(req.headers.cookie ?? '')?.[1];
      req.signedCookies = value ? { 'connect.sid': decodeURIComponent(value) } : {};
      delete req.headers.cookie;
    },
    handle: count,
    visits: [{}, {}],
  },
  {
    name: 'the Cookie header takes precedence over req.cookies',
    before: (req) => {
      req.cookies = { 'connect.sid': 's:other.signature' };
    },
    handle: count,
    visits: twice,
  },
  {
    name: 'req.sessionID equals req.session.id and req.sessionStore is a Store',
    handle: (session, req, res) => {
      session['a'] = 1;
      const { sessionStore } = req;
      res.end(
        JSON.stringify([
          req.sessionID === session.id,
          typeof req.sessionID,
          ['get', 'set', 'destroy', 'generate', 'createSession', 'load', 'regenerate', 'on'].filter(
            (name) => typeof (sessionStore as never)[name] !== 'function',
          ),
          sessionStore instanceof expressSession.Store,
          session instanceof expressSession.Session,
        ]),
      );
    },
    visits: twice,
  },
  {
    name: 'req.sessionStore reads, writes and destroys sessions',
    handle: (session, req, res) => {
      const { sessionStore, sessionID } = req;
      if (req.path === '/new') {
        session['a'] = 1;
        return res.end();
      }
      sessionStore.get(sessionID, (error, found) => {
        if (error || !found) return res.end(`not found ${error}`);
        if (req.path === '/end') return sessionStore.destroy(sessionID, () => res.end('ended'));
        sessionStore.set(sessionID, { ...found, b: 2 } as never, () => {
          sessionStore.get(sessionID, (_error, now) => {
            const { cookie: _, ...data } = now!;
            res.end(JSON.stringify(data));
          });
        });
      });
    },
    visits: [{ path: '/new' }, {}, {}],
  },
  {
    name: 'a session whose id is not a string is not saved and gets no cookie',
    handle: (session, req, res) => {
      req.sessionID = (() => {}) as never;
      session['a'] = 1;
      res.end();
    },
    visits: [{}],
  },
  {
    name: 'the second of two middlewares does nothing',
    options: [{ name: 'first' }, { name: 'second' }],
    handle: count,
    visits: twice,
  },
  {
    name: 'an existing req.session is left alone',
    before: (req) => void ((req as { session: unknown }).session = { theirs: true }),
    handle: (session, _req, res) => void res.end(JSON.stringify(session)),
    visits: [{}],
  },
  {
    name: 'requests have no session while the store is disconnected',
    handle: (session, _req, res) => void res.end(typeof session),
    visits: [{ prepare: (store) => store.emit('disconnect') }, { prepare: (store) => store.emit('connect') }],
  },
  {
    name: 'a stored session without a cookie is an error',
    handle: count,
    visits: [{}, { prepare: (store, id) => store.set(id, { foo: 'bar' } as never) }],
  },
  {
    name: 'methods win over stored properties with the same names',
    handle: (session, _req, res) => {
      session['a'] = 1;
      res.end(`${typeof session.save} ${Object.keys(session).toSorted()}`);
    },
    visits: [{}, { prepare: (store, id) => store.set(id, { cookie: {}, save: 'nope', a: 1 } as never) }],
  },
];

const methods: Behaviour[] = [
  {
    name: 'only the data and the cookie are enumerable',
    handle: (session, _req, res) => {
      session['b'] = 1;
      session['a'] = 2;
      const names: string[] = [];
      for (const name in session) names.push(name);
      res.end(JSON.stringify([Object.keys(session), names]));
    },
    visits: twice,
  },
  {
    name: 'data is returned as JSON represents it',
    handle: (session, req, res) => {
      if (req.path === '/set') {
        Object.assign(session, {
          date: new Date(0),
          none: undefined,
          list: [1, undefined],
          deep: { a: null },
          n: 0,
        });
        return res.end();
      }
      const { cookie: _, ...data } = session;
      res.end(JSON.stringify(data));
    },
    visits: [{ path: '/set' }, {}],
  },
  {
    name: 'a deleted property is deleted in the store',
    handle: (session, req, res) => {
      if (req.path === '/set') Object.assign(session, { a: 1, b: 2 });
      if (req.path === '/unset') delete session['a'];
      res.end(JSON.stringify([session['a'], session['b']]));
    },
    visits: [{ path: '/set' }, { path: '/unset' }, {}],
  },
  {
    name: 'destroy removes the session',
    handle: (session, req, res) => {
      if (req.path !== '/end') return count(session, req, res, () => {});
      session.destroy((error) => res.end(`${Boolean(error)} ${typeof req.session}`));
    },
    visits: [{}, { path: '/end' }, {}],
  },
  {
    name: 'destroy works for a session that is not stored',
    handle: (session, req, res) => session.destroy(() => res.end(typeof req.session)),
    visits: [{}],
  },
  {
    name: 'regenerate replaces req.session with a new session',
    handle: (session, req, res) => {
      if (req.path !== '/login') return count(session, req, res, () => {});
      session.regenerate((error) => {
        const now = req.session as typeof session;
        const [other, empty] = [now !== session && now.id !== session.id, now['count'] === undefined];
        now['user'] = 'bob';
        res.end(JSON.stringify([error ?? null, other, empty]));
      });
    },
    visits: [{}, { path: '/login' }, {}],
  },
  {
    name: 'regenerate works for a session that is not stored',
    options: { saveUninitialized: true },
    handle: (session, _req, res) => session.regenerate(() => res.end()),
    visits: twice,
  },
  {
    name: 'save stores the session at once and it is not saved again at the end',
    handle: (session, _req, res) => {
      session['n'] = (session['n'] ?? 0) + 1;
      session.save((error) => res.end(`saved ${error ?? ''}`));
    },
    visits: twice,
  },
  {
    name: 'save works for an unchanged session',
    handle: (session, req, res) => {
      if (req.path === '/new') return setOnce(session, req, res, () => {});
      session.save(() => res.end());
    },
    visits: [{ path: '/new' }, {}],
  },
  {
    name: 'save works for an empty new session',
    handle: (session, _req, res) => session.save(() => res.end()),
    visits: twice,
  },
  {
    name: 'changes made after save are saved at the end of the request',
    handle: (session, _req, res) => {
      session['a'] = (session['a'] ?? 0) + 1;
      session.save(() => {
        session['b'] = session['a'];
        res.end(JSON.stringify([session['a'], session['b']]));
      });
    },
    visits: twice,
  },
  {
    name: 'reload discards unsaved changes',
    handle: (session, req, res) => {
      if (req.path === '/new') return setOnce(session, req, res, () => {});
      session['user'] = 'eve';
      session.reload((error) => res.end(`${error ?? ''}${(req.session as typeof session)['user']}`));
    },
    visits: [{ path: '/new' }, {}],
  },
  {
    name: 'save after reload stores changes to req.session',
    handle: (session, req, res) => {
      session['n'] = (session['n'] ?? 0) + 1;
      session.reload(() => {
        Object.assign(req.session, { saved: true });
        req.session.save((error) => res.end(`saved ${error ?? ''}`));
      });
    },
    visits: twice,
  },
  {
    name: 'reload of a session that was destroyed meanwhile fails',
    handle: (session, req, res) => {
      if (req.path === '/new') return setOnce(session, req, res, () => {});
      req.sessionStore.destroy(session.id, () =>
        session.reload((error) => res.end(error ? 'error' : 'loaded')),
      );
    },
    visits: [{ path: '/new' }, {}],
  },
  {
    name: 'a session that was destroyed meanwhile is changed by a slower request',
    handle: (session, req, res) => {
      if (req.path === '/new') return setOnce(session, req, res, () => {});
      if (req.path === '/show') return showUser(session, req, res, () => {});
      req.sessionStore.destroy(session.id, () => {
        session['user'] = 'eve';
        res.end();
      });
    },
    visits: [{ path: '/new' }, {}, { path: '/show' }],
  },
  {
    name: 'touch and resetMaxAge return the session',
    options: { cookie: { maxAge: MINUTE } },
    handle: (session, _req, res) => {
      session['a'] = 1;
      res.end(JSON.stringify([session.resetMaxAge() === session, session.touch() === session]));
    },
    visits: twice,
  },
  {
    name: 'calls with a callback return the session',
    handle: (session, _req, res) => {
      const same = session.destroy(() => res.end(String(same === session)));
    },
    visits: [{}],
  },
  {
    name: 'save works without a callback',
    handle: (session, req, res) => {
      if (req.path === '/save') {
        session['a'] = 1;
        void session.save();
      }
      res.end();
    },
    visits: [{ path: '/save' }, {}],
  },
  {
    name: 'a plain object is assigned to req.session',
    handle: (_session, req, res) => {
      (req as { session: unknown }).session = { user: 'bob' };
      res.end();
    },
    visits: [{ patience: 300 }],
  },
];

const responses: Behaviour[] = [
  ...Object.entries<Handle>({
    'an empty response': (_session, _req, res) => void res.end(),
    'a response of length zero': (_session, _req, res) => void res.set('Content-Length', '0').end(),
    'a response of known length': (_session, _req, res) => void res.set('Content-Length', '5').end('hello'),
    'a Buffer': (_session, _req, res) => void res.end(Buffer.from('bytes')),
    'a base64 string': (_session, _req, res) => void res.end('aGVsbG8=', 'base64'),
    'end(null)': (_session, _req, res) => void res.end(null),
    'end and a callback': (_session, _req, res) => void res.end('done', () => {}),
    'several writes': (_session, _req, res) => {
      res.write('hello, ');
      res.end('world');
    },
    'several writes of known length': (_session, _req, res) => {
      res.set('Content-Length', '12');
      res.write('hello, ');
      res.end('world');
    },
    'a stream': (_session, _req, res) => void Readable.from(['a', 'b', 'c']).pipe(res),
    'a response that is ended twice': (_session, _req, res) => {
      res.end('once');
      res.end('twice');
    },
    'headers set after the end': (_session, _req, res) => {
      res.end('end');
      try {
        res.setHeader('x-late', '1');
      } catch {
        // The same as without a session.
      }
    },
    json: (_session, _req, res) => void res.json({ hello: 'world' }),
    send: (_session, _req, res) => void res.send('hello'),
    'a redirect': (_session, _req, res) => void res.redirect('/elsewhere'),
    sendStatus: (_session, _req, res) => void res.sendStatus(204),
    writeHead: (_session, _req, res) => void res.writeHead(201, { 'x-test': '1' }).end('made'),
    'writeHead and a reason': (_session, _req, res) =>
      void res.writeHead(202, 'Fine', { 'x-test': '1' }).end('ok'),
    flushHeaders: (_session, _req, res) => {
      res.flushHeaders();
      res.end('late');
    },
    'an error that is thrown': () => {
      throw new Error('thrown');
    },
    'an error that is passed to next': (_session, _req, _res, next) => next(new Error('passed on')),
    'a promise that is rejected': async () => {
      throw new Error('rejected');
    },
    'a socket that is destroyed before the response': (_session, _req, res) => void res.destroy(),
  }).map(([name, respond]): Behaviour => ({
    name: `a session works with ${name}`,
    handle: (session, req, res, next) => {
      session['n'] = (session['n'] ?? 0) + 1;
      res.setHeader('x-count', session['n']);
      return respond(session, req, res, next);
    },
    visits: [{}, {}, { method: 'HEAD' }, { method: 'POST' }],
  })),
  {
    name: 'a session works with a conditional request',
    handle: (session, req, res) => {
      session['n'] = (session['n'] ?? 0) + 1;
      res.set('ETag', '"1"').send('the same');
    },
    visits: [{}, { headers: { 'if-none-match': '"1"' } }, { headers: { 'if-none-match': '"2"' } }],
  },
  {
    name: 'the socket is destroyed halfway through the response',
    handle: (session, _req, res) => {
      session['n'] = (session['n'] ?? 0) + 1;
      res.write('half');
      setImmediate(() => res.destroy());
    },
    visits: [{}],
  },
  {
    name: 'a change made after the first bytes of the response is saved',
    handle: (session, req, res) => {
      if (req.path === '/new') return setOnce(session, req, res, () => {});
      if (req.path === '/show') return showUser(session, req, res, () => {});
      res.write('first, ');
      setImmediate(() => {
        session['user'] = 'alice';
        res.end('then the rest');
      });
    },
    visits: [{ path: '/new' }, {}, { path: '/show' }],
  },
  {
    name: 'a new session is changed after the first bytes of the response',
    handle: (session, _req, res) => {
      res.write('first, ');
      setImmediate(() => {
        session['user'] = 'alice';
        res.end('then the rest');
      });
    },
    visits: [{}],
  },
  {
    name: 'write and end may be replaced before the session middleware runs',
    before: (_req, res) => {
      patch(res);
    },
    handle: (session, _req, res) => {
      session['a'] = 1;
      res.write('hello, ');
      res.end('world');
    },
    visits: twice,
  },
  {
    name: 'write and end may be replaced after the session middleware ran',
    handle: (session, _req, res) => {
      patch(res);
      session['a'] = 1;
      res.write('hello, ');
      res.end('world');
    },
    visits: twice,
  },
];

const failures: Behaviour[] = [
  { name: 'the store fails to read', handle: count, visits: [{}, { failing: ['get'] }] },
  {
    name: 'a read that fails with ENOENT means that there is no session',
    handle: count,
    visits: [{}, { failing: ['get'], code: 'ENOENT' }],
  },
  { name: 'the store fails to save', handle: count, visits: [{ failing: ['set'] }] },
  {
    name: 'the store fails to touch',
    options: { rolling: true },
    handle: setOnce,
    visits: [{}, { failing: ['touch'] }],
  },
  {
    name: 'the store fails to destroy',
    handle: (session, req, res) => {
      if (req.path !== '/end') return count(session, req, res, () => {});
      session.destroy((error: Error | undefined) =>
        res.end(`${error ? 'failed' : 'done'} ${typeof req.session}`),
      );
    },
    visits: [{}, { path: '/end', failing: ['destroy'] }],
  },
  {
    name: 'the store fails to destroy an unset session',
    options: { unset: 'destroy' },
    handle: (session, req, res) => {
      if (req.path !== '/end') return count(session, req, res, () => {});
      (req as { session: unknown }).session = null;
      res.end('unset');
    },
    visits: [{}, { path: '/end', failing: ['destroy'] }],
  },
  {
    name: 'save passes on the error of the store',
    handle: (session, _req, res) => {
      session['a'] = 1;
      session.save((error: Error | undefined) => res.end(error ? 'failed' : 'saved'));
    },
    visits: [{ failing: ['set'] }],
  },
];

export const behaviours: Behaviour[] = [
  ...options,
  ...cookies,
  ...sources,
  ...methods,
  ...responses,
  ...failures,
];
