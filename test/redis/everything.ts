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
    const [one, two] = [aRecord('1', { groups: ['g', 'h'] }), aRecord('2', { groups: ['g'] })];
    await store.create(one);
    await store.create(two);
    expect(await store.read('1')).toEqual(one);
    const update = await store.update(one, { set: { b: '2' }, leave: ['h'] });
    expect(update).toEqual({ expiresAt: one.expiresAt, secretHash: one.secretHash });
    expect(await store.rotate(one, one.secretHash, 'next', 0)).toBe('next');
    expect(await store.read('1')).toMatchObject({ secretHash: 'next', data: { b: '2' }, groups: ['g'] });
    expect(await store.read('nobody')).toBeUndefined();
    expect((await paged(store, 'g')).toSorted()).toEqual(['1', '2']);
    expect({ all: await store.count(), h: await store.count('h') }).toEqual({ all: 2, h: 0 });
    expect(await store.destroy('1')).toBe(true);
    expect(await store.destroy('1')).toBe(false);
    expect(await store.clear('g')).toBe(1);
  } finally {
    await store.close();
  }
}
