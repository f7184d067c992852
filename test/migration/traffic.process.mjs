// An app whose sessions migrate: `node traffic.process.mjs <setup>`. It sends `{ result }`s: its port, and what the
// messages ask for. `{ move: true }` replaces the app while requests are in flight, as a deployment does.
import { once } from 'node:events';
import express from 'express';
import { sessionMiddleware } from 'nestjs-session-stores';
import { MigratingStore } from 'nestjs-session-stores/store';
import { openStore } from '../stores/open.store.mjs';
import { oldStore } from './predecessors.mjs';

const { from, to } = JSON.parse(process.argv[2]);
const logger = { warn() {}, error() {} };

async function appOf(move) {
  const source = await oldStore(from.word, from.options);
  const target = await openStore(to.word, JSON.stringify(to.options));
  const isForeign = from.word.startsWith('connect-');
  const groupsOf = isForeign ? ({ team }) => (team ? [team] : []) : undefined;
  const store = new MigratingStore(target, { store: source, move, groupsOf, logger });
  const app = express();
  app.use(sessionMiddleware({ secret: 'traffic', store, logger, cookie: { maxAge: 3_600_000 } }));
  app.post('/write/:name', (req, res) => {
    if (req.session.user === undefined) return res.status(401).end();
    req.session[req.params.name] = 1;
    res.json(null);
  });
  app.post('/login', async (req, res) => {
    const { user } = req.session;
    if (user === undefined) return res.status(401).end();
    await req.session.regenerate();
    req.session.user = user;
    res.json(null);
  });
  app.post('/logout', async (req, res) => {
    await req.session.destroy();
    res.json(null);
  });
  app.get('/', (req, res) => res.json({ ...req.session, cookie: undefined }));
  app.use((error, _req, res, _next) => res.status(error.status ?? 500).json({ error: String(error) }));
  return { app, store };
}

let current = await appOf(false);
const front = express().use((req, res) => current.app(req, res));
const server = front.listen({ port: 0, host: '127.0.0.1' });
await once(server, 'listening');

process.on('message', async ({ move, clear, left }) => {
  if (move) current = await appOf(true);
  if (clear) await current.store.clear(clear);
  process.send({ result: left ? ((await current.store.migration()).left ?? null) : true });
});
process.on('disconnect', () => process.exit());
process.send({ result: server.address().port });
