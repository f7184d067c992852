// The app of the cache's bench: `node cached.server.mjs <store> <address> <cache>`. It counts the store's calls.
import express from 'express';
import { sessionMiddleware } from 'nestjs-session-stores/express';
import { SessionStoreDecorator } from 'nestjs-session-stores/store';
import { openStore } from '../../test/stores/open.store.mjs';

const [word, address, cache] = process.argv.slice(2);

/** How often any store was called. */
let calls = 0;

class CountedStore extends SessionStoreDecorator {
  call(operation, work) {
    if (!['open', 'close', 'watch'].includes(operation)) calls++;
    return super.call(operation, work);
  }
}

const app = express();
if (word !== 'none') {
  const store = new CountedStore(await openStore(word, address));
  const cookie = { maxAge: 3_600_000 };
  app.use(sessionMiddleware({ secret: 'bench'.repeat(7), store, cookie, cache: cache === 'cache' }));
}
app.use((req, _res, next) => {
  req.session ??= { user: 'ann' };
  next();
});
app.post('/login', (req, res) => {
  const cart = Array.from({ length: 8 }, (_, sku) => ({ sku: `sku-${sku}`, count: 1, price: 9.99 }));
  Object.assign(req.session, { user: 'ann', theme: 'dark', profile: { name: 'Ann Example' }, cart });
  res.json({ user: 'ann' });
});
app.get('/read', (req, res) => res.json({ user: req.session.user }));

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send({ calls, cpu: user + system });
});
// Each app pauses while the others have their turn.
server.keepAliveTimeout = 60_000;
process.on('disconnect', () => process.exit());
