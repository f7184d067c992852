import { randomUUID } from 'node:crypto';
import { RedisStore, type RedisStoreOptions } from 'nestjs-session-stores/stores/redis';
import { expect } from 'vitest';
import { aRecord } from '../record.js';
import { paged } from './agreement.js';

/** Calls every method of a store, and asserts each result. Leaves no session. */
export async function expectEverythingToWork(options: RedisStoreOptions): Promise<void> {
  const store = new RedisStore({ prefix: randomUUID(), ...options });
  try {
    await store.open();
    const [one, two] = [
      aRecord(randomUUID(), { groups: ['g', 'h'] }),
      aRecord(randomUUID(), { groups: ['g'], from: ['unknown'] }),
    ];
    await store.create(one);
    await store.create(two);
    expect(await store.read(one.id)).toEqual(one);
    const update = await store.update(one, { set: { b: '2' }, leave: ['h'] });
    expect(update).toEqual({ expiresAt: one.expiresAt, secretHash: one.secretHash });
    expect(await store.rotate(one, one.secretHash, 'next', 0)).toBe('next');
    expect(await store.read(one.id)).toMatchObject({ secretHash: 'next', data: { b: '2' }, groups: ['g'] });
    expect(await store.read('nobody')).toBeUndefined();
    expect((await paged(store, 'g')).toSorted()).toEqual([one.id, two.id].toSorted());
    expect({ all: await store.count(), h: await store.count('h') }).toEqual({ all: 2, h: 0 });
    expect(await store.destroy(one.id)).toBe(true);
    expect(await store.destroy(one.id)).toBe(false);
    expect(await store.regenerate(two.id)).toBe(true);
    expect(await store.haveEnded([two.id])).toBe(false);
    expect(await store.create(aRecord(randomUUID(), { groups: ['g'], from: [two.id] }))).toBe(true);
    expect(await store.clear('g')).toBe(1);
    expect(await store.haveEnded([two.id])).toBe(true);
  } finally {
    await store.close();
  }
}
