// An app in a process whose clock was moved: `node clocks.process.mjs <milliseconds> <store> <options>`.
import { moveClock } from './moved-clock.mjs';

const [moved, name, options] = process.argv.slice(2);
moveClock(Number(moved));

const { default: express } = await import('express');
const { sessionMiddleware } = await import('nestjs-session-stores');
const stores = {
  redis: async () => (await import('nestjs-session-stores/stores/redis')).RedisStore,
  mongo: async () => (await import('nestjs-session-stores/stores/mongo')).MongoStore,
  hazelcast: async () => (await import('nestjs-session-stores/stores/hazelcast')).HazelcastStore,
};
const Store = await stores[name]();
const logged = [];
const log = (message) => logged.push(message);
const session = sessionMiddleware({
  secret: 'clocks',
  store: new Store(JSON.parse(options)),
  cookie: { maxAge: 3_600_000 },
  absoluteTimeout: 36_000_000,
  logger: { warn: log, error: log },
});
const app = express();
app.use(session);
app.get('/login', async (req, res) => {
  await req.session.regenerate();
  req.session.user = 'ann';
  await req.session.joinGroup('user:ann');
  res.json({});
});
app.get('/write', (req, res) => {
  req.session.writes = (req.session.writes ?? 0) + 1;
  res.json({});
});
app.get('/rotate', async (req, res) => {
  await req.session.rotate();
  res.json({});
});
app.get('/', (req, res) => {
  const { user = null, writes = 0, cookie } = req.session;
  res.json({ user, writes, left: cookie.maxAge });
});
app.get('/expires', (req, res) => {
  const { idleExpiresAt, absoluteExpiresAt } = req.session;
  res.json({ idleExpiresAt, absoluteExpiresAt });
});
app.get('/logged', (_req, res) => res.json(logged));
const server = app.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
