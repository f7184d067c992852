import { randomUUID } from 'node:crypto';
import { MemoryStore } from 'express-session';
import session from 'nestjs-session-stores/express';
import { EncryptedStore, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it } from 'vitest';
import { dataOf, serveApp, serveDropIn } from '../http/app.js';
import { serviceOn } from '../http/service.js';
import { RecordingStore } from '../stores/recording.store.js';
import { aKey } from './keys.js';

const encrypt = { keys: aKey(), groups: aKey() };

describe('in an app with encryption', () => {
  it('values are those that were assigned, before and after a save in the same request', async () => {
    const app = await serveApp(
      {
        '/login': (one) => void Object.assign(one, { user: 'ada', cart: ['book'], long: 'x'.repeat(200) }),
        '/change': async (one) => {
          one['user'] = 'bob';
          await one.save();
          one['cart'].push('pen');
          await one.save();
          return dataOf(one, undefined as never, undefined as never);
        },
        '/': dataOf,
      },
      { encrypt },
    );
    const browser = app.browser();
    await browser.post('/login');
    const expected = { user: 'bob', cart: ['book', 'pen'], long: 'x'.repeat(200) };
    expect((await browser.post('/change')).json()).toEqual(expected);
    expect((await browser.get('/')).json()).toEqual(expected);
  });

  it('values that are carried over a login are sealed for the new session', async () => {
    const app = await serveApp(
      {
        '/visit': (one) => void Object.assign(one, { cart: ['book'], long: 'x'.repeat(200) }),
        '/login': async (one) => {
          const { cart, long } = one;
          await one.regenerate();
          Object.assign(one, { cart, long });
        },
        '/': dataOf,
      },
      { encrypt },
    );
    const browser = app.browser();
    await browser.post('/visit');
    await browser.post('/login');
    expect((await browser.get('/')).json()).toEqual({ cart: ['book'], long: 'x'.repeat(200) });
    const sent = app.store.calls.flatMap((call) => JSON.stringify(call).match(/"cart":"~[^"]+/g) ?? []);
    expect(new Set(sent).size).toBe(2);
    expect(app.logged).toEqual([]);
  });

  it('a request that assigns the same value writes nothing', async () => {
    const app = await serveApp({ '/': (one) => void Object.assign(one, { cart: ['book'] }) }, { encrypt });
    const browser = app.browser();
    await browser.post('/');
    app.store.take();
    await browser.post('/');
    expect(app.store.take()).toEqual(['read']);
  });

  it('the name of setGroupName stays with the session', async () => {
    const app = await serveApp(
      {
        '/login': (one) => void one.setGroupName('team'),
        '/': (one) => one.groupNames(),
      },
      { encrypt },
    );
    const browser = app.browser();
    await browser.post('/login');
    expect((await browser.get('/')).json()).toEqual(['team']);
  });

  it('a session that would be larger than maxSize is not saved, whatever its texts take in the store', async () => {
    const app = await serveApp(
      {
        '/some': (one) => void (one['a'] = 'x'.repeat(600)),
        '/more': (one) => void (one['b'] = 'x'.repeat(300)),
        '/most': (one) => void (one['c'] = 'x'.repeat(300)),
      },
      { encrypt, maxSize: 1000 },
    );
    const browser = app.browser();
    expect((await browser.post('/some')).status).toBe(200);
    expect((await browser.post('/more')).status).toBe(200);
    expect((await browser.post('/most')).json()).toMatchObject({ error: 'SessionTooLargeError' });
  });

  it('SessionService lists, counts, shows and clears sessions by the names of groups', async () => {
    const inner = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const service = await serviceOn(inner, { encrypt });
    const { session: view } = await service.create(
      { user: 'Ada Lovelace' },
      { groups: ['user:ada', 'staff'] },
    );
    await service.create({ user: 'Bob Smith' }, { groups: ['user:bob', 'staff'] });
    await service.setLabel(view.id, 'My laptop');
    const found = (await service.find(view.id))!;
    expect({ ...found.data }).toEqual({ user: 'Ada Lovelace' });
    expect(found.label).toBe('My laptop');
    expect(found.groups.toSorted()).toEqual(['staff', 'user:ada']);
    expect(await service.count('staff')).toBe(2);
    const listed: unknown[] = [];
    for await (const { data } of service.list('staff')) listed.push(data['user']);
    expect(listed.toSorted()).toEqual(['Ada Lovelace', 'Bob Smith']);
    expect(await service.clearGroup('user:ada')).toBe(1);
    expect(await service.countAll()).toBe(1);
    const stored = JSON.stringify(inner.calls);
    for (const plain of ['Lovelace', 'Smith', 'user:', 'staff', 'laptop'])
      expect(stored).not.toContain(plain);
  });

  it('a view leaves out what cannot be opened', async () => {
    const name = randomUUID();
    const writing = await serviceOn(new ClusterStore({ name }), { encrypt });
    const reading = await serviceOn(new ClusterStore({ name }), { encrypt: { ...encrypt, keys: aKey() } });
    const { session: view } = await writing.create({ user: 'ada' }, { groups: ['user:ada'] });
    await writing.setLabel(view.id, 'Home');
    const found = (await reading.find(view.id))!;
    expect({ ...found.data }).toEqual({});
    expect(found.label).toBeUndefined();
    expect(found.groups).toEqual(['user:ada']);
  });
});

describe('the drop-in for express-session', () => {
  it('takes an encrypted store', async () => {
    const inner = new RecordingStore(new ClusterStore({ name: randomUUID() }));
    const store: SessionStore = new EncryptedStore(inner, encrypt);
    const app = await serveDropIn(
      { '/login': (one) => void (one['user'] = 'Ada Lovelace'), '/': (one) => one['user'] },
      { store },
    );
    const browser = app.browser();
    await browser.post('/login');
    expect((await browser.get('/')).json()).toBe('Ada Lovelace');
    expect(JSON.stringify(inner.calls)).not.toContain('Lovelace');
  });

  it.each([
    ['a store of this package', () => new ClusterStore({ name: randomUUID() })],
    ['a store for express-session', () => new MemoryStore()],
    ['no store', () => undefined],
  ])('rejects the option encrypt with %s, instead of storing plain text', (_, store) => {
    const options = {
      secret: 'x',
      resave: false,
      saveUninitialized: false,
      store: store() as never,
      encrypt,
    };
    expect(() => session(options)).toThrow('write store: new EncryptedStore(store, { keys })');
  });
});
