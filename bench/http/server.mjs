import express from 'express';
import { sessionMiddleware } from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { peer } from '../stores/theirs.mjs';
import { logIn, noSession, read, write } from './handlers.mjs';

const [subject, size, backend, address] = process.argv.slice(2);
const cookie = { maxAge: 3_600_000 };

const ours = (store) => sessionMiddleware({ secret: 'bench', store, cookie });
const theirs = (store) =>
  peer('express-session')({ secret: 'bench', resave: false, saveUninitialized: false, cookie, store });

async function sessions() {
  if (subject === 'no session') return (_req, _res, next) => next();
  if (subject === 'ours, in memory') return ours(new ClusterStore());
  if (subject === 'express-session, MemoryStore') return theirs();
  const { stores } = await import(`../stores/${backend}.mjs`);
  const { store } = await stores[subject](JSON.parse(address));
  return subject.startsWith('ours') ? ours(store) : theirs(store);
}

const app = express();
app.use(await sessions());

// The handlers of all subjects are the same. Without sessions they use a plain object.
app.use((req, _res, next) => {
  req.session ??= noSession();
  next();
});
app.get('/login', (req, res) => res.json(logIn(req.session, Number(size))));
app.get('/read', (req, res) => res.json(read(req.session)));
app.get('/write', (req, res) => res.json(write(req.session)));

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system });
});
process.on('disconnect', () => process.exit());
