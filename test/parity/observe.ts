import express, { Router, type NextFunction, type Request, type Response } from 'express';
import type expressSession from 'express-session';
import type { ExpressSessionOptions } from 'nestjs-session-stores/express';
import { setTimeout as wait } from 'node:timers/promises';
import { send, serveCase, type Framework, type Way } from './servers.js';
import type { Subject } from './stores.js';

/** As a handler sees it that knows neither package's types. */
export type ParitySession = Record<string, any> &
  Pick<expressSession.Session, 'id' | 'cookie'> &
  Record<'save' | 'reload' | 'destroy' | 'regenerate', (callback?: (error?: any) => void) => any>;
export type Handle = (session: ParitySession, req: Request, res: Response, next: NextFunction) => unknown;
export type Options = Omit<ExpressSessionOptions, 'store'>;

/** `session(options)`: makes the middleware. */
export type MakeSession = (options: ExpressSessionOptions) => express.RequestHandler;

/** One behaviour of express-session, and the requests that show it. */
export interface Behaviour {
  name: string;
  /** With a list, several middlewares run one after the other. The secret is `'parity'` unless given. */
  options?: Options | Options[];
  /** Another middleware that runs before. */
  before?: (req: Request, res: Response) => void;
  /** The path that the middleware is mounted at. */
  mount?: string;
  /** By default the response is empty. */
  handle?: Handle;
  visits: Visit[];
}

/** A request. */
export interface Visit {
  path?: string;
  method?: string;
  way?: Way;
  headers?: Record<string, string>;
  /** Maps the cookies that were set so far to those that are sent. By default they are sent unchanged. */
  cookies?: (jar: string) => string;
  /** Other options from this visit on, with the same store. */
  options?: Options;
  /** Operations of the store that fail for this visit. */
  failing?: readonly string[];
  code?: string;
  /** Prepares the store before the request. */
  prepare?: (store: expressSession.Store, id: string) => void;
  /** Milliseconds to wait before the request. */
  later?: number;
  /** Milliseconds after which the client gives up; default: never. */
  patience?: number;
}

export const ASPECTS = ['status', 'body', 'cookies', 'headers', 'calls', 'touches', 'errors'] as const;
export type Aspect = (typeof ASPECTS)[number];

/** What was observed in one visit. */
export type Observation = Record<Aspect, unknown>;

const QUIET = { warn: () => {}, error: () => {} };

const HEADERS = ['content-type', 'etag', 'location', 'x-test'];

/** Runs a behaviour with `makeSession` and a store, and returns what a client, the app and the store saw. */
export async function observe(
  behaviour: Behaviour,
  makeSession: MakeSession,
  { store, take, fail }: Subject,
  framework: Framework,
): Promise<Observation[]> {
  const { options = {}, before, mount, handle = (_session, _req, res) => void res.end() } = behaviour;
  const mounted = (all: Options[]): express.RequestHandler => {
    const router = Router();
    for (const one of all) {
      const middleware = makeSession({
        secret: 'parity',
        // An option of ours, which express-session would not take.
        ...('open' in store && { logger: QUIET }),
        resave: false,
        saveUninitialized: false,
        ...one,
        store,
      });
      if (mount === undefined) router.use(middleware);
      else router.use(mount, middleware);
    }
    return router;
  };
  let middleware = mounted([options].flat());
  let errors: string[] = [];
  const { name, stop } = serveCase({
    before(req, res, next) {
      before?.(req, res);
      middleware(req, res, next);
    },
    handle: (req, res, next) => handle(req.session as ParitySession, req, res, next),
    failed(error, res) {
      errors.push(error.message);
      if (res.headersSent) return;
      res.statusCode = (error as { status?: number }).status ?? 500;
      res.end(error.message);
    },
  });
  const jar = new Map<string, string>();
  const labels = new Map<string, string>();
  const observations: Observation[] = [];
  try {
    for (const visit of behaviour.visits) {
      const { path = '/', method = 'GET', way = 'plain', headers = {}, cookies } = visit;
      const id = [...labels.keys()].at(-1) ?? '';
      if (visit.options) middleware = mounted([visit.options]);
      visit.prepare?.(store as expressSession.Store, id);
      if (visit.later) await wait(visit.later);
      fail(visit.failing ?? [], visit.code);
      const kept = [...jar].map((pair) => pair.join('=')).join('; ');
      const cookie = cookies ? cookies(kept) : kept;
      const response = await send(
        framework,
        way,
        method,
        path,
        {
          'x-case': name,
          ...(cookie && { cookie }),
          ...headers,
        },
        visit.patience,
      );
      const set = (response.headers['set-cookie'] ?? []).map((line) => {
        const [pair = ''] = line.split(';');
        const [cookieName = '', value = ''] = pair.split(/=(.*)/s);
        jar.set(cookieName, value);
        return normalCookie(line, labels);
      });
      // The error of a failed save, and the save after a broken connection, come after the response.
      await wait(visit.failing || response.status === 0 ? 30 : 0);
      const calls = take();
      observations.push({
        status: response.status,
        body: [...labels].reduce(
          (body, [sessionId, label]) => body.replaceAll(sessionId, label),
          response.body,
        ),
        cookies: set,
        headers: HEADERS.map((header) => response.headers[header]),
        calls: calls.filter((call) => call !== 'touch'),
        touches: calls.filter((call) => call === 'touch').length,
        errors,
      });
      errors = [];
    }
  } finally {
    stop();
  }
  return observations;
}

/** A `Set-Cookie` header with labels in place of tokens, and the remaining time in place of a date. */
function normalCookie(line: string, labels: Map<string, string>): string {
  return line
    .replace(/=(s%3A[^;]*)/, (_all, value: string) => {
      const id = decodeURIComponent(value)
        .slice(2)
        .replace(/\.[^.]*$/, '')
        .replace(/\.[\w-]{32}(\.\d+)?$/, '');
      if (!labels.has(id)) labels.set(id, `<session ${labels.size + 1}>`);
      return `=${labels.get(id)}`;
    })
    .replace(/Expires=([^;]*)/, (_all, date: string) => {
      const left = Date.parse(date) - Date.now();
      // An HTTP date has no fractions of a second.
      if (Math.abs(left) < 2000) return 'Expires=now';
      return left < 0 ? 'Expires=past' : `Expires=in ${Math.round(left / 60_000)} min`;
    });
}
