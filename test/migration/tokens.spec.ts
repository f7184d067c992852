import { randomUUID } from 'node:crypto';
import { sign } from 'cookie-signature';
import { MemoryStore } from 'express-session';
import { MigratingStore, NO_SECRET_HASH, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { describe, expect, it, vi } from 'vitest';
import { dataOf, serveApp, type Handler, type TestApp } from '../http/app.js';
import { Browser } from '../http/browser.js';

const handlers: Record<string, Handler> = {
  '/rotate': (session) => session.rotate(),
  '/': dataOf,
};

/** An app whose sessions move from `memory` to the store of a name. */
function serve(memory: MemoryStore, name: string, move: boolean, more: object = {}): Promise<TestApp> {
  const migrateFrom = { store: fromExpressStore(memory), move };
  return serveApp(handlers, { store: new ClusterStore({ name }), migrateFrom, ...more });
}

async function storedBy(memory: MemoryStore, id: string): Promise<string> {
  await fromExpressStore(memory).create({
    id,
    secretHash: NO_SECRET_HASH,
    data: { user: '"ada"' },
    groups: [],
    createdAt: 0,
    expiresAt: Date.now() + 60_000,
  });
  return encodeURIComponent(`s:${sign(id, 'app')}`);
}

function browserWith(url: string, token: string): Browser {
  const browser = new Browser(url);
  browser.cookies.set('sid', token);
  return browser;
}

const tokenIn = (browser: Browser): string => browser.cookies.get('sid')!;

describe('the cookie of an express-session store', () => {
  it.each([
    ['32 characters', 'A'.repeat(32)],
    ['a UUID', randomUUID()],
    ['a word', 'ada'],
    ['one that ends as a secret does', `ada.${'b'.repeat(32)}`],
    ['one that ends as a secret with an instant does', `ada.${'b'.repeat(32)}.123`],
    ['one with dots', 'ada.1.2.3'],
  ])('is good during the migration, and so is its successor, also later and elsewhere: %s', async (_, id) => {
    for (const genid of [undefined, () => id]) {
      const [memory, name] = [new MemoryStore(), randomUUID()];
      const first = await storedBy(memory, id);
      const [early, late, other] = [
        await serve(memory, name, false, { genid }),
        await serve(memory, name, true, { genid }),
        await serve(memory, name, true, { genid }),
      ];
      const after = await serveApp(handlers, { store: new ClusterStore({ name }), genid });

      expect((await browserWith(early.url, first).get('/')).json()).toEqual({ user: 'ada' });
      const browser = browserWith(late.url, first);
      expect((await browser.get('/')).json()).toEqual({ user: 'ada' });
      expect(tokenIn(browser)).not.toBe(first);
      for (const { url } of [early, other, after])
        expect((await browserWith(url, tokenIn(browser)).get('/')).json()).toEqual({ user: 'ada' });
    }
  });

  it('gives no access to a session that has a secret', async () => {
    const [memory, name] = [new MemoryStore(), randomUUID()];
    const store = new ClusterStore({ name });
    await store.open();
    const now = Date.now();
    const id = 'C'.repeat(32);
    const record = { id, secretHash: 'h', data: { user: '"bob"' }, groups: [], createdAt: now };
    await store.create({ ...record, expiresAt: now + 60_000 });
    const bare = encodeURIComponent(`s:${sign(id, 'app')}`);
    for (const move of [false, true]) {
      const { url } = await serve(memory, name, move);
      expect((await browserWith(url, bare).get('/')).json()).toEqual({});
    }
    await store.close();
  });

  it('is not given a second time to a session that has moved, by a process that does not move any yet', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const [memory, name] = [new MemoryStore(), randomUUID()];
      const bare = await storedBy(memory, 'D'.repeat(32));
      const late = await serve(memory, name, true);
      const early = await serve(memory, name, false);
      const browser = browserWith(late.url, bare);
      await browser.get('/');
      const there = browserWith(early.url, tokenIn(browser));
      await there.get('/');
      vi.setSystemTime(Date.now() + 31_000);
      expect((await there.post('/rotate')).status).toBe(200);

      expect(tokenIn(there)).not.toBe(tokenIn(browser));
      expect((await there.get('/')).json()).toEqual({ user: 'ada' });
      expect((await browserWith(late.url, bare).get('/')).json()).toEqual({});
      expect((await browserWith(early.url, bare).get('/')).json()).toEqual({});
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a migration whose old store is a migration', () => {
  const newest = (): SessionStore => new ClusterStore({ name: randomUUID() });

  it('accepts the cookies of the oldest store, and moves its sessions', async () => {
    const memory = new MemoryStore();
    const id = randomUUID();
    const bare = await storedBy(memory, id);
    const inner = new MigratingStore(newest(), { store: fromExpressStore(memory), move: true });
    const app = await serveApp(handlers, { store: newest(), migrateFrom: { store: inner, move: true } });
    const browser = browserWith(app.url, bare);
    expect((await browser.get('/')).json()).toEqual({ user: 'ada' });
    expect(tokenIn(browser)).not.toBe(bare);
    expect((await browser.get('/')).json()).toEqual({ user: 'ada' });
    expect(await inner.read(id)).toBeUndefined();
  });

  it('is rejected if the inner one does not move sessions of express-session, or is the new store', () => {
    const inner = (move: boolean): MigratingStore =>
      new MigratingStore(newest(), { store: fromExpressStore(new MemoryStore()), move });
    expect(() => new MigratingStore(newest(), { store: inner(false), move: false })).toThrow(
      /must move its sessions.*set its move to true first/,
    );
    expect(() => new MigratingStore(inner(true), { store: newest(), move: true })).toThrow(
      /cannot move to a MigratingStore/,
    );
  });
});
