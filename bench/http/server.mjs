import express from 'express';
import { createRequire } from 'node:module';
import { sessionMiddleware } from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

const [subject, size] = process.argv.slice(2);
const cookie = { maxAge: 3_600_000 };

const sessions = {
  'express-session, MemoryStore': () => {
    const require = createRequire(import.meta.resolve('../peers/package.json'));
    return require('express-session')({ secret: 'bench', resave: false, saveUninitialized: false, cookie });
  },
  'ours, in memory': () => sessionMiddleware({ secret: 'bench', store: new ClusterStore(), cookie }),
};

const app = express();
if (sessions[subject]) app.use(sessions[subject]());

// The handlers of all subjects are the same; without sessions they work on an object of their own.
app.use((req, _res, next) => {
  req.session ??= { user: 'ann', visits: 0 };
  next();
});
app.get('/login', (req, res) => {
  Object.assign(req.session, { user: 'ann', theme: 'dark', visits: 0, ...data(Number(size)) });
  res.json({ user: req.session.user });
});
app.get('/read', (req, res) => res.json({ user: req.session.user }));
app.get('/write', (req, res) => {
  req.session.visits++;
  res.json({ user: req.session.user });
});

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ cpu: user + system });
});
process.on('disconnect', () => process.exit());

/** A profile, and a cart that makes the session as long as it should be. */
function data(length) {
  const profile = { name: 'Ann Example', mail: 'ann@example.org', roles: ['user', 'editor'] };
  const cart = [];
  while (JSON.stringify({ profile, cart }).length < length - 50)
    cart.push({ sku: `sku-${cart.length}`, count: 1, price: 9.99 });
  return { profile, cart };
}
