import express from 'express';
import { sessionMiddleware } from 'nestjs-session-stores/express';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';

const app = express();
app.use(express.json());
app.use(sessionMiddleware({ secret: 'a secret of the app', store: new ClusterStore() }));
app.post('/login', async (req, res) => {
  await req.session.regenerate();
  req.session.user = req.body.user;
  res.json({});
});
app.get('/', (req, res) => res.json({ user: req.session.user ?? null }));
app.post('/logout', async (req, res) => {
  await req.session.destroy();
  res.json({});
});
const server = app.listen(0, () => console.log(`port ${server.address().port}`));
