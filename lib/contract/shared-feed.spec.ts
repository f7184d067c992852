import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FEED_TIMEOUT } from './feed-run.js';
import type { SessionFeedEvent, SessionFeedSink, SessionWatch } from './feed.js';
import { SharedFeed } from './shared-feed.js';

/** A source whose probes are answered by hand, or at once. */
class Source {
  isClosed = false;
  pending: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(readonly sink: SessionFeedSink) {}

  probe(): Promise<void> {
    if (answersAtOnce) return Promise.resolve();
    return new Promise((resolve, reject) => this.pending.push({ resolve, reject }));
  }

  close(): void {
    this.isClosed = true;
  }
}

let answersAtOnce: boolean;
let sources: Source[];
let open: (sink: SessionFeedSink) => Promise<Source>;
let feed: SharedFeed;
let heard: SessionFeedEvent[];

const listener = (event: SessionFeedEvent): void => void heard.push(event);
const source = (): Source => sources.at(-1)!;
const types = (): string[] => heard.map(({ type }) => type);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'setInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  answersAtOnce = true;
  sources = [];
  heard = [];
  open = async (sink) => {
    sources.push(new Source(sink));
    return source();
  };
  feed = new SharedFeed(
    (sink) => open(sink),
    () => new Error('the store was closed'),
  );
  onTestFinished(() => feed.close());
});

describe('a feed', () => {
  it('is live once the first probe is answered', async () => {
    answersAtOnce = false;
    let watch: SessionWatch | undefined;
    void feed.watch(listener).then((one) => (watch = one));
    await vi.advanceTimersByTimeAsync(10);
    expect({ watch, heard }).toEqual({ watch: undefined, heard: [] });
    source().pending.shift()?.resolve();
    await vi.advanceTimersByTimeAsync(0);
    expect(types()).toEqual(['live']);
    expect(watch?.completeUntil).toBe(performance.now() - 10);
  });

  it('tells after `live` of what it heard before, because that may be acknowledged later', async () => {
    answersAtOnce = false;
    const first = feed.watch(listener);
    await vi.advanceTimersByTimeAsync(0);
    source().sink.heard('ended', ['a']);
    expect(heard).toEqual([]);
    source().pending.shift()?.resolve();
    await first;
    expect(heard).toEqual([{ type: 'live' }, { type: 'ended', ids: ['a'] }]);
  });

  it('begins again if it hears more before it is live than it keeps', async () => {
    answersAtOnce = false;
    const first = feed.watch(listener);
    first.catch(() => {});
    await vi.advanceTimersByTimeAsync(0);
    for (let number = 0; number <= 10_000; number++) source().sink.heard('changed', [`${number}`]);
    await expect(first).rejects.toThrow('too many changes');
    expect(source().isClosed).toBe(true);
  });

  it('is complete until its newest answered probe was sent', async () => {
    const watch = await feed.watch(listener);
    const begun = watch.completeUntil;
    await vi.advanceTimersByTimeAsync(FEED_TIMEOUT);
    expect(watch.completeUntil).toBeGreaterThan(begun + FEED_TIMEOUT / 2);
    answersAtOnce = false;
    await vi.advanceTimersByTimeAsync(FEED_TIMEOUT / 2);
    const sent = watch.completeUntil;
    await vi.advanceTimersByTimeAsync(FEED_TIMEOUT / 4);
    expect(watch.completeUntil).toBe(sent);
  });

  it('rejects, and holds on to nothing, if no source can be opened', async () => {
    open = async () => {
      throw new Error('unreachable');
    };
    await expect(feed.watch(listener)).rejects.toThrow('unreachable');
    expect({ heard, timers: vi.getTimerCount() }).toEqual({ heard: [], timers: 0 });
  });

  it('rejects, and closes the source, if the first probe fails', async () => {
    answersAtOnce = false;
    const watching = feed.watch(listener);
    watching.catch(() => {});
    await vi.advanceTimersByTimeAsync(0);
    source().pending.shift()?.reject(new Error('no right to probe'));
    await expect(watching).rejects.toThrow('no right to probe');
    expect(source().isClosed).toBe(true);
  });

  it('has one source for all watchers, which is closed with the last', async () => {
    const [one, other] = await Promise.all([feed.watch(listener), feed.watch(listener)]);
    const third = await feed.watch(listener);
    expect(sources).toHaveLength(1);
    one.close();
    other.close();
    expect(source().isClosed).toBe(false);
    third.close();
    expect(source().isClosed).toBe(true);
    await vi.advanceTimersByTimeAsync(10 * FEED_TIMEOUT);
    expect({ sources: sources.length, timers: vi.getTimerCount() }).toEqual({ sources: 1, timers: 0 });
  });

  it.each([
    { title: 'its source says so', lose: () => source().sink.lost('cut'), reason: 'cut' },
    {
      title: 'a probe fails',
      lose: async () => {
        answersAtOnce = false;
        await vi.advanceTimersByTimeAsync(FEED_TIMEOUT / 4);
        source().pending.shift()?.reject(new Error('a gap'));
        await vi.advanceTimersByTimeAsync(0);
      },
      reason: 'a gap',
    },
    {
      title: 'a probe is not answered',
      lose: async () => {
        answersAtOnce = false;
        await vi.advanceTimersByTimeAsync(1.5 * FEED_TIMEOUT);
      },
      reason: `a probe had no response within ${FEED_TIMEOUT} ms`,
    },
  ])('is lost when $title, and live again with another source', async ({ lose, reason }) => {
    const watch = await feed.watch(listener);
    const first = source();
    await lose();
    expect(heard.at(-1)).toEqual({ type: 'lost', reason });
    expect(watch.completeUntil).toBe(-Infinity);
    expect(first.isClosed).toBe(true);
    answersAtOnce = true;
    source().pending.shift()?.resolve();
    await vi.advanceTimersByTimeAsync(FEED_TIMEOUT);
    expect(types()).toEqual(['live', 'lost', 'live']);
    expect(source()).not.toBe(first);
  });

  it('tells of a loss at once, and of nothing that the lost source says after it', async () => {
    await feed.watch(listener);
    const { sink } = source();
    sink.lost('cut');
    expect(types()).toEqual(['live', 'lost']);
    sink.heard('ended', ['a']);
    sink.lost('cut again');
    expect(types()).toEqual(['live', 'lost']);
  });

  it('tries again, less and less often, while the backend is unreachable', async () => {
    await feed.watch(listener);
    let attempts = 0;
    open = async () => {
      attempts++;
      throw new Error('unreachable');
    };
    source().sink.lost('cut');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(attempts).toBeGreaterThan(50);
    expect(attempts).toBeLessThan(130);
    expect(types()).toEqual(['live', 'lost']);
  });

  it('rejects a watch whose store is closed as soon as it has begun', async () => {
    const watching = feed.watch(listener);
    watching.catch(() => {});
    for (let turn = 0; turn < 20 && sources.length === 0; turn++) await Promise.resolve();
    feed.close();
    await expect(watching).rejects.toThrow('the store was closed');
  });

  it('makes a warning of the rejection of an async listener', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warnings.mockRestore());
    await feed.watch((async () => {
      throw new Error('wrong');
    }) as () => void);
    source().sink.heard('ended', ['a']);
    await vi.advanceTimersByTimeAsync(0);
    expect(warnings).toHaveBeenCalledTimes(1);
  });

  it('closes a source that is opened too late', async () => {
    let opened: ((late: Source) => void) | undefined;
    open = () => new Promise((resolve) => (opened = resolve));
    const watching = feed.watch(listener);
    watching.catch(() => {});
    await vi.advanceTimersByTimeAsync(0);
    feed.close();
    await expect(watching).rejects.toThrow('the store was closed');
    const late = new Source({ heard: () => {}, lost: () => {} });
    opened?.(late);
    await vi.advanceTimersByTimeAsync(0);
    expect(late.isClosed).toBe(true);
  });

  it('tells a watcher that comes while it is lost when it is live', async () => {
    await feed.watch(listener);
    answersAtOnce = false;
    source().sink.lost('cut');
    await vi.advanceTimersByTimeAsync(FEED_TIMEOUT / 2);
    heard = [];
    const events: SessionFeedEvent[] = [];
    const watch = await feed.watch((event) => events.push(event));
    expect({ events, complete: watch.completeUntil }).toEqual({ events: [], complete: -Infinity });
    answersAtOnce = true;
    source().pending.shift()?.resolve();
    await vi.advanceTimersByTimeAsync(FEED_TIMEOUT);
    expect(events).toEqual([{ type: 'live' }]);
  });
});
