import type { HazelcastStoreOptions, ReplicatedSession } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, it, vi } from 'vitest';
import { aRecord } from '../record.js';
import { Cart, anyone, maps, onlyCarts } from './replicas.js';
import { twoClients } from './two.clients.js';

const { clients, withStores, found } = twoClients();

describe('replica maps', () => {
  it.each<[string, NonNullable<HazelcastStoreOptions['maps']>, string]>([
    ['the bean', onlyCarts, 'the bean of the map Carts failed'],
    [
      'onBeanError',
      [
        maps[0],
        {
          mapName: 'Carts',
          bean: Cart,
          onBeanError(error) {
            throw error;
          },
        },
      ],
      'onBeanError of the map Carts failed',
    ],
  ])('let only that one of parallel saves fail for which %s throws', (_, ofThese, problem) =>
    withStores(
      async ([store]) => {
        await store.create(aRecord('k', anyone));
        const changes = ['[1]', '[2]', '"spoiled"', '[3]'].map((items) => ({ set: { items } }));
        const outcomes = await Promise.allSettled(
          changes.map((change) => store.update(aRecord('k'), change)),
        );
        expect(outcomes.map(({ status }) => status)).toEqual([
          'fulfilled',
          'fulfilled',
          'rejected',
          'fulfilled',
        ]);
        expect(String((outcomes[2] as PromiseRejectedResult).reason)).toMatch(`update: ${problem}`);
        expect((await store.read('k'))!.data['items']).toBe('[3]');
      },
      { maps: ofThese },
    ),
  );

  describe('with a bean that throws', () => {
    it('make the save fail before anything is saved, and name the map', () =>
      withStores(
        async ([store], prefix) => {
          const record = aRecord('k', anyone);
          await store.create(record);
          await expect(store.update(record, { set: { items: '"spoiled"' } })).rejects.toMatchObject({
            message: expect.stringContaining(
              'update: the bean of the map Carts failed, so nothing was saved',
            ),
            cause: { message: 'no such items' },
          });
          expect((await store.read('k'))!.data['items']).toBe('[1,2]');
          expect(await found('Carts', `${prefix}/k`)).toMatchObject({ items: [1, 2], version: 1 });
          const spoiled = aRecord('l', { data: { items: '"spoiled"' } });
          await expect(store.create(spoiled)).rejects.toThrow('the map Carts');
          expect(await store.read('l')).toBeUndefined();
        },
        { maps },
      ));

    it('leave the entry as it was and call onBeanError, if there is one', async () => {
      const onBeanError = vi.fn<(error: unknown, mapName: string, id: string) => void>();
      await withStores(
        async ([store], prefix) => {
          await store.create(aRecord('k', anyone));
          await store.update(aRecord('k'), { set: { items: '"spoiled"' } });
          expect((await store.read('k'))!.data['items']).toBe('"spoiled"');
          expect(await found('Carts', `${prefix}/k`)).toMatchObject({ items: [1, 2], version: 1 });
          expect(onBeanError).toHaveBeenCalledExactlyOnceWith(expect.any(RangeError), 'Carts', 'k');
        },
        { maps: [{ mapName: 'Sessions' }, { mapName: 'Carts', bean: Cart, onBeanError }] },
      );
    });

    it.each([
      ['a string', () => 'text' as unknown as object],
      ['an array', () => [1]],
      ['an object with its own version', () => ({ version: 1 })],
      ['an object that cannot be serialized as JSON', () => ({ big: 1n })],
    ])('or gives %s do not save either', (_, bean) =>
      withStores(
        async ([store]) => {
          await expect(store.create(aRecord('k'))).rejects.toThrow('the bean of the map Carts failed');
          expect(await store.read('k')).toBeUndefined();
        },
        { maps: [{ mapName: 'Sessions' }, { mapName: 'Carts', bean }] },
      ),
    );
  });

  it('have every name that a bean gave', () =>
    withStores(
      async ([store], prefix) => {
        // `JSON.parse` of Node 24 and 26 takes the second name here for that of the session before.
        await store.create(aRecord('k', { data: { onlyHere: '1', '\\': '2' } }));
        await store.create(aRecord('l', { data: { onlyHere: '1', '"': '2' } }));
        const text = String(await (await clients[1].getMap('All')).get(`${prefix}/l`));
        expect(text.replace(/"expiresAt":\d+/, '"expiresAt":0')).toBe(
          String.raw`{"onlyHere":1,"\"":2,"expiresAt":0,"version":1}`,
        );
      },
      { maps: [maps[0], { mapName: 'All', bean: ({ data }: ReplicatedSession) => data }] },
    ));
});
