// The apps of the bench without sockets: each framework, with each kind of sessions.
import { createServer } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import { SessionModule } from 'nestjs-session-stores';
import { sessionMiddleware } from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { peer } from '../stores/theirs.mjs';
import { logIn, noSession, read, write } from './handlers.mjs';
import { moduleOf } from './module.mjs';

const SIZE = 300;
const SECRET = 'bench'.repeat(7);
const cookie = { maxAge: 3_600_000 };

/** The sessions of an app, as middleware. */
const middleware = {
  'no session': () => (req, _res, next) => {
    req.session = noSession();
    next();
  },
  'express-session': () =>
    peer('express-session')({ secret: SECRET, resave: false, saveUninitialized: false, cookie }),
  middleware: () => sessionMiddleware({ secret: SECRET, store: new ClusterStore(), cookie }),
};

/** The middleware, with a guard and an interceptor that do nothing: what Nest takes for the two of the module. */
export const EMPTY = 'middleware, empty guard and interceptor';

/** Framework → what makes an app's HTTP server, for sessions that are the name of a middleware, or `'module'`. */
export const apps = {
  async Express(sessions) {
    const app = express();
    app.use(middleware[sessions]());
    app.get('/login', (req, res) => res.json(logIn(req.session, SIZE)));
    app.get('/read', (req, res) => res.json(read(req.session)));
    app.get('/write', (req, res) => res.json(write(req.session)));
    return createServer(app);
  },
  'Nest on Express': (sessions) => nest(sessions),
  'Nest on Fastify': (sessions) => nest(sessions, new FastifyAdapter()),
};

async function nest(sessions, adapter) {
  const options = { secret: SECRET, store: new ClusterStore(), cookie };
  const imports = sessions === 'module' ? [SessionModule.forRoot(options)] : [];
  const module = moduleOf(imports, SIZE, sessionOf);
  const app = await NestFactory.create(module, ...(adapter ? [adapter] : []), { logger: false });
  if (sessions !== 'module') app.use(middleware[sessions === EMPTY ? 'middleware' : sessions]());
  if (sessions === EMPTY) {
    app.useGlobalGuards({ canActivate: () => true });
    app.useGlobalInterceptors({ intercept: (_context, next) => next.handle() });
  }
  await app.init();
  await app.getHttpAdapter().getInstance().ready?.();
  return app.getHttpServer();
}

/** The session of Node's request, where all middleware puts it. */
const sessionOf = (req) => (req.raw ?? req).session;
