import { createHash, randomUUID } from 'node:crypto';
import { MemoryStore } from 'express-session';
import { CachedStore, EncryptedStore, SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { describe, expect, it } from 'vitest';
import { HeldStore } from '../cache/held.store.js';
import { aKey } from '../encryption/keys.js';
import { eventually } from '../eventually.js';
import { serveApp, tokenOf, type Handler } from '../http/app.js';
import { aRecord } from '../record.js';
import { everyStore } from '../stores/every.store.js';
import { FailingStore } from './failing.store.js';
import { listen } from './heard.js';
import { namesIn, rowsUnder } from './reference.js';

describe.each(everyStore)('the store %s', (word, make) => {
  it('reports each call, and what happened to sessions', async () => {
    const heard = listen();
    const store = make();
    await store.open();
    const groups = ['user:ada'];
    const one = aRecord('one', { groups, secretHash: 'first' });
    await store.create(one);
    await store.read('one');
    await store.update(one, { set: { a: '2' } });
    await store.rotate(one, 'first', 'second', 1000);
    await store.rotate(one, 'first', 'third', 1000);
    await store.regenerate('one');
    await store.create(aRecord('two', { groups, from: ['one'] }));
    await store.haveEnded(['one']);
    await store.create(aRecord('three'));
    const limit = { group: 'user:ada', max: 1 };
    await store.joinLimited(aRecord('three'), { ...limit, whenFull: 'reject' });
    await store.joinLimited(aRecord('three'), { ...limit, whenFull: 'end-oldest' });
    await store.destroy('three');
    await store.destroy('three');
    await store.create(aRecord('four', { groups }));
    await store.page({ limit: 10 });
    await store.count();
    await store.clear('user:ada');
    await store.clear();
    await store.close();

    expect(heard.calls.map(({ operation }) => operation)).toEqual([
      'open', 'create', 'read', 'update', 'rotate', 'rotate', 'regenerate', 'create', 'haveEnded', 'create',
      'joinLimited', 'joinLimited', 'destroy', 'destroy', 'create', 'page', 'count', 'clear', 'clear', 'close',
    ]); // prettier-ignore
    for (const call of heard.calls) {
      expect(call).toEqual({
        store: word,
        operation: call.operation,
        outcome: 'done',
        duration: expect.any(Number) as number,
        result: undefined,
      });
      expect(call.duration).toBeGreaterThanOrEqual(0);
    }
    const limited = { type: 'limited', id: 'three', group: 'user:ada', max: 1 };
    expect(heard.sessions.map((message) => 'store' in message && message.store)).toEqual(
      heard.sessions.map(() => word),
    );
    expect(heard.sessions).toMatchObject([
      { type: 'created', id: 'one', from: [] },
      { type: 'rotated', id: 'one' },
      { type: 'regenerated', id: 'one' },
      { type: 'created', id: 'two', from: ['one'] },
      { type: 'created', id: 'three', from: [] },
      { ...limited, outcome: 'rejected', ended: [] },
      { ...limited, outcome: 'ended', ended: ['two'] },
      { type: 'destroyed', id: 'three' },
      { type: 'created', id: 'four', from: [] },
      { type: 'cleared', group: 'user:ada', count: 1 },
      { type: 'cleared', group: undefined, count: 0 },
    ]);
  });
});

describe('a call', () => {
  it.each([
    ['timed out', 'of a backend that does not respond', (store: ClusterStore) => store.destroy('k')],
    ['failed', 'of a backend that fails', (store: ClusterStore) => store.read('k')],
    ['invalid', 'with an invalid argument', (store: ClusterStore) => store.read('\ud800')],
    ['invalid', 'with a session that is too large', (store: ClusterStore) => store.create(aRecord('k'))],
  ] as const)('is reported as %s, with its error: one %s', async (outcome, _, run) => {
    const heard = listen();
    const error: unknown = await run(new FailingStore({ timeout: 20 })).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(Error);
    expect(heard.calls).toMatchObject([
      { store: 'cluster', outcome, duration: expect.any(Number) as number },
    ]);
    expect(heard.calls[0]!.error).toBe(error);
  });
});

describe('a decorator', () => {
  it('does not report a call or a session a second time', async () => {
    const heard = listen();
    const inner = new ClusterStore({ name: randomUUID() });
    const store = new CachedStore(new EncryptedStore(inner, { keys: aKey(), groups: aKey() }));
    await store.open();
    await store.create(aRecord('k', { groups: ['user:ada'] }));
    await store.read('k');
    await store.clear('user:ada');
    await store.close();
    expect(heard.calls.map(({ store: word, operation }) => `${word} ${operation}`)).toEqual([
      'cluster open',
      'cluster watch',
      'cluster create',
      'cluster read',
      'cluster clear',
      'cluster close',
    ]);
    expect(heard.sessions).toEqual([
      { type: 'created', store: 'cluster', id: 'k', from: [] },
      { type: 'cleared', store: 'cluster', group: expect.stringMatching(/^~/) as string, count: 1 },
    ]);
  });
});

it('nothing is reported, or looked up for a report, while nothing listens', async () => {
  let lookups = 0;
  class CountingStore extends ClusterStore {
    override get capabilities() {
      lookups++;
      return super.capabilities;
    }
  }
  const store = new CountingStore({ name: randomUUID() });
  const work = async (): Promise<number> => {
    lookups = 0;
    await store.create(aRecord('k'));
    await store.destroy('k');
    await store.clear();
    return lookups;
  };
  await store.open();
  expect(await work()).toBe(0);
  listen();
  await store.create(aRecord('other'));
  expect(lookups).toBeGreaterThan(0);
  await store.close();
});

describe('an id', () => {
  it('that is a credential, as in an express-session store, is its SHA-256', async () => {
    const heard = listen();
    const store = fromExpressStore(new MemoryStore());
    await store.create(aRecord('bare', { from: ['old'] }));
    await store.regenerate('bare');
    await store.destroy('bare');
    const sha256 = (id: string): string => createHash('sha256').update(id).digest('base64url');
    const message = { store: 'express:MemoryStore', id: sha256('bare') };
    expect(heard.sessions).toEqual([
      { ...message, type: 'created', from: [sha256('old')] },
      { ...message, type: 'regenerated' },
      { ...message, type: 'destroyed' },
    ]);
  });
});

describe('the feed', () => {
  it('is reported when it is live and when it was lost, and its state can be read', async () => {
    const heard = listen();
    const store = new HeldStore();
    await store.open();
    expect(store.feedState).toBe('unwatched');
    const watch = await store.watch(() => {});
    expect(store.feedState).toBe('live');
    store.loseFeed();
    expect(store.feedState).toBe('lost');
    await eventually(() => store.feedState === 'live');
    watch.close();
    expect(store.feedState).toBe('unwatched');
    await store.close();
    expect(heard.feeds).toEqual([
      { type: 'live', store: 'map' },
      { type: 'lost', store: 'map', reason: 'cut' },
      { type: 'live', store: 'map' },
    ]);
  });
});

describe('a replaced token', () => {
  const handlers: Record<string, Handler> = {
    '/login': (session) => void (session['user'] = 'ada'),
    '/rotate': (session) => session.rotate({ grace: 0 }),
    '/': (session) => ({ user: session['user'] }),
  };

  it.each([
    ['refuse', 'rejected'],
    ['destroy', 'destroyed'],
  ] as const)("is reported with onReplacedToken: '%s' as %s", async (onReplacedToken, outcome) => {
    const app = await serveApp(handlers, { onReplacedToken });
    const browser = app.browser();
    await browser.get('/login');
    const thief = browser.clone();
    await browser.get('/rotate');
    const heard = listen();
    await thief.get('/');
    const { id } = tokenOf(browser);
    expect(heard.sessions.filter(({ type }) => type === 'replaced token')).toEqual([
      { type: 'replaced token', id, outcome },
    ]);
  });
});

describe('docs/reference/diagnostics.md', () => {
  /** The properties of the messages of a channel, by their type. */
  const documented = (channel: string): Map<string, string[]> =>
    new Map(
      rowsUnder(`\`nestjs-session-stores:${channel}\``).map(([type, properties]) => [
        namesIn(type)[0]!,
        ['type', ...namesIn(properties)].toSorted(),
      ]),
    );

  it('lists the properties of each message', async () => {
    const heard = listen();
    const store = new HeldStore();
    await store.open();
    await store.watch(() => {});
    store.loseFeed();
    const one = aRecord('one', { groups: ['g'] });
    await store.create(one);
    await store.rotate(one, 'secretHash', 'second', 0);
    await store.regenerate('one');
    for (const id of ['two', 'three']) await store.create(aRecord(id));
    for (const id of ['two', 'three'])
      await store.joinLimited({ id }, { group: 'g', max: 1, whenFull: 'end-oldest' });
    await store.destroy('three');
    await store.clear();
    await store.close();
    const app = await serveApp({
      '/login': (session) => void (session['user'] = 'ada'),
      '/rotate': (session) => session.rotate({ grace: 0 }),
    });
    const browser = app.browser();
    await browser.get('/login');
    const thief = browser.clone();
    await browser.get('/rotate');
    await thief.get('/login');

    const properties = (messages: readonly { type: string }[]): Map<string, string[]> =>
      new Map(messages.map((message) => [message.type, Object.keys(message).toSorted()]));
    expect(properties(heard.sessions)).toEqual(documented('session'));
    expect(properties(heard.feeds)).toEqual(documented('feed'));
  });

  it('lists the properties of a call, and every operation', async () => {
    const heard = listen();
    await expect(new ClusterStore().read('\ud800')).rejects.toThrow(TypeError);
    const rows = rowsUnder('`nestjs-session-stores:store`');
    const cells = new Map(rows.map(([name, , means]) => [namesIn(name)[0]!, namesIn(means)]));
    const [call] = heard.calls;
    expect([...cells.keys()].slice(0, 5).toSorted()).toEqual(Object.keys(call!).toSorted());
    const members = Object.entries(Object.getOwnPropertyDescriptors(SessionStore.prototype));
    const methods = members.filter(([, { value }]) => typeof value === 'function').map(([name]) => name);
    const operations = cells.get('operation')!;
    const others = ['constructor', 'now', 'probeIds', 'closing', 'checkWatch'];
    const calls = methods.filter((name) => !/^do[A-Z]/.test(name) && !others.includes(name));
    expect(operations.toSorted()).toEqual([...calls, 'open', 'close'].toSorted());
  });
});
