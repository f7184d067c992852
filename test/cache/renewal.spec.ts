import { randomUUID } from 'node:crypto';
import type { SessionChange, SessionRecord } from 'nestjs-session-stores/store';
import { describe, expect, it, vi } from 'vitest';
import { serveApp, type Handler } from '../http/app.js';
import { moveClocks, untilFresh } from './clocks.js';
import { opened } from './opened.js';
import { sharedStores } from './shared.stores.js';

const HOUR = 3_600_000;

/** What a save sends that only renews a session. */
function renewalOf({ expiresAt }: SessionRecord, by = HOUR): SessionChange {
  return { touch: { from: expiresAt, to: expiresAt + by } };
}

describe('a renewal of a cached session', () => {
  it('keeps it, with its new expiry', async () => {
    const { inner, store, record } = await opened();
    inner.heldEvents = [];
    await store.update(record, renewalOf(record));
    expect(store.cached('k')).toEqual({ ...record, expiresAt: record.expiresAt + HOUR });
  });

  it('serves it as it was until the store has confirmed the expiry', async () => {
    const { inner, store, record } = await opened();
    inner.heldEvents = [];
    inner.isHolding = true;
    const renewing = store.update(record, renewalOf(record));
    expect(store.cached('k')).toBe(record);
    inner.release();
    await renewing;
  });

  it('leaves the record that requests hold as it was', async () => {
    const { inner, store, record } = await opened();
    inner.heldEvents = [];
    const { expiresAt } = record;
    await store.update(record, renewalOf(record));
    expect(record.expiresAt).toBe(expiresAt);
  });

  it('does not cache it again if a change was announced meanwhile', async () => {
    const { inner, store, record } = await opened();
    inner.isHolding = true;
    const renewing = store.update(record, renewalOf(record));
    inner.release();
    void inner.update({ id: 'k' }, { set: { a: '"changed"' } });
    await renewing;
    expect(store.cached('k')).toBeUndefined();
  });

  it('does not move the expiry of what was read after a change that was announced meanwhile', async () => {
    const { inner, store, record } = await opened();
    vi.spyOn(inner, 'update').mockImplementationOnce(async () => {
      // Another process shortens its life, after the renewal was done and before its response.
      const soon = Date.now() + 1000;
      await inner.update({ id: 'k' }, { expiresAt: soon });
      await store.read('k');
      return { secretHash: record.secretHash, expiresAt: record.expiresAt + HOUR };
    });
    await store.update(record, renewalOf(record));
    expect(store.cached('k')!.expiresAt).toBeLessThan(record.expiresAt);
  });

  it.each<[what: string, outcome: object | undefined]>([
    ['is gone', undefined],
    ['was rotated elsewhere', { secretHash: 'another', expiresAt: 8e15 }],
    ['expires earlier', { secretHash: 'secretHash', expiresAt: 1 }],
  ])('drops it if it %s', async (_, outcome) => {
    const { inner, store, record } = await opened();
    vi.spyOn(inner, 'update').mockResolvedValueOnce(outcome as never);
    await store.update(record, renewalOf(record));
    expect(store.cached('k')).toBeUndefined();
  });

  it('drops it if the renewal fails, because it may have been done', async () => {
    const { inner, store, record } = await opened();
    vi.spyOn(inner, 'update').mockRejectedValueOnce(new Error('timed out'));
    await expect(store.update(record, renewalOf(record))).rejects.toThrow('the backend failed');
    expect(store.cached('k')).toBeUndefined();
  });

  it.each<[what: string, change: (record: SessionRecord) => SessionChange]>([
    ['changes its data too', (record) => ({ ...renewalOf(record), set: { a: '2' } })],
    ['moves its expiry back', (record) => renewalOf(record, -HOUR / 2)],
    ['sets its expiry', ({ expiresAt }) => ({ expiresAt: expiresAt + HOUR })],
    [
      'retires a secret',
      (record) => ({ ...renewalOf(record), retirePrevious: { secretHash: 'secretHash', validUntil: 1 } }),
    ],
  ])('drops it, as other writes do, if it %s', async (_, changeOf) => {
    const { inner, store, record } = await opened();
    inner.heldEvents = [];
    await store.update(record, changeOf(record));
    expect(store.cached('k')).toBeUndefined();
  });
});

const IDLE_TIMEOUT = 10_000;
/** A session is renewed when more than a tenth of its lifetime has passed. */
const TOUCH_PERIOD = IDLE_TIMEOUT / 10;

const HANDLERS: Record<string, Handler> = {
  '/login': async (session) => {
    await session.regenerate();
    session['user'] = 'ann';
  },
  '/': (session) => session['user'] ?? null,
};

/** How many calls each store may get for a session in a touch period. */
const FEWER_THAN: Record<string, number> = {
  cluster: 1,
  redis: 1,
  // They announce renewals too, and then the session is read.
  mongo: 2,
  hazelcast: 2,
};
const counted = process.env['LONG'] ? sharedStores : sharedStores.filter(([word]) => word === 'redis');

it.each(counted)(
  'read-only requests of 100 sessions make few calls to the store %s in a touch period',
  async (word, make) => {
    const app = await serveApp(HANDLERS, {
      store: make(randomUUID()),
      cache: true,
      idleTimeout: IDLE_TIMEOUT,
    });
    const began = performance.now();
    const browsers = Array.from({ length: 100 }, () => app.browser());
    await Promise.all(browsers.map((browser) => browser.post('/login')));
    await Promise.all(browsers.map((browser) => browser.get('/')));
    app.store.take();
    let requests = 0;
    const periods = (): number => (performance.now() - began) / TOUCH_PERIOD;
    while (periods() < 3 || requests < 1000) {
      const users = await Promise.all(browsers.map(async (browser) => (await browser.get('/')).json()));
      expect(new Set(users)).toEqual(new Set(['ann']));
      requests += users.length;
    }
    const calls = app.store.take();
    const perPeriod = calls.length / browsers.length / periods();
    console.log(`${word}: ${requests} requests, ${calls.length} calls, ${perPeriod.toFixed(2)} per period`);
    expect(calls.filter((call) => call === 'update').length).toBeGreaterThan(browsers.length);
    expect(perPeriod).toBeLessThan(FEWER_THAN[word]!);
  },
);

it('a session that was cached long ago is not read again for its age', async () => {
  const { inner, store } = await opened();
  const { reads } = inner;
  const halfAnHour = HOUR / 2;
  moveClocks({ steady: halfAnHour, wall: halfAnHour });
  await untilFresh(inner);
  expect(store.cached('k')).toBeDefined();
  expect(inner.reads).toBe(reads);
});
