import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { NotOpenError } from 'nestjs-session-stores/store';
import { MapStore } from './map.store.js';

/** A store that notes what opens and closes it, and fails on request. */
class OpeningStore extends MapStore {
  readonly steps: string[] = [];
  connects: () => Promise<void> = async () => {};
  disconnects: () => Promise<void> = async () => {};

  protected override connect(): Promise<void> {
    this.steps.push('connect');
    return this.connects();
  }

  protected override doRead(): never {
    throw new NotOpenError('map', 'read');
  }

  protected override disconnect(): Promise<void> {
    this.steps.push('disconnect');
    return this.disconnects();
  }
}

describe('open() of a store', () => {
  it('that fails closes what it opened, rejects with the error of connect(), and tries again next time', async () => {
    const store = new OpeningStore();
    store.connects = () => Promise.reject(new TypeError('no server'));
    store.disconnects = () => Promise.reject(new TypeError('nothing to close'));
    await expect(store.open()).rejects.toThrow('no server');
    expect(store.steps).toEqual(['connect', 'disconnect']);
    await expect(store.read('k')).rejects.toMatchObject({
      name: 'SessionStoreError',
      message: '[session:map] read: the store could not be opened. The error of open() is the cause',
      cause: new TypeError('no server'),
    });
    store.connects = async () => {};
    store.disconnects = async () => {};
    await store.open();
    await store.open();
    expect(store.steps).toEqual(['connect', 'disconnect', 'connect']);
    await store.close();
    expect(store.steps.at(-1)).toBe('disconnect');
  });

  it('passes on a TypeError about an argument, but wraps the TypeError of a failed fetch', async () => {
    const store = new OpeningStore();
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    store.connects = () => fetch(`http://127.0.0.1:${port}`).then(() => {});
    await expect(store.open()).rejects.toMatchObject({
      name: 'SessionStoreError',
      cause: { message: 'fetch failed' },
    });
    store.connects = () => Promise.reject(new TypeError('`to` must be a URL'));
    await expect(store.open()).rejects.toThrow(TypeError);
  });

  it('that was cut short by close() does not close the connection of the next one', async () => {
    const store = new OpeningStore();
    let fail!: (error: Error) => void;
    store.connects = () => new Promise((_, reject) => (fail = reject));
    const first = store.open();
    const again = first.catch(() => {
      store.connects = async () => {};
      return store.open();
    });
    const closed = store.close();
    fail(new TypeError('cut short'));
    await Promise.all([again, closed]);
    // It is open: nothing connects again.
    const { length } = store.steps;
    await store.open();
    expect(store.steps).toHaveLength(length);
    expect(store.steps.at(-1)).toBe('connect');
  });
});
