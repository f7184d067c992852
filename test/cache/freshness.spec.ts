import { setTimeout as wait } from 'node:timers/promises';
import { MemoryStore } from 'express-session';
import { CachedStore, FEED_TIMEOUT } from 'nestjs-session-stores/store';
import { fromExpressStore } from 'nestjs-session-stores/stores/express';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../eventually.js';
import { moveClocks, untilFresh } from './clocks.js';
import { HeldStore } from './held.store.js';
import { opened } from './opened.js';

let inner: HeldStore;

beforeEach(() => {
  inner = new HeldStore();
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('a cached session is fresh', () => {
  it('only while the newest answered probe was sent at most FEED_TIMEOUT ago, by the clock', async () => {
    const { store } = await opened(inner);
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now');
    onTestFinished(() => clock.mockRestore());
    clock.mockReturnValue(now + 0.7 * FEED_TIMEOUT);
    expect(store.cached('k')).toBeDefined();
    // As in a process that was stopped: it has had no timer since.
    clock.mockReturnValue(now + FEED_TIMEOUT + 1);
    expect(store.cached('k')).toBeUndefined();
  });

  it('and not after the machine was suspended, during which only the wall clock goes on', async () => {
    const { store } = await opened(inner);
    expect(store.cached('k')).toBeDefined();
    moveClocks({ wall: 10 * FEED_TIMEOUT });
    expect(store.cached('k')).toBeUndefined();
    await untilFresh(inner);
    expect(store.cached('k')).toBeDefined();
  });

  it('although the wall clock was set back', async () => {
    const { store } = await opened(inner);
    moveClocks({ wall: -10 * FEED_TIMEOUT });
    expect(store.cached('k')).toBeDefined();
  });

  it('and no longer once the feed does not respond', async () => {
    const { store } = await opened(inner);
    inner.isFeedStopped = true;
    inner.heldEvents = [];
    await inner.destroy('k');
    const destroyed = performance.now();
    let served = destroyed;
    for (let now = destroyed; store.cached('k'); now = performance.now()) {
      served = now;
      await wait(5);
    }
    expect(served - destroyed).toBeLessThanOrEqual(FEED_TIMEOUT);
  });
});

describe('the feed of the inner store', () => {
  it('is watched from open to close', async () => {
    const store = new CachedStore(inner);
    expect(inner.sources).toBe(0);
    await store.open();
    expect(inner.sources).toBe(1);
    await store.close();
    expect(inner.sources).toBe(0);
    await store.open();
    expect(inner.sources).toBe(1);
    await store.close();
  });

  it('is not watched if the store is closed while it opens', async () => {
    const store = new CachedStore(inner);
    const opening = store.open();
    await store.close();
    await opening;
    await wait(20);
    expect(inner.sources).toBe(0);
  });

  it('may be unreachable at first: then nothing is cached until it is watched', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    inner.isFeedDown = true;
    const { store } = await opened(inner);
    expect(store.cached('k')).toBeUndefined();
    expect(warn.mock.calls.map(([warning]) => (warning as Error).message)).toEqual([
      expect.stringContaining('the feed of the session store cannot be watched'),
    ]);
    inner.isFeedDown = false;
    await eventually(async () => {
      await store.read('k');
      return store.cached('k') !== undefined;
    });
  });

  it('must exist', async () => {
    const message =
      /^the store has no feed, which a cache needs: (.*)\. Leave out the option cache, or use a store with a feed$/;
    const express = new CachedStore(fromExpressStore(new MemoryStore()));
    const error = await express.open().catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message.match(message)?.[1]).toBe(
      'a store of express-session does not announce changes',
    );
    inner.feed = 'its user may not publish';
    await expect(new CachedStore(inner).open()).rejects.toThrow('its user may not publish');
    expect(inner.sources).toBe(0);
  });
});
