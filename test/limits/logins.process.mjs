// An app with logins that join a group with a limit: `node logins.process.mjs <store> <options> [<step>]`. It sends
// `{ result }`s: its port, and what the messages ask for. With a step it is killed before that step of its joins.
import express from 'express';
import { sessionMiddleware } from 'nestjs-session-stores';
import { openStore } from '../stores/open.store.mjs';
import { SteppedStore } from './stepped.store.mjs';
import { TokenWatch } from './token.watch.mjs';

const [word, options, dieBefore] = process.argv.slice(2);
const store = dieBefore === undefined ? await openStore(word, options) : await dying(Number(dieBefore));
const logger = { warn() {}, error() {} };
const session = sessionMiddleware({ secret: 'limits', store, client: true, logger });
const app = express();
app.use(session);
app.post('/login/:group', async (req, res) => {
  const { max, when: whenFull } = req.query;
  await req.session.regenerate();
  req.session.user = req.params.group;
  const ended = await req.session.joinGroup(req.params.group, { max: Number(max), whenFull });
  res.json({ id: req.session.id, ended: ended.map(({ id }) => id) });
});
app.get('/user', (req, res) => res.json(req.session.user ?? null));
app.use((error, _req, res, _next) => res.status(error.status ?? 500).json({ error: error.name }));
// The workers of a cluster would share one port otherwise.
const server = app.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => {
  process.send({ result: server.address().port });
});

const watch = new TokenWatch(() => server.address().port, store);
process.on('message', async ({ begin, token, used, end, lifetimesOf }) => {
  // Other messages are those of the store of a cluster.
  if (begin) process.send({ result: watch.begin(begin) });
  if (token) watch.take(token);
  if (used) process.send({ result: await watch.used() });
  if (end) process.send({ result: await watch.end() });
  if (lifetimesOf) {
    const { records } = await store.page({ group: lifetimesOf, limit: 100 });
    process.send({ result: records.map(({ expiresAt }) => expiresAt - store.now()) });
  }
});
process.on('disconnect', () => process.exit());

async function dying(step) {
  const stepped = new SteppedStore(await openStore(word, options));
  await stepped.open();
  stepped.before = (_, number) => {
    if (number === step) process.kill(process.pid, 'SIGKILL');
    // Until the signal has arrived.
    return number === step ? new Promise(() => {}) : undefined;
  };
  return stepped;
}
