// An app in a process of its own: `node server.mjs <package> <address> <size of a session>`, or a worker of primary.mjs.
import { setTimeout as wait } from 'node:timers/promises';
import express from 'express';
import { logIn, noSession, read, write } from '../http/handlers.mjs';
import { report } from './process.mjs';
import { sessionsOf } from './sessions.mjs';

const [subject, address, size] = process.argv.slice(2);
const app = express();
app.use(await sessionsOf(subject, JSON.parse(address)));

// The handlers of all packages are the same. Without sessions they use a plain object.
app.use((req, _res, next) => {
  req.session ??= noSession();
  next();
});
app.get('/login', async (req, res) => {
  const body = logIn(req.session, Number(size));
  await req.saved?.();
  res.json(body);
});
app.get('/read', (req, res) => res.json(read(req.session)));
app.get('/write', async (req, res) => {
  const body = write(req.session);
  await req.saved?.();
  res.json(body);
});

// The handlers of the races. Each waits as long as its client says, as for a query of a database.
const later = ({ query }) => wait(Number(query.after ?? 0));
app.get('/set/:name', async (req, res) => {
  await later(req);
  req.session[req.params.name] = 'set';
  await req.saved?.();
  res.json({});
});
app.get('/count', async (req, res) => {
  await later(req);
  req.session.visits++;
  await req.saved?.();
  res.json({});
});
app.get('/add', async (req, res) => {
  await later(req);
  await req.session.add('visits', 1);
  res.json({});
});
app.get('/regenerate', async (req, res) => {
  await later(req);
  if (req.session.regenerate === undefined) {
    // The session is a cookie, and has no other identity to take.
    Object.assign(req.session, { user: 'ben' });
    await req.saved?.();
  } else {
    await regenerated(req);
    Object.assign(req.session, { user: 'ben' });
  }
  res.json({});
});
app.get('/logout', async (req, res) => {
  await later(req);
  if (req.session.destroy === undefined) req.session = null;
  else await destroyed(req);
  res.json({});
});
app.get('/redirect', async (req, res) => {
  req.session.user = 'cem';
  await req.saved?.();
  res.redirect('/session');
});
app.get('/session', (req, res) => res.json(req.session ?? {}));

const server = app.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => report(server));

function regenerated(req) {
  return new Promise((resolve, reject) => {
    req.session.regenerate((error) => (error ? reject(error) : resolve()));
  });
}

function destroyed(req) {
  return new Promise((resolve, reject) => {
    // iron-session has no callback.
    if (req.session.destroy.length === 0 && req.saved) return resolve(req.session.destroy());
    req.session.destroy((error) => (error ? reject(error) : resolve()));
  });
}
