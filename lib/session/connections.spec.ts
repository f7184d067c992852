import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionFeedEvent, SessionFeedListener } from '../contract/feed.js';
import { OpenConnections, type EndReason, type HeldSession } from './connections.js';
import type { SessionRecord } from '../contract/record.js';

const PERIOD = 30_000;

const records = new Map<string, SessionRecord>();
let readIds: string[];
let logged: string[];
let failing: boolean;
let unreadable: (id: string) => boolean;
let onRead: (id: string) => void;
let hears: SessionFeedListener | undefined;
let watches: number;
let connections: OpenConnections;

function aSession(id: string, some: Partial<SessionRecord> = {}): void {
  const record = { id, secretHash: 'now', data: {}, groups: [], createdAt: Date.now(), expiresAt: 8.64e15 };
  records.set(id, { ...record, ...some });
}

const log = (message: string): void => void logged.push(message);

function start(
  options: { every?: number; absoluteTimeout?: number; hasFeed?: boolean; exactFeed?: boolean } = {},
): OpenConnections {
  const { hasFeed = false, exactFeed = true, ...others } = options;
  const store = {
    now: () => Date.now(),
    async read(id: string): Promise<SessionRecord | undefined> {
      readIds.push(id);
      onRead(id);
      if (failing || unreadable(id)) throw new Error('unreachable');
      return records.get(id);
    },
    capabilities: { secrets: true, createdAt: true, feed: hasFeed || 'none', exactFeed },
    async watch(listener: SessionFeedListener) {
      hears = listener;
      hears({ type: 'live' });
      watches++;
      return {
        completeUntil: 0,
        get isClosed() {
          return hears !== listener;
        },
        close: () => void (hears = undefined),
      };
    },
  };
  return new OpenConnections({ store, logger: { warn: log, error: log }, ...others });
}

/** A connection that counts how often it was ended. */
function open(held: HeldSession | (() => HeldSession | undefined), ids?: string[]) {
  const opened = { ended: 0, reason: undefined as EndReason | undefined };
  const registered = connections.register(
    {
      held: () => (typeof held === 'function' ? held() : held),
      end: (reason) => {
        opened.ended++;
        opened.reason = reason;
      },
    },
    ids,
  );
  if (!ids) registered.begin();
  return Object.assign(opened, registered);
}

const aPeriod = (): Promise<unknown> => vi.advanceTimersByTimeAsync(PERIOD);

beforeEach(() => {
  vi.useFakeTimers();
  records.clear();
  readIds = [];
  logged = [];
  failing = false;
  unreadable = () => false;
  onRead = () => {};
  hears = undefined;
  watches = 0;
  connections = start();
});
afterEach(() => {
  connections.close();
  vi.useRealTimers();
});

describe('a stream or socket with a session', () => {
  it('stays open while its session lives, and is ended once within a period after that', async () => {
    aSession('a');
    aSession('b');
    const [a, b] = [open({ id: 'a', secretHash: 'now' }), open({ id: 'b', secretHash: 'now' })];
    await aPeriod();
    expect({ a: a.ended, b: b.ended }).toEqual({ a: 0, b: 0 });
    records.delete('a');
    await aPeriod();
    await aPeriod();
    expect({ a: a.ended, b: b.ended }).toEqual({ a: 1, b: 0 });
  });

  it('is ended when its secret is no longer valid, but not during the grace of a previous secret', async () => {
    aSession('a', {
      secretHash: 'now',
      previous: { hash: 'before', replacedAt: Date.now() - 1, grace: PERIOD },
    });
    const [before, now] = [open({ id: 'a', secretHash: 'before' }), open({ id: 'a', secretHash: 'now' })];
    const stolen = open({ id: 'a', secretHash: 'long ago' });
    await aPeriod();
    const ended = () => ({ before: before.ended, now: now.ended, stolen: stolen.ended });
    expect(ended()).toEqual({ before: 0, now: 0, stolen: 1 });
    records.get('a')!.previous!.validUntil = Date.now() + PERIOD / 2;
    await aPeriod();
    expect(ended()).toEqual({ before: 1, now: 0, stolen: 1 });
  });

  it('is ended when the absolute timeout is over', async () => {
    connections = start({ absoluteTimeout: 1.5 * PERIOD });
    aSession('a');
    const one = open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(one.ended).toBe(0);
    await aPeriod();
    expect(one.ended).toBe(1);
  });

  it('is checked for its current session, and stays open while it has none', async () => {
    aSession('b');
    let held: HeldSession | undefined;
    const one = open(() => held);
    await aPeriod();
    expect(readIds).toEqual([]);
    held = { id: 'b', secretHash: 'now' };
    await aPeriod();
    expect(readIds).toEqual(['b']);
    expect(one.ended).toBe(0);
    held = { id: 'c', secretHash: 'now' };
    await aPeriod();
    expect(one.ended).toBe(1);
  });

  it('is not ended if its handler changes the session while the store is read', async () => {
    let held = { id: 'a', secretHash: 'now' };
    const one = open(() => held);
    onRead = () => {
      held = { id: 'b', secretHash: 'now' };
    };
    aSession('b');
    await aPeriod();
    expect(readIds).toEqual(['a', 'b']);
    expect(one.ended).toBe(0);
  });

  it('costs one read per session and period, and one timer for all, which is cleared with the last', async () => {
    aSession('a');
    aSession('b');
    const opened = ['a', 'a', 'a', 'b'].map((id) => open({ id, secretHash: 'now' }));
    expect(vi.getTimerCount()).toBe(1);
    await aPeriod();
    expect(readIds.toSorted()).toEqual(['a', 'b']);
    for (const one of opened) one.release();
    expect(vi.getTimerCount()).toBe(0);
    open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(1);
    connections.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not keep the process alive', () => {
    vi.useRealTimers();
    const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
    const before = timers();
    open({ id: 'a', secretHash: 'now' });
    expect(timers()).toBe(before);
  });

  it('stays open while the store is unreachable, which is logged once, and is checked when it is back', async () => {
    const opened = Array.from({ length: 200 }, (_, at) => open({ id: `s${at}`, secretHash: 'now' }));
    failing = true;
    await aPeriod();
    expect(readIds.length).toBeLessThan(100);
    await aPeriod();
    await aPeriod();
    expect(opened.filter(({ ended }) => ended !== 0)).toEqual([]);
    expect(logged).toHaveLength(1);
    failing = false;
    await aPeriod();
    expect(opened.filter(({ ended }) => ended !== 1)).toEqual([]);
    failing = true;
    open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(logged).toHaveLength(2);
  });

  it('is checked in a later round if the reads of earlier ones fail', async () => {
    const opened = Array.from({ length: 200 }, (_, index) => open({ id: `${index}`, secretHash: 'now' }));
    unreadable = (id) => Number(id) < 150;
    await aPeriod();
    await aPeriod();
    await aPeriod();
    expect(opened.filter(({ ended }) => ended === 1)).toHaveLength(50);
    expect(readIds.length).toBeLessThan(3 * 200);
  });

  it('does not keep others from being checked when closing it fails', async () => {
    const wrong = connections.register({
      held: () => ({ id: 'a', secretHash: 'now' }),
      end: () => {
        throw new Error('closed already');
      },
    });
    wrong.begin();
    const other = open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(other.ended).toBe(1);
    expect(logged).toHaveLength(1);
  });

  it('is never checked with a period of Infinity', () => {
    connections = start({ every: Infinity });
    open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not checked early if the period is longer than a timer can be', async () => {
    connections = start({ every: 2 ** 40 });
    const one = open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(1);
    await aPeriod();
    expect(readIds).toEqual([]);
    expect(one.ended).toBe(0);
  });

  it.each([0, -1, NaN, '5' as never])('cannot be checked with a period of %o', (every) => {
    expect(() => start({ every })).toThrow(/recheck/);
  });
});

describe('a connection on a store with a feed', () => {
  const soon = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
  const hear = (event: SessionFeedEvent): void => hears?.(event);

  beforeEach(() => {
    connections = start({ every: Infinity, hasFeed: true });
  });

  it('is closed as soon as its session is announced as ended', async () => {
    aSession('a');
    aSession('b');
    const [a, b] = [open({ id: 'a', secretHash: 'now' }), open({ id: 'b', secretHash: 'now' })];
    await soon();
    records.delete('a');
    hear({ type: 'ended', ids: ['a', 'x'] });
    await soon();
    expect({ a: a.reason, b: b.reason }).toEqual({ a: 'ended', b: undefined });
  });

  it('is not read again for announcements of other sessions', async () => {
    aSession('a');
    open({ id: 'a', secretHash: 'now' });
    await soon();
    readIds = [];
    hear({ type: 'ended', ids: ['x'] });
    hear({ type: 'changed', ids: ['y'] });
    await soon();
    expect(readIds).toEqual([]);
  });

  it.each([
    { exactFeed: true, reads: 0 },
    { exactFeed: false, reads: 1 },
  ])('is read $reads times after a change if exactFeed is $exactFeed', async ({ exactFeed, reads }) => {
    connections = start({ every: Infinity, hasFeed: true, exactFeed });
    aSession('a');
    open({ id: 'a', secretHash: 'now' });
    await soon();
    readIds = [];
    hear({ type: 'changed', ids: ['a'] });
    await soon();
    expect(readIds).toHaveLength(reads);
  });

  it('is closed if its session ended while it was read for the connection', async () => {
    aSession('a');
    const held = open({ id: 'a', secretHash: 'now' }, ['a']);
    await soon();
    records.delete('a');
    hear({ type: 'ended', ids: ['a'] });
    await soon();
    expect(held.ended).toBe(0);
    held.begin();
    await soon();
    expect(held.ended).toBe(1);
  });

  it.each(['before', 'after'])(
    'is closed if its session was not found, and its end is announced %s that',
    async (when) => {
      open({ id: 'x', secretHash: 'now' });
      await soon();
      const one = open(() => undefined, ['a']);
      if (when === 'before') hear({ type: 'ended', ids: ['a'] });
      expect(one.ended).toBe(0);
      one.miss();
      if (when === 'after') {
        expect(one.ended).toBe(0);
        hear({ type: 'ended', ids: ['a'] });
      }
      expect(one.ended).toBe(1);
    },
  );

  it('is not read again if nothing was announced while its session was read', async () => {
    aSession('a');
    open({ id: 'x', secretHash: 'now' });
    await soon();
    readIds = [];
    open({ id: 'a', secretHash: 'now' }, ['a']).begin();
    await soon();
    expect(readIds).toEqual([]);
  });

  it('stays open through a rotation with a grace, and is closed by one without', async () => {
    aSession('a', { secretHash: 'first' });
    const one = open({ id: 'a', secretHash: 'first' });
    await soon();
    aSession('a', { secretHash: 'second', previous: { hash: 'first', replacedAt: Date.now(), grace: 10 } });
    hear({ type: 'rotated', ids: ['a'] });
    await vi.advanceTimersByTimeAsync(PERIOD);
    hear({ type: 'rotated', ids: ['a'] });
    await soon();
    expect(one.ended).toBe(0);
    aSession('a', { secretHash: 'third' });
    hear({ type: 'rotated', ids: ['a'] });
    await soon();
    expect(one.reason).toBe('replaced');
  });

  it('is checked when the feed is live again', async () => {
    aSession('a');
    const one = open({ id: 'a', secretHash: 'now' });
    await soon();
    hear({ type: 'lost', reason: 'cut' });
    records.delete('a');
    await soon();
    expect(one.ended).toBe(0);
    hear({ type: 'live' });
    await soon();
    expect(one.ended).toBe(1);
  });

  it('is found by the session that its handler began later', async () => {
    let held: HeldSession | undefined;
    const one = open(() => held);
    await soon();
    held = { id: 'a', secretHash: 'now' };
    hear({ type: 'ended', ids: ['a'] });
    await soon();
    expect(one.ended).toBe(1);
  });

  it('is checked again a second after its session could not be read', async () => {
    aSession('a');
    const one = open({ id: 'a', secretHash: 'now' });
    await soon();
    records.delete('a');
    failing = true;
    hear({ type: 'ended', ids: ['a'] });
    await soon();
    failing = false;
    expect(one.ended).toBe(0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(one.ended).toBe(1);
  });

  it('is judged after what its handler does to the session at the moment', async () => {
    aSession('a');
    let held = { id: 'a', secretHash: 'now' };
    let settle: () => void = () => {};
    const settled = new Promise<void>((resolve) => (settle = resolve));
    const ended: EndReason[] = [];
    connections
      .register({ held: () => held, settled: () => settled, end: (reason) => ended.push(reason) })
      .begin();
    records.delete('a');
    aSession('b');
    hear({ type: 'ended', ids: ['a'] });
    await soon();
    held = { id: 'b', secretHash: 'now' };
    settle();
    await soon();
    expect(ended).toEqual([]);
  });

  it('is closed by the next feed if the app has closed its store and opened it again', async () => {
    aSession('a');
    open({ id: 'a', secretHash: 'now' });
    await soon();
    hears = undefined;
    const other = open({ id: 'a', secretHash: 'now' });
    await soon();
    expect(watches).toBe(2);
    records.delete('a');
    hear({ type: 'ended', ids: ['a'] });
    await soon();
    expect(other.ended).toBe(1);
  });

  it('lets go of the feed half a minute after the last one is closed', async () => {
    const one = open({ id: 'a', secretHash: 'now' });
    await soon();
    one.release();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(hears).toBeDefined();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(hears).toBeUndefined();
  });
});
