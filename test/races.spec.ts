import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import expressSession from 'express-session';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  sessionMiddleware,
  type Session,
  type SessionMiddleware,
  type SessionStore,
} from 'nestjs-session-stores';
import { Browser } from './http/browser.js';
import { Gates } from './http/gates.js';
import { serve, type TestServer } from './http/server.js';
import { everyStore } from './stores/every.store.js';

const ROUNDS = process.env['LONG'] ? 1000 : 25;

/** The session layer under test: its middleware, and what the app needs besides. */
interface Layer {
  middleware: RequestHandler;
  /** Destroys all sessions of a user. */
  logOutEverywhere(user: string): Promise<void>;
  destroy(id: string): Promise<void>;
  destroyAll(): Promise<void>;
  joinGroup(req: Request, user: string): void;
  close(): Promise<void>;
}

function ours(store: SessionStore): Layer {
  // With `rolling: true` even a request that only reads has something to write: its touch.
  const middleware = sessionMiddleware({ secret: 'races', store, rolling: true, cookie: { maxAge: 60_000 } });
  return {
    middleware: middleware as SessionMiddleware & RequestHandler,
    logOutEverywhere: async (user) => void (await store.clear(`user:${user}`)),
    destroy: async (id) => void (await store.destroy(id)),
    destroyAll: async () => void (await store.clear()),
    joinGroup: (req, user) => void (req.session as unknown as Session).joinGroup(`user:${user}`),
    close: () => middleware.close(),
  };
}

function theirs(): Layer {
  const store = new expressSession.MemoryStore();
  return {
    middleware: expressSession({
      secret: 'races',
      name: 'sid',
      store,
      resave: false,
      saveUninitialized: false,
      rolling: true,
      cookie: { maxAge: 60_000 },
    }),
    logOutEverywhere: (user) =>
      new Promise((resolve, reject) => {
        store.all((error, sessions) => {
          if (error) return reject(error);
          for (const [id, data] of Object.entries(sessions ?? {})) {
            if ((data as { user?: string }).user === user) store.destroy(id);
          }
          resolve();
        });
      }),
    destroy: (id) => until((done) => store.destroy(id, done)),
    destroyAll: () => until((done) => store.clear(done)),
    joinGroup: () => {},
    close: async () => {},
  };
}

type Data = Record<string, unknown>;
const dataOf = (req: Request): Data => req.session as unknown as Data;
const until = (call: (done: (error?: unknown) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });

/** An app that runs on both layers, because it uses only the interface of express-session. */
function app(layer: Layer, gates: Gates): Express {
  const handler = express();
  handler.use(layer.middleware);

  handler.post('/login/:user', async (req, res) => {
    await until((done) => req.session.regenerate(done));
    const user = String(req.params['user']);
    dataOf(req)['user'] = user;
    layer.joinGroup(req, user);
    res.json({ user });
  });
  handler.post('/slow-login/:user/:gate', async (req, res) => {
    await until((done) => req.session.regenerate(done));
    await gates.pass(String(req.params['gate']));
    const user = String(req.params['user']);
    dataOf(req)['user'] = user;
    layer.joinGroup(req, user);
    res.json({ user });
  });
  handler.get('/id', (req, res) => void res.json({ id: req.sessionID }));
  handler.get('/me', (req, res) => {
    const { user = null, ...rest } = dataOf(req);
    delete rest['cookie'];
    res.json({ user, ...rest });
  });
  handler.post('/logout', async (req, res) => {
    await until((done) => req.session.destroy(done));
    res.json({});
  });
  handler.post('/slow-write/:name/:gate', async (req: Request, res: Response) => {
    dataOf(req)[String(req.params['name'])] = 'written';
    await gates.pass(String(req.params['gate']));
    res.json({});
  });
  handler.get('/slow-read/:gate', async (req: Request, res: Response) => {
    await gates.pass(String(req.params['gate']));
    res.json({ user: dataOf(req)['user'] ?? null });
  });
  // Like a step-up login, carries the data over to a new session.
  handler.post('/slow-copy/:gate', async (req: Request, res: Response) => {
    const { cookie: _, ...copy } = dataOf(req);
    await gates.pass(String(req.params['gate']));
    await until((done) => req.session.regenerate(done));
    Object.assign(req.session, copy);
    layer.joinGroup(req, String(copy['user']));
    res.json({});
  });
  handler.use((_error: unknown, _req: Request, res: Response, _next: unknown) => {
    res.status(401).json({});
  });
  return handler;
}

interface Race {
  story: string;
  /** Runs one round. Resolves to `true` if the outcome was wrong. */
  wrong(context: { url: string; gates: Gates; layer: Layer; round: string }): Promise<boolean>;
}

async function loggedIn(url: string, user: string): Promise<Browser> {
  const browser = new Browser(url);
  await browser.post(`/login/${user}`);
  return browser;
}
const userOf = async (browser: Browser): Promise<unknown> => (await browser.get('/me')).json()['user'];

const RACES: Race[] = [
  {
    story: 'a slow write does not undo a logout, and sends no cookie',
    async wrong({ url, gates, round }) {
      const browser = await loggedIn(url, 'ann');
      const old = browser.clone();
      const slow = browser.clone().post(`/slow-write/theme/${round}`);
      await gates.reached(round);
      await browser.post('/logout');
      gates.open(round);
      const { setCookies } = await slow;
      return (await userOf(old)) !== null || setCookies.length > 0;
    },
  },
  {
    story: 'a slow read does not undo a logout, and sends no cookie',
    async wrong({ url, gates, round }) {
      const browser = await loggedIn(url, 'ann');
      const old = browser.clone();
      const slow = browser.clone().get(`/slow-read/${round}`);
      await gates.reached(round);
      await browser.post('/logout');
      gates.open(round);
      const { setCookies } = await slow;
      return (await userOf(old)) !== null || setCookies.length > 0;
    },
  },
  {
    story: 'two slow writes of different properties are both kept',
    async wrong({ url, gates, round }) {
      const browser = await loggedIn(url, 'ann');
      const slow = ['theme', 'language'].map((name) =>
        browser.clone().post(`/slow-write/${name}/${round}-${name}`),
      );
      await Promise.all([gates.reached(`${round}-theme`), gates.reached(`${round}-language`)]);
      gates.open(`${round}-theme`);
      gates.open(`${round}-language`);
      await Promise.all(slow);
      const me = (await browser.get('/me')).json();
      return me['theme'] !== 'written' || me['language'] !== 'written';
    },
  },
  {
    story: 'a slow write on the old session neither revives it after regenerate nor reaches the new login',
    async wrong({ url, gates, round }) {
      const browser = await loggedIn(url, 'ann');
      const old = browser.clone();
      const slow = browser.clone().post(`/slow-write/theme/${round}`);
      await gates.reached(round);
      await browser.post('/login/ben');
      gates.open(round);
      await slow;
      const me = (await browser.get('/me')).json();
      return (await userOf(old)) !== null || me['user'] !== 'ben' || 'theme' in me;
    },
  },
  ...(['log out everywhere', 'a destroy of the session', 'a destroy of all sessions'] as const).map(
    (ending) => ({
      story: `${ending} during a login leaves no session logged in`,
      async wrong({ url, gates, layer, round }: Parameters<Race['wrong']>[0]) {
        const user = `user-${round}`;
        const browser = await loggedIn(url, user);
        const { id } = (await browser.get('/id')).json() as { id: string };
        const again = browser.clone();
        const slow = again.post(`/slow-login/${user}/${round}`);
        await gates.reached(round);
        if (ending === 'log out everywhere') await layer.logOutEverywhere(user);
        else if (ending === 'a destroy of the session') await layer.destroy(id);
        else await layer.destroyAll();
        gates.open(round);
        await slow;
        return (await userOf(browser)) !== null || (await userOf(again)) !== null;
      },
    }),
  ),
  {
    story: 'log out everywhere also destroys a session that is regenerated with its data meanwhile',
    async wrong({ url, gates, layer, round }) {
      const user = `user-${round}`;
      const browser = await loggedIn(url, user);
      const stepUp = browser.clone();
      const slow = stepUp.post(`/slow-copy/${round}`);
      await gates.reached(round);
      await layer.logOutEverywhere(user);
      gates.open(round);
      await slow;
      return (await userOf(browser)) !== null || (await userOf(stepUp)) !== null;
    },
  },
];

async function countWrong(race: Race, layer: Layer, server: TestServer, gates: Gates): Promise<number> {
  let wrong = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const name = `${RACES.indexOf(race)}-${round}`;
    if (await race.wrong({ url: server.url, gates, layer, round: name })) wrong++;
  }
  return wrong;
}

describe.each([
  ...everyStore.map(([word, make]) => ({
    name: `nestjs-session-stores, STORE=${word}`,
    make: () => ours(make()),
    isWrong: false,
  })),
  { name: 'express-session with its MemoryStore, which must lose the races', make: theirs, isWrong: true },
])('$name', ({ make, isWrong }) => {
  const gates = new Gates();
  let layer: Layer;
  let server: TestServer;

  beforeAll(async () => {
    layer = make();
    server = await serve(app(layer, gates));
  });
  afterAll(async () => {
    await server.close();
    await layer.close();
  });

  it.each(RACES)(
    `$story: ${isWrong ? 'lost' : 'held'} in ${ROUNDS} rounds`,
    async (race) => {
      const wrong = await countWrong(race, layer, server, gates);
      if (isWrong) expect(wrong).toBeGreaterThan(0);
      else expect(wrong).toBe(0);
    },
    120_000,
  );

  it(`two logins at once with one session keep both logged in, in ${ROUNDS} rounds`, async () => {
    let wrong = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const one = await loggedIn(server.url, 'ann');
      const other = one.clone();
      const [first, second] = [`${round} one`, `${round} other`];
      const logins = [one.post(`/slow-copy/${first}`), other.post(`/slow-copy/${second}`)];
      await Promise.all([gates.reached(first), gates.reached(second)]);
      gates.open(first);
      gates.open(second);
      await Promise.all(logins);
      if ((await userOf(one)) !== 'ann' || (await userOf(other)) !== 'ann') wrong++;
    }
    expect(wrong).toBe(0);
  }, 120_000);
});
