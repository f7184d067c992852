import express from 'express';
import session from 'nestjs-session-stores/express';
import { CachedStore } from 'nestjs-session-stores/store';
import { describe, expect, it } from 'vitest';
import { Browser } from '../http/browser.js';
import { serveForTest } from '../http/server.js';
import { HeldStore } from './held.store.js';

type Bag = Record<string, unknown>;

/** An app with the drop-in for express-session and a cache, and a browser that is logged in and was served. */
async function serveDropIn(options: object = {}): Promise<{ inner: HeldStore; browser: Browser }> {
  const inner = new HeldStore();
  const store = new CachedStore(inner);
  const sessions = session({ secret: 'x', resave: false, saveUninitialized: false, ...options, store });
  const app = express();
  app.use(sessions);
  app.post('/login', (req, res) => {
    req.session.regenerate(() => {
      (req.session as unknown as Bag)['user'] = 'ann';
      res.json(null);
    });
  });
  app.post('/logout', (req, res) => req.session.destroy(() => res.json(null)));
  app.all('/', (req, res) => {
    res.json((req.session as unknown as Bag)['user'] ?? null);
  });
  const browser = new Browser((await serveForTest(app, sessions)).url);
  await browser.post('/login');
  await browser.get('/');
  return { inner, browser };
}

describe('the drop-in for express-session with a CachedStore', () => {
  it('reads nothing for a GET, and reads for a POST', async () => {
    const { inner, browser } = await serveDropIn();
    const { reads } = inner;
    expect((await browser.get('/')).json()).toBe('ann');
    expect(inner.reads - reads).toBe(0);
    await browser.post('/');
    expect(inner.reads - reads).toBe(1);
  });

  it('logs out at once', async () => {
    const { inner, browser } = await serveDropIn();
    const stolen = browser.clone();
    inner.heldEvents = [];
    await browser.post('/logout');
    expect((await browser.get('/')).json()).toBeNull();
    expect((await stolen.get('/')).json()).toBeNull();
  });

  it('renews with each request of resave: true, and reads nothing for that', async () => {
    const { inner, browser } = await serveDropIn({ resave: true });
    // Like some stores, it announces renewals, after which sessions are read.
    inner.heldEvents = [];
    await browser.get('/');
    const { reads, writes } = inner;
    for (let n = 0; n < 3; n++) await browser.get('/');
    expect({ reads: inner.reads - reads, writes: inner.writes - writes }).toEqual({ reads: 0, writes: 3 });
  });

  it('rejects the option cache, and says what to write instead', () => {
    const options = { secret: 'x', resave: false, saveUninitialized: false, cache: true };
    expect(() => session({ ...options, store: new HeldStore() })).toThrow(
      'session() must not have cache: write store: new CachedStore(store), with CachedStore from nestjs-session-stores/store',
    );
  });
});
