import { randomUUID } from 'node:crypto';
import { CachedStore, EncryptedStore, MigratingStore, type SessionStore } from 'nestjs-session-stores/store';
import { ClusterStore } from 'nestjs-session-stores/stores/cluster';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HeldStore } from '../cache/held.store.js';
import { aKey } from '../encryption/keys.js';
import { aRecord } from '../record.js';

const [one, other] = [aKey(), aKey()];
const logger = { error: () => {}, warn: () => {} };

const keyless = (store: SessionStore): SessionStore => new EncryptedStore(store, { keys: other, logger });

async function opened<T extends SessionStore>(store: T): Promise<T> {
  onTestFinished(() => store.close());
  await store.open();
  return store;
}

const on = (name: string): SessionStore => new ClusterStore({ name });

/** A store with a session that is sealed with a key that the migration lacks. */
async function sealed(): Promise<{ from: () => SessionStore; to: () => SessionStore }> {
  const [old, target] = [randomUUID(), randomUUID()];
  await (await opened(new EncryptedStore(on(old), { keys: one }))).create(aRecord('k'));
  return { from: () => keyless(on(old)), to: () => on(target) };
}

/** Two stores between which a session has moved a moment ago, and back to the first of which it cannot move yet. */
async function movedJustNow(): Promise<{ from: () => SessionStore; to: () => SessionStore }> {
  const [old, target] = [randomUUID(), randomUUID()];
  await (await opened(on(old))).create(aRecord('k'));
  const forth = await opened(new MigratingStore(on(target), { store: on(old), move: true, logger }));
  await forth.read('k');
  return { from: () => on(target), to: () => on(old) };
}

describe.each([
  ['because a part of it cannot be opened', sealed],
  ['because it came from the new one a moment ago', movedJustNow],
])('a session that stays in the old store, %s,', (_, make) => {
  /** Two processes that move sessions, with a cache each, of which the first has read the session. */
  async function pair(): Promise<[CachedStore, CachedStore]> {
    const { from, to } = await make();
    const migrating = (): SessionStore => new MigratingStore(to(), { store: from(), move: true, logger });
    const stores = [new CachedStore(migrating()), new CachedStore(migrating())] as const;
    for (const store of stores) await opened(store);
    expect(await stores[0].read('k')).toMatchObject({ id: 'k' });
    return [...stores];
  }

  it.each<[write: string, write: (store: CachedStore) => Promise<unknown>]>([
    ['was destroyed', (store) => store.destroy('k')],
    ['was changed', (store) => store.update({ id: 'k' }, { set: { user: '"bob"' } })],
    ['was rotated without a grace', (store) => store.rotate({ id: 'k' }, 'secretHash', 'next', 0)],
  ])('is not in a cache as it was before it %s elsewhere', async (_write, write) => {
    const [reader, writer] = await pair();
    await write(writer);
    expect(reader.cached('k')).toBeUndefined();
    expect(await reader.read('k')).toEqual(await writer.read('k'));
  });
});

it.each([
  ['A session that has moved is cached', true],
  ['A session that does not move yet is cached, because both stores are watched', false],
])('%s', async (_, move) => {
  const [old, target] = [randomUUID(), randomUUID()];
  await (await opened(on(old))).create(aRecord('k'));
  const store = await opened(
    new CachedStore(new MigratingStore(on(target), { store: on(old), move, logger })),
  );
  await store.read('k');
  expect(store.cached('k')).toMatchObject({ id: 'k' });
});

it.each([
  [true, 'live'],
  [false, 'lost'],
])(
  'With move: %s, and a feed of the old store that was lost, the state of the feed is %s',
  async (move, state) => {
    const old = new HeldStore();
    const store = await opened(
      new CachedStore(new MigratingStore(on(randomUUID()), { store: old, move, logger })),
    );
    if (!move) expect(store.feedState).toBe('live');
    old.isFeedDown = true;
    if (!move) old.loseFeed();
    expect({ feed: store.feedState, isFresh: store.isFresh }).toEqual({ feed: state, isFresh: move });
  },
);
