import { HazelcastJsonValue } from 'hazelcast-client';
import { NEVER } from 'nestjs-session-stores/store';
import { HazelcastStore, type ReplicatedSession } from 'nestjs-session-stores/stores/hazelcast';
import { describe, expect, it, vi } from 'vitest';
import { aRecord } from '../record.js';
import { onTheWay } from './disturbed.js';
import { anyone, maps, onlyCarts } from './replicas.js';
import { MINUTE, MONTH, twoClients } from './two.clients.js';

const { clients, withStores, found, ttlOf } = twoClients();
const both = (id: string) => Promise.all([found('Carts', id), found('Who', id)]);

describe('replica maps', () => {
  it('hold the result of the beans, with the expiry and version of the session, under its id', () =>
    withStores(
      async ([store, other], prefix) => {
        const record = aRecord('k', anyone);
        const { id, createdAt, expiresAt } = record;
        await store.create(record);
        const who = { who: 'ada', id, groups: ['user:ada'], createdAt };
        expect(await both(`${prefix}/k`)).toEqual([
          { items: [1, 2], expiresAt, version: 1 },
          { ...who, expiresAt, version: 1 },
        ]);
        await other.update(record, { set: { items: '[3]' }, leave: ['user:ada'] });
        expect(await both(`${prefix}/k`)).toEqual([
          { items: [3], expiresAt, version: 2 },
          { ...who, groups: [], expiresAt, version: 2 },
        ]);
        await store.rotate(record, record.secretHash, 'another', 0);
        expect(await found('Carts', `${prefix}/k`)).toMatchObject({ version: 3 });
      },
      { maps },
    ));

  it('have no entry if the bean returns none, even if they had one before', () =>
    withStores(
      async ([store], prefix) => {
        const record = aRecord('k', anyone);
        await store.create(record);
        await store.update(record, { remove: ['user'] });
        expect(await both(`${prefix}/k`)).toEqual([expect.objectContaining({ items: [1, 2] }), null]);
        await store.update(record, { set: { user: '"bob"' } });
        expect(await found('Who', `${prefix}/k`)).toMatchObject({ who: 'bob' });
      },
      { maps },
    ));

  it('live as long as a touch says, and never forever', () =>
    withStores(
      async ([store], prefix) => {
        const from = Date.now() + MINUTE;
        const to = Date.now() + MONTH;
        await store.create(aRecord('k', { ...anyone, expiresAt: from }));
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeLessThan(2 * MINUTE);
        await store.update(aRecord('k'), { touch: { from, to } });
        for (const mapName of ['Carts', 'Who']) {
          expect(await ttlOf(mapName, `${prefix}/k`)).toBeGreaterThan(MONTH);
          expect(await found(mapName, `${prefix}/k`)).toMatchObject({ expiresAt: to });
        }
        await store.update(aRecord('k'), { expiresAt: NEVER });
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeLessThan(13 * MONTH);
      },
      { maps },
    ));

  it('do not live longer than a session whose lifetime was shortened', () =>
    withStores(
      async ([store], prefix) => {
        await store.create(aRecord('k', { ...anyone, expiresAt: Date.now() + MONTH }));
        await store.update(aRecord('k'), { expiresAt: Date.now() + MINUTE });
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeLessThan(2 * MINUTE);
        expect(await ttlOf('Who', `${prefix}/k`)).toBeLessThan(2 * MINUTE);
      },
      { maps },
    ));

  it('live as long as the winner of a race says, if the loser sets a shorter time', () =>
    withStores(
      async ([winner], prefix) => {
        await winner.create(aRecord('k', { ...anyone, expiresAt: Date.now() + MINUTE }));
        let winning: Promise<unknown> | undefined;
        // The first two calls write the session, the later ones its replica.
        const overtaken = onTheWay(clients[1], ['replaceIfSame', 'setTtl'], async (count) => {
          if (count > 2) await (winning ??= winner.update(aRecord('k'), { expiresAt: Date.now() + MONTH }));
        });
        const loser = new HazelcastStore({ client: overtaken, prefix, maps: onlyCarts });
        await loser.open();
        await loser.update(aRecord('k'), { set: { b: '2' } });
        expect(winning).toBeDefined();
        expect(await ttlOf('Carts', `${prefix}/k`)).toBeGreaterThan(MONTH);
        await loser.close();
      },
      { maps },
    ));

  it('are repaired by the next save if a crash has left them stale', () =>
    withStores(
      async ([store, other], prefix) => {
        const record = aRecord('k', anyone);
        const own = `${prefix}/k`;
        await store.create(record);
        const [carts, who] = await Promise.all([clients[0].getMap('Carts'), clients[0].getMap('Who')]);
        await carts.set(own, new HazelcastJsonValue('{"items":[],"version":0}'));
        await who.delete(own);
        const { expiresAt } = record;
        await other.update(record, { touch: { from: expiresAt, to: expiresAt + MINUTE } });
        expect(await both(own)).toEqual([
          expect.objectContaining({ items: [1, 2], version: 2 }),
          expect.objectContaining({ who: 'ada', version: 2 }),
        ]);
      },
      { maps },
    ));

  it('are never set back to an earlier version', () =>
    withStores(
      async ([store], prefix) => {
        const own = `${prefix}/k`;
        await store.create(aRecord('k', anyone));
        await (await clients[0].getMap('Carts')).set(own, new HazelcastJsonValue('{"version":9}'));
        await store.update(aRecord('k'), { set: { items: '[]' } });
        expect(await found('Carts', own)).toEqual({ version: 9 });
      },
      { maps },
    ));

  it('replace an entry that another program wrote in a form of its own', () =>
    withStores(
      async ([parsing], prefix) => {
        const own = `${prefix}/k`;
        await (await clients[0].getMap('Carts')).set(own, new HazelcastJsonValue('{ "items": 1 }'));
        await parsing.create(aRecord('k', anyone));
        expect(await found('Carts', own)).toMatchObject({ items: [1, 2], version: 1 });

        await parsing.update(aRecord('k'), { remove: ['user'] });
        await (await clients[0].getMap('Who')).set(own, new HazelcastJsonValue('{ "who": "eve" }'));
        await parsing.update(aRecord('k'), { set: { b: '2' } });
        expect(await found('Who', own)).toBeNull();
      },
      { maps },
    ));

  it('are those of the last version if a writer is late', () =>
    withStores(
      async ([store], prefix) => {
        const own = `${prefix}/k`;
        await store.create(aRecord('k', { data: {} }));
        // The user logs out after the late writer has written the session, and before it writes the replicas.
        const late = onTheWay(clients[1], ['putIfAbsent'], (count) =>
          count === 1 ? store.update(aRecord('k'), { remove: ['user'] }).then(() => {}) : Promise.resolve(),
        );
        const slow = new HazelcastStore({ client: late, prefix, maps });
        await slow.open();
        await slow.update(aRecord('k'), { set: { user: '"ada"' } });
        expect((await store.read('k'))!.data).not.toHaveProperty('user');
        expect(await found('Who', own)).toBeNull();
        await slow.close();
      },
      { maps },
    ));

  it('contain neither the secret nor the secret hash', () =>
    withStores(async ([store], prefix) => {
      const seen = vi.fn<(session: ReplicatedSession) => object>(({ data }) => ({ ...data }));
      const watched = new HazelcastStore({
        client: clients[0],
        prefix,
        maps: [{ mapName: 'Sessions' }, { mapName: 'Watched', bean: seen }],
      });
      await watched.open();
      await watched.create(
        aRecord('k', { ...anyone, previous: { hash: 'before', replacedAt: 1, grace: 1 } }),
      );
      expect(Object.keys(seen.mock.lastCall![0]).toSorted()).toEqual([
        'createdAt',
        'data',
        'expiresAt',
        'groups',
        'id',
      ]);
      const { expiresAt } = (await store.read('k'))!;
      expect(await found('Watched', `${prefix}/k`)).toEqual({
        items: [1, 2],
        user: 'ada',
        expiresAt,
        version: 1,
      });
      await watched.close();
    }));
});
