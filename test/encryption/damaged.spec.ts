import { describe, expect, it } from 'vitest';
import type { SessionOptions } from 'nestjs-session-stores';
import { serveApp, tokenOf, type Handler, type TestApp } from '../http/app.js';
import { Browser } from '../http/browser.js';
import { RecordingStore } from '../stores/recording.store.js';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { randomUUID } from 'node:crypto';
import { aKey } from './keys.js';

const HANDLERS: Record<string, Handler> = {
  '/login': async (session) => {
    await session.regenerate();
    session['user'] = 'ada';
    session['cart'] = ['book'];
    session.joinGroup('user:ada');
    session.setLabel('Home');
  },
  '/': async (session) => ({
    user: session['user'],
    cart: session['cart'],
    groups: await session.groupNames(),
  }),
  '/seen': (session) => void (session['seen'] = true),
  '/become': (session) => void (session['user'] = 'bob'),
  '/forget': (session) => void delete session['user'],
  '/take': async (session) => ({ taken: await session.take('user') }),
};

const [key, groups] = [aKey(), aKey()];

/** Two apps that share their sessions: one that has written a session, and one with other options that reads it. */
async function twoApps(
  encrypt: SessionOptions['encrypt'],
): Promise<{ id: string; one: Browser; other: Browser; app: TestApp; inner: RecordingStore }> {
  const name = randomUUID();
  const first = await serveApp(HANDLERS, {
    store: new ClusterStore({ name }),
    encrypt: { keys: key, groups },
  });
  const app = await serveApp(HANDLERS, { store: new ClusterStore({ name }), encrypt });
  const one = first.browser();
  await one.post('/login');
  const other = new Browser(app.url);
  for (const [cookie, value] of one.cookies) other.cookies.set(cookie, value);
  return { id: tokenOf(one).id, one, other, app, inner: first.store };
}

describe('a value that cannot be opened', () => {
  it('is undefined, in a response that succeeds', async () => {
    const { other } = await twoApps({ keys: aKey(), groups });
    const response = await other.get('/');
    expect(response.status).toBe(200);
    expect(response.json()).toEqual({ groups: ['user:ada'] });
  });

  it('is logged once for its key, however many values and requests there are', async () => {
    const { other, app } = await twoApps({ keys: aKey(), groups });
    for (let n = 0; n < 3; n++) await other.get('/');
    expect(app.logged.length).toBe(1);
    expect(app.logged[0]).toMatch(/is sealed with the key "[\w-]{8}", which is not in encrypt\.keys/);
    expect(app.logged[0]).not.toContain(key.toString('base64'));
  });

  it('stays in the store when other properties are written', async () => {
    const { one, other } = await twoApps({ keys: aKey(), groups });
    expect((await other.post('/seen')).status).toBe(200);
    expect((await one.get('/')).json()).toEqual({ user: 'ada', cart: ['book'], groups: ['user:ada'] });
  });

  it('is not opened by a request that writes another property', async () => {
    const { other, app } = await twoApps({ keys: aKey(), groups });
    await other.post('/seen');
    await other.post('/seen');
    expect(app.logged).toEqual([]);
  });

  it('stays in the store when it has been read in the same request', async () => {
    const { one, other, app } = await twoApps({ keys: aKey(), groups });
    await other.get('/');
    app.store.take();
    await other.get('/');
    expect(app.store.take()).toEqual(['read']);
    expect((await one.get('/')).json()).toMatchObject({ user: 'ada' });
  });

  it('is replaced when it is assigned, and is read then', async () => {
    const { other } = await twoApps({ keys: aKey(), groups });
    await other.post('/become');
    expect((await other.get('/')).json()).toMatchObject({ user: 'bob' });
  });

  it('is removed when it is deleted', async () => {
    const { one, other } = await twoApps({ keys: aKey(), groups });
    await other.post('/forget');
    expect((await one.get('/')).json()).not.toHaveProperty('user');
  });

  it('is taken as undefined', async () => {
    const { other } = await twoApps({ keys: aKey(), groups });
    expect((await other.post('/take')).json()).toEqual({});
  });

  it.each([
    ['plain text', '"mallory"'],
    ['a cut text', '~AAAAAAAA'],
    ['a text of another form', '~'],
    ['nothing', ''],
  ])('may be %s', async (_, text) => {
    const { id, one, inner } = await twoApps({ keys: key, groups });
    await inner.update({ id }, { set: { user: text } });
    const response = await one.get('/');
    expect(response.status).toBe(200);
    expect(response.json()).toEqual({ cart: ['book'], groups: ['user:ada'] });
  });

  it('is no plain text with acceptPlain, which is read as it is', async () => {
    const { id, other, app, inner } = await twoApps({ keys: key, groups, acceptPlain: true });
    await inner.update({ id }, { set: { user: '"grace"' }, join: ['plain'] });
    const body = (await other.get('/')).json<{ user: string; groups: string[] }>();
    expect(body.user).toBe('grace');
    expect(body.groups.toSorted()).toEqual(['plain', 'user:ada']);
    expect(app.logged).toEqual([]);
  });
});

it('sealed values in an app without `encrypt` are undefined, and the log says what is missing', async () => {
  const { one, other, app } = await twoApps(undefined);
  expect((await other.get('/')).json()).not.toHaveProperty('user');
  await other.post('/take');
  const missing = 'of "user" looks sealed, and the store does not open it. Set encrypt, with the key';
  expect(app.logged.filter((line) => line.includes(missing)).length).toBeGreaterThan(1);
  expect(app.logged.join()).not.toMatch(/is not JSON|~/);
  expect((await one.get('/')).json()).toMatchObject({ cart: ['book'] });
});

it('a group that cannot be opened is left out, and logged once', async () => {
  const { one, other, app } = await twoApps({ keys: key, groups: aKey() });
  for (let n = 0; n < 2; n++)
    expect((await other.get('/')).json()).toMatchObject({ user: 'ada', groups: [] });
  expect(app.logged.length).toBe(1);
  expect(app.logged[0]).toContain('another key than encrypt.groups');
  await other.post('/seen');
  expect((await one.get('/')).json()).toMatchObject({ groups: ['user:ada'] });
});

it('made-up ids of keys in the store cause at most a hundred log lines', async () => {
  const { id, other, inner, app } = await twoApps({ keys: key, groups });
  for (let n = 0; n < 150; n++) {
    const madeUp = `~${String(n).padStart(8, '0')}${'A'.repeat(60)}`;
    await inner.update({ id }, { set: { user: madeUp } });
    await other.get('/');
  }
  expect(app.logged.length).toBe(100);
});
