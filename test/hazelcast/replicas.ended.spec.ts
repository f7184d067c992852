import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../eventually.js';
import { aRecord } from '../record.js';
import { disturbed, type Disturbed } from './disturbed.js';
import { anyone, maps, onlyCarts } from './replicas.js';
import { twoClients } from './two.clients.js';

const LONG = process.env['LONG'] === '1';
const { clients, withStores, found } = twoClients();
const both = (id: string) => Promise.all([found('Carts', id), found('Who', id)]);

describe('replica maps', () => {
  it('are removed with their session when it is destroyed, regenerated, cleared or set to expire', () =>
    withStores(
      async ([store, other], prefix) => {
        const endings: ((id: string) => Promise<unknown>)[] = [
          (id) => other.destroy(id),
          (id) => other.regenerate(id),
          () => other.clear('user:ada'),
          () => other.clear(),
          (id) => other.update(aRecord(id), { expiresAt: 0 }),
        ];
        for (const [index, end] of endings.entries()) {
          await store.create(aRecord(`k${index}`, anyone));
          await end(`k${index}`);
          expect(await both(`${prefix}/k${index}`)).toEqual([null, null]);
        }
      },
      { maps },
    ));

  describe('are not left behind by a session that has ended if', () => {
    const gone = (prefix: string) => async () => (await found('Carts', `${prefix}/k`)) === null;

    /** Runs `work` with a store whose first call of a method of a map rejects, although it has acted. */
    async function failing(
      prefix: string,
      where: [mapName: string, method: Disturbed],
      instead: (call: () => Promise<unknown>) => Promise<unknown>,
      work: (store: HazelcastStore) => Promise<unknown>,
    ): Promise<void> {
      let hasFailed = false;
      const client = disturbed(clients[1], [where[1]], async (call, mapName) => {
        if (hasFailed || mapName !== where[0]) return call();
        hasFailed = true;
        await instead(call);
        throw new Error('broken');
      });
      const store = new HazelcastStore({ client, prefix, maps: onlyCarts });
      await store.open();
      onTestFinished(() => store.close());
      await expect(work(store)).rejects.toMatchObject({ cause: { message: 'broken' } });
    }

    it('a replica was written, but the response was lost', () =>
      withStores(
        async ([other], prefix) => {
          const endFirst = async (write: () => Promise<unknown>): Promise<unknown> => {
            await other.destroy('k');
            return write();
          };
          await failing(prefix, ['Carts', 'putIfAbsent'], endFirst, (store) =>
            store.create(aRecord('k', anyone)),
          );
          await eventually(gone(prefix));
        },
        { maps: onlyCarts },
      ));

    it.each<[string, (store: HazelcastStore) => Promise<unknown>]>([
      ['destroy', (store) => store.destroy('k')],
      ['clear', (store) => store.clear()],
    ])('a %s did not get through to the replica', (_, end) =>
      withStores(
        async ([other], prefix) => {
          await other.create(aRecord('k', anyone));
          await failing(prefix, ['Carts', 'delete'], () => Promise.resolve(), end);
          await eventually(gone(prefix));
        },
        { maps: onlyCarts },
      ),
    );

    it('a session was destroyed, but the response was lost', () =>
      withStores(
        async ([other], prefix) => {
          await other.create(aRecord('k', anyone));
          await failing(
            prefix,
            ['Sessions', 'replace'],
            (call) => call(),
            (store) => store.destroy('k'),
          );
          await eventually(gone(prefix));
        },
        { maps: onlyCarts },
      ));
  });

  it(`do not outlive a session that is destroyed during a save, in ${LONG ? 200 : 20} rounds`, () =>
    withStores(
      async ([one, other], prefix) => {
        for (let round = 0; round < (LONG ? 200 : 20); round++) {
          const id = `k${round}`;
          const record = aRecord(id, anyone);
          await one.create(record);
          const read = (await other.read(id))!;
          const saves = [one, other].map((store) => store.update(read, { set: { items: `[${round}]` } }));
          await new Promise((resolve) => setTimeout(resolve, round % 5));
          await Promise.all([...saves, (round % 2 ? one : other).destroy(id)]);
          expect(await both(`${prefix}/${id}`)).toEqual([null, null]);
        }
      },
      { maps },
    ));
});
