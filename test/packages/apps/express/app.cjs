const express = require('express');
const session = require('nestjs-session-stores/express');
const { ClusterStore } = require('nestjs-session-stores/stores/cluster');

const app = express();
app.use(express.json());
app.use(
  session({
    secret: 'a secret of the app',
    resave: false,
    saveUninitialized: false,
    store: new ClusterStore(),
  }),
);
app.post('/login', (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.user = req.body.user;
    res.json({});
  });
});
app.get('/', (req, res) => res.json({ user: req.session.user ?? null }));
app.post('/logout', (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.json({})));
});
const server = app.listen(0, () => console.log(`port ${server.address().port}`));
