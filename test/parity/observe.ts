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

/** What `session(options)` gives. */
export type MakeSession = (options: ExpressSessionOptions) => express.RequestHandler;

/** One thing that express-session does, and the requests that show it. */
export interface Behaviour {
  name: string;
  /** A list: as many middlewares, one after the other. The secret is `'parity'` unless given. */
  options?: Options | Options[];
  /** What other middleware does before. */
  before?: (req: Request, res: Response) => void;
  /** The path that the middleware is mounted at. */
  mount?: string;
  /** By default the answer is empty. */
  handle?: Handle;
  visits: Visit[];
}

/** A request. */
export interface Visit {
  path?: string;
  method?: string;
  way?: Way;
  headers?: Record<string, string>;
  /** What becomes of the cookies that were set so far; by default they are sent. */
  cookies?: (jar: string) => string;
  /** Other options from here on, over the same store. */
  options?: Options;
  /** Operations of the store that fail for this visit. */
  failing?: readonly string[];
  code?: string;
  /** Done to the store before. */
  prepare?: (store: expressSession.Store, id: string) => void;
  /** Milliseconds to let pass before. */
  later?: number;
  /** Milliseconds after which the client gives up; default: never. */
  patience?: number;
}

export const ASPECTS = ['status', 'body', 'cookies', 'headers', 'calls', 'touches', 'errors'] as const;
export type Aspect = (typeof ASPECTS)[number];

/** What was seen of one visit. */
export type Observation = Record<Aspect, unknown>;

const QUIET = { warn: () => {}, error: () => {} };

const HEADERS = ['content-type', 'etag', 'location', 'x-test'];

/** Runs a behaviour on `makeSession` with a store, and tells what a client, the app and the store saw. */
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
        logger: QUIET,
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
      const answer = await send(
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
      const set = (answer.headers['set-cookie'] ?? []).map((line) => {
        const [pair = ''] = line.split(';');
        const [key = '', value = ''] = pair.split(/=(.*)/s);
        jar.set(key, value);
        return normalCookie(line, labels);
      });
      // What a failed save is told to others, and what a broken answer leaves to be saved, comes after the answer.
      await wait(visit.failing || answer.status === 0 ? 30 : 0);
      const calls = take();
      observations.push({
        status: answer.status,
        body: [...labels].reduce((body, [key, label]) => body.replaceAll(key, label), answer.body),
        cookies: set,
        headers: HEADERS.map((header) => answer.headers[header]),
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

/** A `Set-Cookie` line with names in place of tokens, and the time that is left in place of a date. */
function normalCookie(line: string, labels: Map<string, string>): string {
  return line
    .replace(/=(s%3A[^;]*)/, (_all, value: string) => {
      const key = decodeURIComponent(value)
        .slice(2)
        .replace(/\.[^.]*$/, '')
        .replace(/~[\w-]{32}$/, '');
      if (!labels.has(key)) labels.set(key, `<session ${labels.size + 1}>`);
      return `=${labels.get(key)}`;
    })
    .replace(/Expires=([^;]*)/, (_all, date: string) => {
      const left = Date.parse(date) - Date.now();
      // A date has no fractions of a second.
      if (Math.abs(left) < 2000) return 'Expires=now';
      return left < 0 ? 'Expires=past' : `Expires=in ${Math.round(left / 60_000)} min`;
    });
}
