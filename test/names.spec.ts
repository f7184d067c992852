import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { SessionRecord } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import {
  dataOf,
  serveApp,
  serveDropIn,
  tokenOf,
  type Handler,
  type TestApp,
  type TestSession,
} from './http/app.js';
import type { Browser } from './http/browser.js';
import { RecordingStore } from './stores/recording.store.js';

/** The names of our members of a session, with those that are planned. */
const OURS = [
  'rotate',
  'joinGroup',
  'leaveGroup',
  'groupNames',
  'setGroupName',
  'identity',
  'idleExpiresAt',
  'absoluteExpiresAt',
  'add',
  'take',
  'setLabel',
];

/** The names of the members that express-session has too, but `cookie`. */
const OF_EXPRESS_SESSION = ['save', 'reload', 'destroy', 'regenerate', 'touch', 'resetMaxAge', 'id', 'req'];

/** Names of fields of a record, of methods of an object, and names with a meaning in a database. */
const NAMES = [
  'groups',
  'key',
  'secretHash',
  'previous',
  'data',
  'createdAt',
  'expiresAt',
  'groupName',
  '_id',
  'constructor',
  'toString',
  'valueOf',
  'toJSON',
  'hasOwnProperty',
  'isPrototypeOf',
  '__proto__',
  '__defineGetter__',
  'then',
  'prototype',
  'state',
  '',
  ' ',
  'a.b',
  'a',
  '$set',
  '$where',
  '0',
  '1',
  '\0',
  'ключ',
  '🔑',
];

/** From `JSON.parse`, which makes all of them own properties. */
const parsed = (names: string[]): object =>
  JSON.parse(
    `{${names.map((name) => `${JSON.stringify(name)}:${JSON.stringify({ of: name })}`).join(',')}}`,
  ) as object;

/** A value that is large enough to be parsed only when it is accessed. */
const large = (name: string) => ({ name, list: Array.from({ length: 30 }, (_, at) => ({ at })) });

const define = (session: TestSession, name: string, value: unknown): void =>
  void Object.defineProperty(session, name, { value, enumerable: true, writable: true, configurable: true });

/** The data as pairs, because an object literal in the spec could not hold `__proto__` as easily. */
const pairsOf: Handler = (session) => Object.entries(session).filter(([name]) => name !== 'cookie');

const sorted = (pairs: unknown): unknown[] =>
  (pairs as [string, unknown][]).toSorted(([one], [two]) => (one < two ? -1 : 1));

async function started(app: TestApp, path: string): Promise<Browser> {
  const browser = app.browser();
  expect(await browser.get(path)).toMatchObject({ status: 200, text: 'null' });
  app.store.take();
  return browser;
}

describe.each([
  ['that no member has', serveApp, NAMES],
  ['that express-session does not reserve, in the drop-in,', serveDropIn, [...NAMES, ...OURS]],
])('a property with any name %s', (_, serve, names) => {
  const WAYS: Record<string, Handler> = {
    assigned: (session) => {
      for (const name of names) (session as Record<string, unknown>)[name] = { of: name };
    },
    defined: (session) => {
      for (const name of names) define(session, name, { of: name });
    },
    'from parsed JSON': (session) => void Object.assign(session, parsed(names)),
    large: (session) => {
      for (const name of names) (session as Record<string, unknown>)[name] = large(name);
    },
  };

  it.each(Object.keys(WAYS))('is read back unchanged when %s, and reading writes nothing', async (way) => {
    const app = await serve({ '/set': WAYS[way]!, '/get': pairsOf, '/look-away': () => 1 });
    const browser = await started(app, '/set');
    const valueOf = way === 'large' ? large : (name: string) => ({ of: name });
    const expected = sorted(names.map((name) => [name, valueOf(name)]));
    for (let time = 0; time < 2; time++) {
      const response = await browser.get('/get');
      expect(sorted(response.json())).toEqual(expected);
      expect(response.setCookies).toEqual([]);
      await browser.get('/look-away');
      expect(app.store.take()).toEqual(['read', 'read']);
    }
    expect(Object.keys({})).toEqual([]);
    expect(Object.hasOwn(Object.prototype, 'of')).toBe(false);
  });

  it('is changed and removed without other properties being written', async () => {
    const app = await serve({
      '/set': WAYS['defined']!,
      '/change/:at': (session, req) => define(session, names[Number(req.params['at'])]!, 'changed'),
      '/delete/:at': (session, req) => void Reflect.deleteProperty(session, names[Number(req.params['at'])]!),
      '/get': pairsOf,
    });
    const browser = await started(app, '/set');
    for (const [at, name] of names.entries()) {
      expect((await browser.get(`/change/${at}`)).status, name).toBe(200);
      const { change } = app.store.calls.at(-1)!;
      expect(Object.entries(change!.set!), name).toEqual([[name, '"changed"']]);
      expect(change!.remove, name).toBeUndefined();
      expect((await browser.get(`/delete/${at}`)).status, name).toBe(200);
      expect(app.store.calls.at(-1)!.change, name).toMatchObject({ remove: [name] });
    }
    expect((await browser.get('/get')).json()).toEqual([]);
  });
});

describe('a property with the name of a member', () => {
  it('hides only that member in the drop-in, and only until it is deleted', async () => {
    const app = await serveDropIn({
      '/set': (session) => void Object.assign(session, { groups: 1, key: 2, rotate: 'data', groupNames: 3 }),
      '/use': async (session) => {
        session.joinGroup('g');
        session['more'] = 1;
        await session.save();
        const { id } = session;
        await session.reload();
        const { groups, more } = session;
        return { hasSameId: id === session.id, rotate: session['rotate'], groups, more };
      },
      '/delete': async (session) => {
        delete (session as Record<string, unknown>)['rotate'];
        delete (session as Record<string, unknown>)['groupNames'];
        await session.rotate();
        return session.groupNames();
      },
      '/get': dataOf,
    });
    const browser = await started(app, '/set');
    expect((await browser.get('/use')).json()).toEqual({
      hasSameId: true,
      rotate: 'data',
      groups: 1,
      more: 1,
    });
    expect(await app.store.count('g')).toBe(1);
    const { secret } = tokenOf(browser);
    expect((await browser.get('/delete')).json()).toEqual(['g']);
    expect(tokenOf(browser).secret).not.toBe(secret);
    expect((await browser.get('/get')).json()).toEqual({ groups: 1, key: 2, more: 1 });
  });

  const assign: [string, (session: TestSession, name: string) => void][] = [
    ['assigned', (session, name) => void ((session as Record<string, unknown>)[name] = 'data')],
    ['assigned from parsed JSON', (session, name) => void Object.assign(session, parsed([name]))],
    ['defined', (session, name) => define(session, name, 'data')],
  ];

  describe.each([
    ['of either package', serveApp, [...OF_EXPRESS_SESSION, ...OURS]],
    ['of express-session, in the drop-in,', serveDropIn, OF_EXPRESS_SESSION],
  ])('%s', (_, serve, names) => {
    it.each(assign)(
      'fails the request with an error when it is %s, and nothing is stored',
      async (__, put) => {
        const app = await serve({ '/set/:name': (session, req) => put(session, String(req.params['name'])) });
        for (const name of names) {
          const response = await app.browser().get(`/set/${name}`);
          expect(response, name).toMatchObject({ status: 500, setCookies: [] });
          expect(response.json()['message'], name).toBe(
            `session.${name} is reserved and cannot hold data. Choose another name`,
          );
        }
        expect(app.store.take()).toEqual([]);
      },
    );
  });

  it('fails at its assignment, so the member stays what it is', async () => {
    const app = await serveApp({
      '/': async (session) => {
        const errorOf = (name: string): string => {
          try {
            Object.assign(session, { [name]: 'data' });
            return 'none';
          } catch (error) {
            return (error as Error).message;
          }
        };
        const errors = { joinGroup: errorOf('joinGroup'), identity: errorOf('identity') };
        await session.joinGroup('g');
        return { errors, identity: session.identity, groups: await session.groupNames() };
      },
    });
    expect((await app.browser().get('/')).json()).toEqual({
      errors: {
        joinGroup: expect.stringContaining('session.joinGroup is reserved'),
        identity: expect.stringContaining('session.identity is reserved'),
      },
      identity: 'sid',
      groups: ['g'],
    });
    expect(await app.store.count('g')).toBe(1);
  });

  it('that is stored stays stored, and never hides the member', async () => {
    const app = await serveApp({
      '/set': (session) => void (session['user'] = 'ann'),
      '/use': async (session) => {
        await session.joinGroup('g');
        const { identity, idleExpiresAt } = session;
        return { identity, keys: Object.keys(session).toSorted(), idleExpiresAt: typeof idleExpiresAt };
      },
      '/reload': async (session) => {
        await session.reload();
        return { ...session, cookie: undefined };
      },
    });
    const browser = await started(app, '/set');
    const { id } = tokenOf(browser);
    const stored = Object.fromEntries(OURS.map((name) => [name, JSON.stringify(large(name))]));
    await app.store.update((await app.store.read(id))!, { set: stored });
    expect((await browser.get('/use')).json()).toEqual({
      identity: 'sid',
      keys: ['cookie', 'user'],
      idleExpiresAt: 'number',
    });
    expect((await browser.get('/reload')).json()).toEqual({ user: 'ann' });
    const { data, groups } = (await app.store.read(id))!;
    expect(data).toEqual({ ...stored, user: '"ann"' });
    expect(groups).toEqual(['g']);
    expect(app.logged).toEqual([]);
  });

  it('may be replaced by a function, as libraries do, and ignores undefined', async () => {
    const app = await serveApp({
      '/': async (session) => {
        const { save } = session;
        let calls = 0;
        session.save = (() => {
          calls++;
          return (save as () => Promise<void>).call(session);
        }) as never;
        session['user'] = 'ann';
        (session as { joinGroup: unknown }).joinGroup = undefined;
        await session.joinGroup('g');
        await session.save();
        return calls;
      },
    });
    expect((await app.browser().get('/')).json()).toBe(1);
    expect(app.store.take()).toEqual(['create']);
  });

  it('is reserved for every member of the session object', async () => {
    const app = await serveApp({
      '/': (session) => Object.getOwnPropertyNames(Object.getPrototypeOf(session)),
    });
    const members = (await app.browser().get('/')).json<string[]>();
    const others = ['constructor', '__proto__'];
    expect(members.filter((name) => !others.includes(name)).toSorted()).toEqual(
      [...OF_EXPRESS_SESSION, ...OURS].toSorted(),
    );
  });
});

describe('a damaged serialized value', () => {
  const DAMAGED = ['not json', '', '{"a":', `{"a":${'1'.repeat(100)}`, 'undefined'];

  it.each(DAMAGED)('%j makes its property undefined, is logged, and stays as it is', async (text) => {
    const app = await serveApp({
      '/set': (session) => void Object.assign(session, { good: 1, bad: 2 }),
      '/get': (session) => ({ good: session['good'], bad: session['bad'] ?? null }),
      '/change': (session) => void (session['good'] = 2),
      '/assign': (session) => void (session['bad'] = 'new'),
      '/all': dataOf,
    });
    const browser = await started(app, '/set');
    const { id } = tokenOf(browser);
    await app.store.update((await app.store.read(id))!, { set: { bad: text } });
    app.store.take();

    expect((await browser.get('/get')).json()).toEqual({ good: 1, bad: null });
    expect(app.store.take()).toEqual(['read']);
    expect(app.logged.length).toBeGreaterThan(0);
    for (const line of app.logged) {
      expect(line).toContain(id);
      expect(line).toContain('"bad"');
    }
    await browser.get('/change');
    expect((await app.store.read(id))!.data).toMatchObject({ good: '2', bad: text });
    expect((await browser.get('/all')).json()).toEqual({ good: 2 });
    expect((await app.store.read(id))!.data['bad']).toBe(text);

    await browser.get('/assign');
    expect((await app.store.read(id))!.data['bad']).toBe('"new"');
    expect((await browser.get('/get')).json()).toEqual({ good: 2, bad: 'new' });
  });

  it('that is not even a string is logged too, and its property is undefined', async () => {
    /** Returns records as a damaged database might. */
    class ForeignStore extends RecordingStore {
      override async read(id: string): Promise<SessionRecord | undefined> {
        const record = await super.read(id);
        return record && { ...record, data: { ...record.data, bad: { $ne: null } as never } };
      }
    }
    const store = new ForeignStore(new ClusterStore({ name: `foreign-${process.pid}` }));
    const app = await serveApp(
      { '/set': (session) => void (session['good'] = 1), '/get': dataOf },
      { store },
    );
    const browser = await started(app, '/set');
    expect((await browser.get('/get')).json()).toEqual({ good: 1 });
    expect(store.take()).toEqual(['read']);
    expect(app.logged).toHaveLength(1);
    expect(app.logged[0]).toContain('"bad"');
  });

  it.each<[string, Handler, string | undefined]>([
    ['removed when its unread property is deleted', (session) => void delete session['bad'], undefined],
    ['replaced when its unread property is assigned', (session) => void (session['bad'] = 'new'), '"new"'],
  ])('is %s', async (_, handler, expected) => {
    const app = await serveApp({
      '/set': (session) => void Object.assign(session, { good: 1, bad: 2 }),
      '/do': handler,
    });
    const browser = await started(app, '/set');
    const { id } = tokenOf(browser);
    const damaged = `{"a":${'1'.repeat(100)}`;
    await app.store.update((await app.store.read(id))!, { set: { bad: damaged } });
    expect((await browser.get('/do')).status).toBe(200);
    expect((await app.store.read(id))!.data['bad']).toBe(expected);
  });
});

describe('a damaged record', () => {
  /** Returns records as a damaged database might. */
  class DamagedStore extends RecordingStore {
    damage: ((record: SessionRecord) => unknown) | undefined;

    override async read(id: string): Promise<SessionRecord | undefined> {
      const record = await super.read(id);
      return record && this.damage ? (this.damage(record) as SessionRecord) : record;
    }
  }

  it.each<[string, (record: SessionRecord) => unknown]>([
    ['without data', (record) => ({ ...record, data: undefined })],
    ['with null for data', (record) => ({ ...record, data: null })],
    ['with a string for data', (record) => ({ ...record, data: '{}' })],
    ['with a list for data', (record) => ({ ...record, data: [] })],
    ['without groups', (record) => ({ ...record, groups: undefined })],
    ['with groups that are not strings', (record) => ({ ...record, groups: [5] })],
    ['without a secret hash', (record) => ({ ...record, secretHash: undefined })],
    ['with a number for previous', (record) => ({ ...record, previous: 5 })],
    ['without an expiry', (record) => ({ ...record, expiresAt: Number.NaN })],
    ['with a string for createdAt', (record) => ({ ...record, createdAt: 'now' })],
    [
      'with a string for previous.replacedAt',
      (record) => ({ ...record, previous: { hash: 'p', replacedAt: 'now' } }),
    ],
    ['with another id', (record) => ({ ...record, id: 'another' })],
    ['that is empty', () => ({})],
    ['that is a number', () => 5],
    ['that is a string', () => 'garbage'],
  ])('%s is logged with its id, and the request gets a new session', async (_, damage) => {
    const store = new DamagedStore(new ClusterStore({ name: `damaged-${process.pid}` }));
    const app = await serveApp(
      {
        '/set': (session) => void (session['user'] = 'private'),
        '/get': dataOf,
        '/id': (session) => session.id,
      },
      { store },
    );
    const browser = await started(app, '/set');
    const { id, secret } = tokenOf(browser);
    store.damage = damage;
    const response = await browser.get('/get');
    expect(response).toMatchObject({ status: 200, text: '{}' });
    expect((await browser.get('/id')).json<string>()).not.toBe(id);
    expect(app.logged.length).toBeGreaterThan(0);
    expect(app.logged[0]).toContain(id);
    expect(app.logged.join()).not.toContain(secret);
    expect(app.logged.join()).not.toContain('private');
  });
});

describe('a large value, which is parsed when it is accessed,', () => {
  const big = large('big');
  const handlers: Record<string, Handler> = {
    '/set': (session) => void Object.assign(session, { big, other: large('other'), user: 'ann' }),
    '/get': dataOf,
  };
  const withHandler = (handler: Handler): Promise<TestApp> => serveApp({ ...handlers, '/do': handler });
  const all = { big, other: large('other'), user: 'ann' };

  it.each<[string, Handler, unknown]>([
    ['spread', (session) => ({ ...session, cookie: undefined }), all],
    ['Object.keys', (session) => Object.keys(session).toSorted(), ['big', 'cookie', 'other', 'user']],
    ['Object.entries', (session) => Object.entries(session).find(([name]) => name === 'big')![1], big],
    ['JSON.stringify', (session) => ({ ...JSON.parse(JSON.stringify(session)), cookie: undefined }), all],
    ['structuredClone', (session) => structuredClone({ ...session, cookie: undefined }), all],
    ['structuredClone of the session', (session) => (structuredClone(session) as TestSession)['big'], big],
    ['Object.assign', (session) => Object.assign({}, session, { cookie: undefined }), all],
    [
      'hasOwn and in',
      (session) => ({ hasOwn: Object.hasOwn(session, 'big'), in: 'big' in session }),
      { hasOwn: true, in: true },
    ],
    ['two accesses, which return the same object', (session) => session['big'] === session['big'], true],
    [
      'destructuring',
      ({ big: value, ...rest }) => ({ value, rest: Object.keys(rest).toSorted() }),
      { value: big, rest: ['cookie', 'other', 'user'] },
    ],
  ])('looks like a plain value to %s, and is not written', async (_, handler, expected) => {
    const app = await withHandler(handler);
    const browser = await started(app, '/set');
    expect((await browser.get('/do')).json()).toEqual(expected);
    expect(app.store.take()).toEqual(['read']);
  });

  it('is shown by console.log like a plain value', async () => {
    const app = await withHandler((session) => [
      inspect(session, { depth: 0 }),
      inspect(session, { depth: 5, showProxy: true }),
      inspect({ ...session, cookie: undefined }, { depth: 5 }),
    ]);
    const browser = await started(app, '/set');
    const [shallow, deep, plain] = (await browser.get('/do')).json<string[]>();
    for (const text of [shallow, deep]) {
      expect(text).toMatch(/^Session \{/);
      expect(text).not.toMatch(/Getter|Symbol|unparsed/i);
    }
    expect(shallow).toContain('big: [Object]');
    expect(deep).toContain("name: 'big'");
    expect(deep).toContain("user: 'ann'");
    expect(plain).not.toMatch(/Getter/);
    expect(app.store.take()).toEqual(['read']);
  });

  it.each<[string, Handler, Record<string, unknown>, string[] | undefined]>([
    [
      'changed inside',
      (session) => void session['big'].list.push(1),
      { big: { ...big, list: [...big.list, 1] } },
      undefined,
    ],
    [
      'changed deep inside',
      (session) => void (session['big'].list[0].at = 'x'),
      { big: { ...big, list: [{ at: 'x' }, ...big.list.slice(1)] } },
      undefined,
    ],
    ['replaced', (session) => void (session['big'] = 1), { big: 1 }, undefined],
    [
      'replaced by another large value',
      (session) => void (session['big'] = large('new')),
      { big: large('new') },
      undefined,
    ],
    [
      'deleted and assigned again',
      (session) => {
        delete session['big'];
        session['big'] = 'again';
      },
      { big: 'again' },
      undefined,
    ],
    ['deleted', (session) => void delete session['big'], {}, ['big']],
    ['set to undefined', (session) => void (session['big'] = undefined), {}, ['big']],
  ])('is the only property written when it is %s', async (_, handler, set, remove) => {
    const app = await withHandler(handler);
    const browser = await started(app, '/set');
    expect((await browser.get('/do')).status).toBe(200);
    const { change } = app.store.calls.at(-1)!;
    const values = Object.fromEntries(
      Object.entries(change!.set ?? {}).map(([name, text]) => [name, JSON.parse(text)]),
    );
    expect(values).toEqual(set);
    expect(change!.remove).toEqual(remove);
    const { big: _big, ...rest } = all;
    expect((await browser.get('/get')).json()).toEqual({ ...rest, ...set });
  });

  it.each<[string, Handler]>([
    ['it is not accessed', () => 1],
    ['it is only read', (session) => session['big'].list.length],
    [
      'it is replaced by an equal value',
      (session) => void (session['big'] = structuredClone(session['big'])),
    ],
    [
      'it is deleted and put back',
      (session) => {
        const value: unknown = session['big'];
        delete session['big'];
        session['big'] = value;
      },
    ],
    [
      'it is changed and changed back',
      (session) => {
        session['big'].list.push(1);
        session['big'].list.pop();
      },
    ],
    ['the session is reloaded', (session) => session.reload()],
    ['the session is saved', (session) => session.save().then(() => session['big'].name)],
  ])('is not written when %s', async (_, handler) => {
    const app = await withHandler(handler);
    const browser = await started(app, '/set');
    expect((await browser.get('/do')).status).toBe(200);
    for (const { operation, change } of app.store.calls)
      expect({ set: change?.set, remove: change?.remove }, operation).toEqual({});
    expect((await browser.get('/get')).json()).toEqual(all);
  });

  it('is compared with its last saved value after a save', async () => {
    const app = await withHandler(async (session) => {
      session['big'].list.push(1);
      await session.save();
      session['other'].list.push(2);
      await session.save();
      session['big'].list.pop();
    });
    const browser = await started(app, '/set');
    await browser.get('/do');
    const written = app.store.calls.map(({ change }) => Object.keys(change?.set ?? {}));
    expect(written).toEqual([[], ['big'], ['other'], ['big']]);
  });
});
