import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionRecheck, type HeldSession } from './recheck.js';
import type { SessionRecord } from '../contract/record.js';

const PERIOD = 30_000;

const records = new Map<string, SessionRecord>();
let asked: string[];
let logged: string[];
let failing: boolean;
let recheck: SessionRecheck;

function aSession(id: string, some: Partial<SessionRecord> = {}): void {
  const record = { id, secretHash: 'now', data: {}, groups: [], createdAt: Date.now(), expiresAt: 8.64e15 };
  records.set(id, { ...record, ...some });
}

const log = (message: string): void => void logged.push(message);

function start(options: { every?: number; absoluteTimeout?: number } = {}): SessionRecheck {
  const store = {
    now: () => Date.now(),
    async read(id: string): Promise<SessionRecord | undefined> {
      asked.push(id);
      if (failing) throw new Error('away');
      return records.get(id);
    },
  };
  return new SessionRecheck({ store, logger: { warn: log, error: log }, ...options });
}

/** Watches what says when it was ended. */
function open(held: HeldSession | (() => HeldSession | undefined)): { ended: number; forget: () => void } {
  const opened = { ended: 0, forget: () => {} };
  opened.forget = recheck.watch(
    () => (typeof held === 'function' ? held() : held),
    () => void opened.ended++,
  );
  return opened;
}

const aPeriod = (): Promise<unknown> => vi.advanceTimersByTimeAsync(PERIOD);

beforeEach(() => {
  vi.useFakeTimers();
  records.clear();
  asked = [];
  logged = [];
  failing = false;
  recheck = start();
});
afterEach(() => {
  recheck.close();
  vi.useRealTimers();
});

describe('what is open with a session', () => {
  it('stays open while the session lives, and is ended once, within a period, when it has ended', async () => {
    aSession('a');
    aSession('b');
    const [a, b] = [open({ id: 'a', secretHash: 'now' }), open({ id: 'b', secretHash: 'now' })];
    await aPeriod();
    expect([a.ended, b.ended]).toEqual([0, 0]);
    records.delete('a');
    await aPeriod();
    await aPeriod();
    expect([a.ended, b.ended]).toEqual([1, 0]);
  });

  it('is ended when its secret hash is no longer good, and not while it is the one before, in its grace', async () => {
    aSession('a', { secretHash: 'now', previous: { hash: 'before', replacedAt: Date.now(), grace: PERIOD } });
    const [before, now] = [open({ id: 'a', secretHash: 'before' }), open({ id: 'a', secretHash: 'now' })];
    const stolen = open({ id: 'a', secretHash: 'long ago' });
    await aPeriod();
    expect([before.ended, now.ended, stolen.ended]).toEqual([0, 0, 1]);
    records.get('a')!.previous!.validUntil = Date.now() + PERIOD / 2;
    await aPeriod();
    expect([before.ended, now.ended]).toEqual([1, 0]);
  });

  it('is ended when the absolute timeout has come', async () => {
    recheck = start({ absoluteTimeout: 1.5 * PERIOD });
    aSession('a');
    const one = open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(one.ended).toBe(0);
    await aPeriod();
    expect(one.ended).toBe(1);
  });

  it('is judged by the session it holds now, and left alone while it holds none', async () => {
    aSession('b');
    let held: HeldSession | undefined;
    const one = open(() => held);
    await aPeriod();
    expect(asked).toEqual([]);
    held = { id: 'b', secretHash: 'now' };
    await aPeriod();
    expect([asked, one.ended]).toEqual([['b'], 0]);
    held = { id: 'c', secretHash: 'now' };
    await aPeriod();
    expect(one.ended).toBe(1);
  });

  it('is not ended for what its handler changes while the store is asked', async () => {
    let held = { id: 'a', secretHash: 'now' };
    const one = open(() => {
      const previous = held;
      held = { id: 'b', secretHash: 'now' };
      return previous;
    });
    aSession('b');
    await aPeriod();
    expect([asked, one.ended]).toEqual([['a'], 0]);
  });

  it('costs one read a period for each session, and one timer for all, which goes with the last', async () => {
    aSession('a');
    aSession('b');
    const opened = ['a', 'a', 'a', 'b'].map((id) => open({ id, secretHash: 'now' }));
    expect(vi.getTimerCount()).toBe(1);
    await aPeriod();
    expect(asked.toSorted()).toEqual(['a', 'b']);
    for (const one of opened) one.forget();
    expect(vi.getTimerCount()).toBe(0);
    open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(1);
    recheck.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps no process alive', () => {
    vi.useRealTimers();
    const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length;
    const before = timers();
    open({ id: 'a', secretHash: 'now' });
    expect(timers()).toBe(before);
  });

  it('stays open while the store is away, which is logged once, and is judged when it is back', async () => {
    const opened = Array.from({ length: 200 }, (_, at) => open({ id: `s${at}`, secretHash: 'now' }));
    failing = true;
    await aPeriod();
    expect(asked.length).toBeLessThan(100);
    await aPeriod();
    await aPeriod();
    expect(opened.every(({ ended }) => ended === 0)).toBe(true);
    expect(logged).toHaveLength(1);
    failing = false;
    await aPeriod();
    expect(opened.every(({ ended }) => ended === 1)).toBe(true);
    failing = true;
    open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(logged).toHaveLength(2);
  });

  it('does not hinder the others when closing it fails', async () => {
    recheck.watch(
      () => ({ id: 'a', secretHash: 'now' }),
      () => {
        throw new Error('closed already');
      },
    );
    const other = open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect([other.ended, logged.length]).toEqual([1, 1]);
  });

  it('is never checked with Infinity, seldom with more than a timer can hold, and a wrong period is refused', async () => {
    recheck = start({ every: Infinity });
    open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(0);
    recheck = start({ every: 2 ** 40 });
    const one = open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(one.ended).toBe(0);
    for (const every of [0, -1, NaN, '5' as never]) expect(() => start({ every })).toThrow(/recheck/);
  });
});
