// The app of server.mjs in Nest on Fastify, with @fastify/session, SessionModule or neither.
import { setTimeout as wait } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SessionModule } from 'nestjs-session-stores';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { peer } from '../stores/theirs.mjs';
import { noSession } from '../http/handlers.mjs';
import { moduleOf } from '../http/module.mjs';
import { report } from './process.mjs';

const SECRET = 'a secret of the benches, 32 bytes long or longer';
const [subject, , size] = process.argv.slice(2);
const cookie = { maxAge: 600_000, secure: false };

const sessions = SessionModule.forRoot({ secret: SECRET, store: new ClusterStore(), cookie });
const imports = subject === 'ClusterStore, Fastify' ? [sessions] : [];
const module = moduleOf(imports, Number(size), (req) => req.session ?? noSession());
const app = await NestFactory.create(module, new FastifyAdapter(), { logger: false, abortOnError: false });
if (subject === '@fastify/session') {
  await app.register(peer('@fastify/cookie'));
  await app.register(peer('@fastify/session'), { secret: SECRET, cookie });
  addRaces(app.getHttpAdapter().getInstance());
}
await app.listen(0, '127.0.0.1');
report(app.getHttpServer());

/** The handlers of the races, as in server.mjs. */
function addRaces(fastify) {
  const later = ({ query }) => wait(Number(query.after ?? 0));
  fastify.get('/set/:name', async (req) => {
    await later(req);
    req.session[req.params.name] = 'set';
    return {};
  });
  fastify.get('/count', async (req) => {
    await later(req);
    req.session.visits++;
    return {};
  });
  fastify.get('/regenerate', async (req) => {
    await later(req);
    await req.session.regenerate();
    req.session.user = 'ben';
    return {};
  });
  fastify.get('/logout', async (req) => {
    await later(req);
    await req.session.destroy();
    return {};
  });
  fastify.get('/redirect', (req, reply) => {
    req.session.user = 'cem';
    reply.redirect('/session');
  });
  fastify.get('/session', async ({ session }) => ({
    user: session.user,
    a: session.a,
    b: session.b,
    visits: session.visits,
  }));
}
