import { randomUUID } from 'node:crypto';
import express, { type RequestHandler } from 'express';
import expressSession from 'express-session';
import type { SessionStore } from 'nestjs-session-stores';
import { toExpressStore, type StoreForExpress } from 'nestjs-session-stores/express';
import { EncryptedStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aKey } from '../encryption/keys.js';
import { Browser } from '../http/browser.js';
import { Gates } from '../http/gates.js';
import { serve } from '../http/server.js';
import { aRecord } from '../record.js';
import { everyStore } from '../stores/every.store.js';
import { RecordingStore } from '../stores/recording.store.js';

/** Turns a call with a callback into a promise. */
function ask<T>(
  call: (done: (error?: unknown, value?: T | null) => void) => void,
): Promise<T | null | undefined> {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
}

type Data = expressSession.SessionData & Record<string, unknown>;

const newSession = (data: object, maxAge: number | null = 60_000): Data => {
  const cookie = new expressSession.Cookie();
  cookie.maxAge = maxAge as number;
  // The setter derives it from the clock, which may have ticked.
  cookie.originalMaxAge = maxAge;
  return { cookie, ...data } as Data;
};

function bridge(behind: SessionStore = new ClusterStore({ name: randomUUID() })): StoreForExpress {
  const store = toExpressStore(behind);
  onTestFinished(() => store.close());
  return store;
}

const get = (store: StoreForExpress, id: string) =>
  ask<expressSession.SessionData>((done) => store.get(id, done)) as Promise<Data | null>;
const set = (store: StoreForExpress, id: string, data: Data) => ask((done) => store.set(id, data, done));

/** An app on plain express-session whose handlers can be held. */
async function heldApp(store: StoreForExpress): Promise<{ browser: Browser; gates: Gates }> {
  const gates = new Gates();
  const app = express();
  app.use(expressSession({ secret: 's', resave: false, saveUninitialized: false, store }));
  app.get('/login', (req, res) => {
    Object.assign(req.session, { user: 'ann' });
    res.end();
  });
  app.get('/slow/:name', async (req, res) => {
    await gates.pass(req.params.name);
    Object.assign(req.session, { [req.params.name]: true });
    res.end();
  });
  app.get('/logout', ((req, res) => req.session.destroy(() => res.end())) as RequestHandler);
  app.get('/read', (req, res) => {
    const { cookie: _, ...data } = req.session as unknown as Data;
    res.json(data);
  });
  const server = await serve(app);
  onTestFinished(() => server.close());
  return { browser: new Browser(server.url), gates };
}

describe.each(everyStore)('toExpressStore over the %s store', (_store, make) => {
  it('implements the store methods of express-session', async () => {
    const store = bridge(make());
    expect(await get(store, 'none')).toBeNull();
    await set(store, 'one', newSession({ a: 1, b: { c: [null] } }));
    await set(store, 'two', newSession({ d: true }, null));

    const one = (await get(store, 'one'))!;
    expect(one).toMatchObject({ a: 1, b: { c: [null] } });
    expect(one.cookie).toBeInstanceOf(expressSession.Cookie);
    expect(one.cookie.originalMaxAge).toBe(60_000);
    expect(Math.abs(one.cookie.expires!.getTime() - Date.now() - 60_000)).toBeLessThan(10_000);
    expect((await get(store, 'two'))!.cookie.expires).toBeNull();

    expect(await ask<number>((done) => store.length(done))).toBe(2);
    const all = await ask<Record<string, Data>>((done) => store.all(done as never));
    expect(Object.keys(all!).toSorted()).toEqual(['one', 'two']);
    expect(all!['two']).toMatchObject({ d: true });

    one.cookie.maxAge = 3_600_000;
    await ask((done) => store.touch('one', one, done));
    const { expires } = (await get(store, 'one'))!.cookie;
    expect(expires!.getTime() - Date.now()).toBeGreaterThan(3_000_000);

    await ask((done) => store.destroy('one', done));
    expect(await get(store, 'one')).toBeNull();
    await ask((done) => store.clear(done));
    expect(await ask<number>((done) => store.length(done))).toBe(0);
  });

  it('keeps parallel changes and a logout under plain express-session', async () => {
    const { browser, gates } = await heldApp(bridge(make()));
    await browser.get('/login');
    const [a, b] = [browser.get('/slow/a'), browser.get('/slow/b')];
    await Promise.all([gates.reached('a'), gates.reached('b')]);
    gates.open('a');
    await a;
    gates.open('b');
    await b;
    expect((await browser.get('/read')).json()).toEqual({ user: 'ann', a: true, b: true });

    const late = browser.get('/slow/late');
    await gates.reached('late');
    await browser.get('/logout');
    gates.open('late');
    await late;
    expect((await browser.get('/read')).json()).toEqual({});
  });
});

describe('toExpressStore', () => {
  it('writes only what changed, and reads first only if it did not load the session itself', async () => {
    const behind = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const store = bridge(behind);
    await set(store, 'k', newSession({ a: 1, b: 2, c: 3 }));
    expect(behind.take()).toEqual(['read', 'create']);

    const session = (await get(store, 'k'))!;
    session['a'] = 10;
    delete session['b'];
    behind.calls = [];
    await set(store, 'k', session);
    const [call, ...others] = behind.calls;
    expect(others).toEqual([]);
    expect(call!.change).toMatchObject({ set: { a: '10' }, remove: ['b'] });
    expect(Object.keys(call!.change!.set!)).toEqual(['a']);

    session['d'] = 4;
    behind.calls = [];
    await set(store, 'k', session);
    expect(behind.calls.map(({ change }) => Object.entries(change!.set!))).toEqual([[['d', '4']]]);
    expect(await get(store, 'k')).toMatchObject({ a: 10, c: 3, d: 4 });
  });

  it('does not bring back a destroyed session, whether it has loaded that or not, but stores others', async () => {
    const store = bridge();
    await set(store, 'k', newSession({ a: 1 }));
    const given = (await get(store, 'k'))!;
    await ask((done) => store.destroy('k', done));
    given['a'] = 2;
    await set(store, 'k', given);
    await ask((done) => store.touch('k', given, done));
    expect(await get(store, 'k')).toBeNull();
    await set(store, 'k', { ...given });
    expect(await get(store, 'k')).toBeNull();
    await set(store, 'other', { ...given });
    expect(await get(store, 'other')).toMatchObject({ a: 2 });
  });

  it('keeps the groups and the maxAge of a session', async () => {
    const behind = new ClusterStore({ name: randomUUID() });
    const store = bridge(behind);
    await set(store, 'k', newSession({ a: 1 }));
    await behind.update((await behind.read('k'))!, { join: ['g'] });
    const session = (await get(store, 'k'))!;
    session.cookie.maxAge = 3_600_000;
    await set(store, 'k', session);
    expect((await get(store, 'k'))!.cookie.originalMaxAge).toBe(3_600_000);
    expect(await behind.count('g')).toBe(1);
  });

  it('leaves values in the store that it cannot read, such as those with an unknown key', async () => {
    const behind = new ClusterStore({ name: randomUUID() });
    const [one, other] = [aKey(), aKey()];
    const logger = { error: () => {} };
    const sealed = new EncryptedStore(behind, { keys: one });
    const store = bridge(new EncryptedStore(behind, { keys: other, logger }));
    await sealed.open();
    await sealed.create(aRecord('k', { data: { a: '1', b: '2' } }));
    for (const visits of [1, 2]) {
      const session = (await get(store, 'k'))!;
      expect(Object.keys(session)).not.toContain('a');
      await set(store, 'k', Object.assign(session, { visits, b: 3 }));
      await set(store, 'k', Object.assign(session, { visits: visits + 1 }));
    }
    expect({ ...(await sealed.read('k'))!.data }).toMatchObject({ a: '1' });
  });

  it('leaves values in the store that are no JSON, until they are assigned', async () => {
    const behind = new ClusterStore({ name: randomUUID() });
    const store = bridge(behind);
    await behind.open();
    await behind.create(aRecord('k', { data: { a: '{', b: '{' } }));
    const session = (await get(store, 'k'))!;
    await set(store, 'k', Object.assign(session, { b: 1 }));
    expect((await behind.read('k'))!.data).toMatchObject({ a: '{', b: '1' });
    delete session['b'];
    await set(store, 'k', session);
    expect((await behind.read('k'))!.data).toMatchObject({ a: '{' });
    expect((await behind.read('k'))!.data).not.toHaveProperty('b');
  });

  it('applies idleTimeout to sessions without a maxAge', async () => {
    const behind = new ClusterStore({ name: randomUUID() });
    const store = toExpressStore(behind, { idleTimeout: 5000 });
    onTestFinished(() => store.close());
    await set(store, 'k', newSession({}, null));
    const { expiresAt } = (await behind.read('k'))!;
    expect(Math.abs(expiresAt - Date.now() - 5000)).toBeLessThan(4000);
  });

  it('passes on the error of the store', async () => {
    const behind = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const store = bridge(behind);
    behind.failing = true;
    await expect(get(store, 'k')).rejects.toMatchObject({ status: 503 });
    await expect(set(store, 'k', newSession({ a: 1 }))).rejects.toMatchObject({ status: 503 });
  });

  it('loads a session by its id without a request', async () => {
    const store = bridge();
    await set(store, 'k', newSession({ a: 1 }));
    const loaded = await ask<expressSession.SessionData>((done) => store.load('k', done));
    expect(loaded).toMatchObject({ a: 1, id: 'k' });
    Object.assign(loaded!, { a: 2 });
    await ask((done) => void (loaded as unknown as expressSession.Session).save(done));
    expect(await get(store, 'k')).toMatchObject({ a: 2 });
  });
});
