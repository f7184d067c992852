import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SessionRecheck, type HeldSession } from './recheck.js';
import type { SessionRecord } from '../contract/record.js';

const PERIOD = 30_000;

const records = new Map<string, SessionRecord>();
let readIds: string[];
let logged: string[];
let failing: boolean;
let unreadable: (id: string) => boolean;
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
      readIds.push(id);
      if (failing || unreadable(id)) throw new Error('unreachable');
      return records.get(id);
    },
  };
  return new SessionRecheck({ store, logger: { warn: log, error: log }, ...options });
}

/** Watches something that counts how often it was ended. */
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
  readIds = [];
  logged = [];
  failing = false;
  unreadable = () => false;
  recheck = start();
});
afterEach(() => {
  recheck.close();
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
    aSession('a', { secretHash: 'now', previous: { hash: 'before', replacedAt: Date.now(), grace: PERIOD } });
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
    recheck = start({ absoluteTimeout: 1.5 * PERIOD });
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
    const one = open(() => {
      const previous = held;
      held = { id: 'b', secretHash: 'now' };
      return previous;
    });
    aSession('b');
    await aPeriod();
    expect(readIds).toEqual(['a']);
    expect(one.ended).toBe(0);
  });

  it('costs one read per session and period, and one timer for all, which is cleared with the last', async () => {
    aSession('a');
    aSession('b');
    const opened = ['a', 'a', 'a', 'b'].map((id) => open({ id, secretHash: 'now' }));
    expect(vi.getTimerCount()).toBe(1);
    await aPeriod();
    expect(readIds.toSorted()).toEqual(['a', 'b']);
    for (const one of opened) one.forget();
    expect(vi.getTimerCount()).toBe(0);
    open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(1);
    recheck.close();
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
    recheck.watch(
      () => ({ id: 'a', secretHash: 'now' }),
      () => {
        throw new Error('closed already');
      },
    );
    const other = open({ id: 'a', secretHash: 'now' });
    await aPeriod();
    expect(other.ended).toBe(1);
    expect(logged).toHaveLength(1);
  });

  it('is never checked with a period of Infinity', () => {
    recheck = start({ every: Infinity });
    open({ id: 'a', secretHash: 'now' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not checked early if the period is longer than a timer can be', async () => {
    recheck = start({ every: 2 ** 40 });
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
