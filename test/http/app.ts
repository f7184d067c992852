import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import {
  sessionMiddleware,
  type Session,
  type SessionMiddleware,
  type SessionOptions,
  type SessionStore,
} from 'nestjs-session-stores';
import expressSession, { type ExpressSessionOptions } from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { RecordingStore } from '../stores/recording.store.js';
import { Browser } from './browser.js';
import { serveForTest } from './server.js';

export type TestSession = Session & Record<string, any>;
export type Handler = (session: TestSession, req: Request, res: Response) => unknown;

/** An Express app that serves until the test has finished. */
export interface TestApp {
  url: string;
  port: number;
  /** The store of the app, which records its calls. */
  store: RecordingStore;
  /** What the session layer logged. */
  logged: string[];
  browser(): Browser;
}

let names = 0;

/** A separate store for each app. */
function newStore(): SessionStore {
  return new ClusterStore({ name: `app-${process.pid}-${names++}` });
}

/** Serves `handlers` by path. A handler's result is sent as JSON, unless the handler responded itself. */
export function serveApp(
  handlers: Record<string, Handler>,
  options: Partial<SessionOptions> = {},
): Promise<TestApp> {
  return serveWith<Partial<SessionOptions>>(sessionMiddleware, handlers, options);
}

/** Like `serveApp`, with the drop-in for express-session and its options. */
export function serveDropIn(
  handlers: Record<string, Handler>,
  options: Omit<Partial<ExpressSessionOptions>, 'store'> & { store?: SessionStore } = {},
): Promise<TestApp> {
  const defaults = { name: 'sid', resave: false, saveUninitialized: false };
  return serveWith((given) => expressSession({ ...defaults, ...given }), handlers, options);
}

async function serveWith<Options extends object>(
  make: (options: Options & { secret: string; store: SessionStore }) => SessionMiddleware,
  handlers: Record<string, Handler>,
  options: Options & { store?: SessionStore },
): Promise<TestApp> {
  const { store: behind = newStore(), ...rest } = options;
  const store = behind instanceof RecordingStore ? behind : new RecordingStore(behind);
  const logged: string[] = [];
  const logger = {
    warn: (message: string) => logged.push(message),
    error: (message: string) => logged.push(message),
  };
  const middleware = make({ secret: 'app', logger, ...rest, store } as never);
  const handler = express();
  handler.use(middleware as RequestHandler);
  for (const [path, handle] of Object.entries(handlers)) {
    handler.all(path, async (req, res) => {
      const result = await handle(req.session as unknown as TestSession, req, res);
      if (!res.headersSent) res.json(result ?? null);
    });
  }
  handler.use((error: Error & { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    res.status(error.status ?? 500).json({ error: error.name, message: error.message });
  });
  const { url, port } = await serveForTest(handler, middleware);
  return { url, port, store, logged, browser: () => new Browser(url) };
}

/** The data of a session, as its client sees it. */
export const dataOf: Handler = (session) => ({ ...session, cookie: undefined });

/** A browser after `/login`. The store of the app forgets the calls of that. */
export async function loggedIn(app: TestApp): Promise<Browser> {
  const browser = app.browser();
  await browser.get('/login');
  app.store.take();
  return browser;
}

/** The parts of the token in the session cookie. */
export function tokenOf(browser: Browser): { id: string; secret: string } {
  const [id = '', secret = ''] = decodeURIComponent(browser.cookies.get('sid') ?? '')
    .slice('s:'.length)
    .split('.');
  return { id, secret };
}
