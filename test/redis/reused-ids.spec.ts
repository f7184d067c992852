import { randomUUID } from 'node:crypto';
import { RedisStore } from 'nestjs-session-stores/stores/redis';
import { describe, expect, it } from 'vitest';
import { aRecord } from '../record.js';
import { eventually } from '../eventually.js';
import { paged } from './agreement.js';
import { ownServer } from './own.server.js';
import { outlive } from './tombstones.js';

const {
  server: { url },
  direct,
} = await ownServer();

/** Other groups, some of which look like the group `g` in JSON. */
const OTHERS = ['i', 'x"g', '["g', ',"g', '"g"', '\\'];

/** How a session `k` that was in the group can have made place for another one with its id. */
const ends: Record<string, (store: RedisStore, shard: string) => Promise<unknown>> = {
  'expired, but was not swept': (store) => expired(store),
  'expired so long ago that its groups are no longer noted': async (store, shard) => {
    await expired(store);
    await direct.del(`${shard}m:k`);
  },
  'expired and was swept when its groups were no longer noted': async (store, shard) => {
    await expired(store);
    await direct.del(`${shard}m:k`);
    await store.count();
  },
  'was destroyed': (store) => store.destroy('k'),
  'was regenerated': (store) => store.regenerate('k'),
  'was regenerated and was swept when its groups were no longer noted': async (store, shard) => {
    await store.regenerate('k');
    await outlive(direct, shard, 'k');
    await direct.del(`${shard}m:k`);
    await store.count();
  },
  'was regenerated and destroyed': async (store) => {
    await store.regenerate('k');
    await store.destroy('k');
  },
  'was expired by a change': (store) => store.update({ id: 'k' }, { expiresAt: 0 }),
  'left the group and was destroyed': async (store) => {
    await store.update({ id: 'k' }, { leave: ['g'] });
    await store.destroy('k');
  },
  'was cleared with the group': (store) => store.clear('g', ['other']),
  'was cleared with another group': (store) => store.clear('h'),
  'was cleared with all': (store) => store.clear(undefined, ['other']),
};

async function expired(store: RedisStore): Promise<void> {
  await store.update({ id: 'k' }, { expiresAt: store.now() + 30 });
  await eventually(async () => (await store.read('k')) === undefined);
}

/** What the store says of the group, and what clearing the group ends. */
async function saysOf(store: RedisStore) {
  return {
    count: await store.count('g'),
    page: (await paged(store, 'g')).toSorted(),
    cleared: await store.clear('g'),
  };
}

describe.each(Object.entries(ends))('a session with the id of one that %s', (_, end) => {
  const taken = async (groups: string[], use: (store: RedisStore) => Promise<void>) => {
    const prefix = randomUUID();
    const store = new RedisStore({ url, prefix });
    await store.open();
    try {
      await store.create(aRecord('other', { groups: ['g'] }));
      await store.create(aRecord('k', { groups: ['g', 'h'] }));
      await end(store, `${prefix}{18}:`);
      await outlive(direct, `${prefix}{18}:`, 'k');
      await store.create(aRecord('k', { secretHash: 'another', groups }));
      await use(store);
    } finally {
      await store.close();
    }
  };

  it.concurrent('is not counted, listed or cleared in the group of that one', async () => {
    await taken(OTHERS, async (store) => {
      expect(await saysOf(store)).toEqual({ count: 1, page: ['other'], cleared: 1 });
      expect(await store.read('k')).toMatchObject({ secretHash: 'another', groups: OTHERS });
    });
  });

  it.concurrent('is counted, listed and cleared once if it is in the group itself', async () => {
    await taken(['g'], async (store) => {
      expect(await saysOf(store)).toEqual({ count: 2, page: ['k', 'other'], cleared: 2 });
    });
  });

  it.concurrent('is counted, listed and cleared once if it joins the group later', async () => {
    await taken([], async (store) => {
      expect(await store.count('g')).toBe(1);
      await store.update({ id: 'k' }, { join: ['g'] });
      expect(await saysOf(store)).toEqual({ count: 2, page: ['k', 'other'], cleared: 2 });
    });
  });
});
