import { setTimeout as wait } from 'node:timers/promises';
import {
  CachedStore,
  EncryptedStore,
  type CachedStoreOptions,
  type SessionRecord,
} from 'nestjs-session-stores/store';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { aKey } from '../encryption/keys.js';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { HeldStore } from './held.store.js';
import { opened } from './opened.js';

let inner: HeldStore;

beforeEach(() => {
  inner = new HeldStore();
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** The cache around `inner`. */
const openedStore = async (options?: CachedStoreOptions): Promise<CachedStore> =>
  (await opened(inner, options)).store;

describe('a cached store', () => {
  it('returns what it has read, without the store, and reads again when it is asked to', async () => {
    const store = await openedStore();
    const { reads } = inner;
    expect(store.cached('k')).toMatchObject({ id: 'k', data: { a: '1' } });
    expect(inner.reads).toBe(reads);
    await store.read('k');
    expect(inner.reads).toBe(reads + 1);
  });

  it('returns the record object of the inner store, with its hint', async () => {
    const store = await openedStore();
    expect(store.cached('k')).toBe(await store.read('k'));
  });

  it('does not cache that a session is absent', async () => {
    const store = await openedStore();
    await store.read('other');
    expect(store.cached('other')).toBeUndefined();
    await inner.create(aRecord('other'));
    expect(await store.read('other')).toBeDefined();
  });

  it('returns nothing that has expired', async () => {
    const store = await openedStore();
    await inner.create(aRecord('short', { expiresAt: Date.now() + 50 }));
    await store.read('short');
    expect(store.cached('short')).toBeDefined();
    await eventually(() => store.cached('short') === undefined);
  });

  it('returns nothing that was read longer ago than maxAge', async () => {
    const store = await openedStore({ maxAge: 50 });
    expect(store.cached('k')).toBeDefined();
    await eventually(() => store.cached('k') === undefined);
  });

  it('keeps at most maxSessions, those that were used last', async () => {
    const store = await openedStore({ maxSessions: 2 });
    for (const id of ['l', 'm']) await inner.create(aRecord(id));
    await store.read('l');
    store.cached('k');
    await store.read('m');
    expect(['k', 'l', 'm'].filter((id) => store.cached(id))).toEqual(['k', 'm']);
  });

  it('keeps texts of at most maxBytes', async () => {
    const store = await openedStore({ maxBytes: 1000 });
    await inner.create(aRecord('large', { data: { a: JSON.stringify('x'.repeat(970)) } }));
    await inner.create(aRecord('too large', { data: { a: JSON.stringify('x'.repeat(1000)) } }));
    await store.read('too large');
    expect({ k: store.cached('k'), large: store.cached('too large') }).toEqual({
      k: expect.anything(),
      large: undefined,
    });
    await store.read('large');
    expect({ k: store.cached('k'), large: store.cached('large') }).toEqual({
      k: undefined,
      large: expect.anything(),
    });
  });

  it.each<[what: string, record: Partial<SessionRecord>]>([
    ['labels', { label: 'x'.repeat(990) }],
    ['clients', { client: { first: 'x'.repeat(500), last: 'x'.repeat(490) } }],
  ])('counts %s for maxBytes', async (_, record) => {
    const store = await openedStore({ maxBytes: 1000 });
    await inner.create(aRecord('large', record));
    await store.read('large');
    expect(store.cached('large')).toBeUndefined();
  });

  it('counts the sealed values of an encrypted store for maxBytes, which are kept to be opened', async () => {
    const store = new CachedStore(new EncryptedStore(inner, { keys: aKey() }), { maxBytes: 1000 });
    await store.open();
    onTestFinished(() => store.close());
    const data = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`p${at}`, '1']));
    await store.create(aRecord('many', { data }));
    await store.read('many');
    expect(store.cached('many')).toBeUndefined();
  });

  it('reads a damaged record', async () => {
    const store = await openedStore();
    const damaged = { id: 'x', secretHash: 1, data: null, groups: 'x', previous: {} };
    vi.spyOn(inner, 'read').mockResolvedValueOnce(damaged as never);
    expect(await store.read('k')).toBe(damaged);
  });

  it.each<[options: object, message: string]>([
    [{ maxSessions: 0 }, 'maxSessions must be a positive integer'],
    [{ maxSessions: Infinity }, 'maxSessions must be a positive integer'],
    [{ maxBytes: 1.5 }, 'maxBytes must be a positive integer'],
    [{ maxAge: '5' }, 'maxAge must be a positive number of milliseconds'],
    [{ max: 5 }, 'Unknown CachedStore option "max". Valid options: maxSessions, maxBytes, maxAge'],
  ])('rejects the options %o', (options, message) => {
    expect(() => new CachedStore(inner, options as CachedStoreOptions)).toThrow(new RegExp(message));
  });
});

describe('a cached session is dropped', () => {
  it.each(['update', 'rotate', 'destroy', 'regenerate', 'clear'] as const)(
    'when the feed announces a %s elsewhere',
    async (operation) => {
      const store = await openedStore();
      expect(store.cached('k')).toBeDefined();
      await OPERATIONS[operation](inner);
      expect(store.cached('k')).toBeUndefined();
    },
  );

  it.each(['update', 'rotate', 'destroy', 'regenerate', 'clear'] as const)(
    'before an own %s is sent, and when it has settled',
    async (operation) => {
      const store = await openedStore();
      inner.heldEvents = [];
      const during: unknown[] = [];
      const spied = vi.spyOn(inner, operation);
      const original = spied.getMockImplementation() ?? inner[operation].bind(inner);
      spied.mockRestore();
      vi.spyOn(inner, operation).mockImplementation((async (...args: never[]) => {
        during.push(store.cached('k'));
        await store.read('k');
        during.push(store.cached('k')?.id);
        return (original as (...all: never[]) => unknown)(...args);
      }) as never);
      await OPERATIONS[operation](store);
      expect({ during, after: store.cached('k') }).toEqual({ during: [undefined, 'k'], after: undefined });
    },
  );

  it('when an own write fails, because it may have been done', async () => {
    const store = await openedStore();
    vi.spyOn(inner, 'update').mockImplementation(async () => {
      await store.read('k');
      throw new Error('timed out');
    });
    await expect(store.update({ id: 'k' }, {})).rejects.toThrow('the backend failed');
    expect(store.cached('k')).toBeUndefined();
  });

  it('when the feed is lost, and is not served again when it is live', async () => {
    const store = await openedStore();
    inner.loseFeed();
    expect(store.cached('k')).toBeUndefined();
    await eventually(async () => {
      await store.read('k');
      return store.cached('k') !== undefined;
    });
  });

  it('when the store is closed', async () => {
    const store = await openedStore();
    await store.close();
    expect({ cached: store.cached('k'), sources: inner.sources }).toEqual({ cached: undefined, sources: 0 });
  });
});

const OPERATIONS = {
  update: (store: HeldStore | CachedStore) => store.update({ id: 'k' }, { set: { a: '2' } }),
  rotate: (store: HeldStore | CachedStore) => store.rotate({ id: 'k' }, 'secretHash', 'next', 1000),
  destroy: (store: HeldStore | CachedStore) => store.destroy('k'),
  regenerate: (store: HeldStore | CachedStore) => store.regenerate('k'),
  clear: (store: HeldStore | CachedStore) => store.clear(),
};

describe('a read in flight is not cached', () => {
  /** Holds a read of `k` back during `meanwhile`. */
  async function readDuring(store: CachedStore, meanwhile: () => unknown): Promise<void> {
    await OPERATIONS.update(inner);
    inner.isHolding = true;
    const reading = store.read('k');
    await wait(1);
    await meanwhile();
    inner.release();
    await reading;
  }

  it('unless nothing happens meanwhile', async () => {
    const store = await openedStore();
    await readDuring(store, () => wait(5));
    expect(store.cached('k')).toBeDefined();
  });

  it('if the feed announces a change of its session', async () => {
    const store = await openedStore();
    await readDuring(store, () => void OPERATIONS.update(inner));
    expect(store.cached('k')).toBeUndefined();
  });

  it('if the feed announces a change of another session, it is', async () => {
    const store = await openedStore();
    await inner.create(aRecord('other'));
    await readDuring(store, () => void inner.update({ id: 'other' }, { set: { a: '2' } }));
    expect(store.cached('k')).toBeDefined();
  });

  it('if this process sends a write to its session', async () => {
    const store = await openedStore();
    let writing: Promise<unknown> | undefined;
    inner.heldEvents = [];
    await readDuring(store, () => {
      writing = OPERATIONS.update(store);
    });
    await writing;
    expect(store.cached('k')).toBeUndefined();
  });

  it('if a write to its session that was sent before settles', async () => {
    const store = await openedStore();
    inner.heldEvents = [];
    let settle: () => void = () => {};
    vi.spyOn(inner, 'update').mockImplementationOnce(async () => {
      await new Promise<void>((resolve) => {
        settle = resolve;
      });
      return undefined;
    });
    const writing = OPERATIONS.update(store);
    await readDuring(store, async () => {
      settle();
      await writing;
    });
    expect(store.cached('k')).toBeUndefined();
  });

  it('if this process clears', async () => {
    const store = await openedStore();
    inner.heldEvents = [];
    let clearing: Promise<unknown> | undefined;
    await readDuring(store, () => {
      clearing = store.clear('empty');
    });
    await clearing;
    expect(store.cached('k')).toBeUndefined();
  });

  it('if the feed is lost, even if it is live again by then', async () => {
    const store = await openedStore();
    inner.isHolding = true;
    const reading = store.read('k');
    inner.loseFeed();
    await eventually(() => inner.sources === 1);
    await wait(50);
    inner.release();
    await reading;
    expect(store.cached('k')).toBeUndefined();
  });

  it('if it began before the feed was live', async () => {
    inner.isFeedDown = true;
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const store = await openedStore();
    inner.isHolding = true;
    const reading = store.read('k');
    inner.isFeedDown = false;
    await eventually(() => inner.sources === 1);
    await wait(50);
    inner.release();
    await reading;
    expect(store.cached('k')).toBeUndefined();
    await store.read('k');
    expect(store.cached('k')).toBeDefined();
  });
});
