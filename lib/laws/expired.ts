import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { GRACE, aSecretHash, aRecord, equals, inAnHour, isNowhere, idsOn, past, soon } from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

/** Two expired sessions of the group `g`: one expired as it was created, one after its expiry was moved. */
async function expiredSessions([here, there]: readonly [SessionStore, SessionStore]): Promise<
  SessionRecord[]
> {
  const expiresAt = soon();
  const created = aRecord({ data: { a: '1' }, groups: ['g'], expiresAt });
  const moved = aRecord({ data: { a: '1' }, groups: ['g'] });
  await Promise.all([here.create(created), there.create(moved)]);
  await there.update(moved, { expiresAt });
  await past(expiresAt);
  return [created, moved];
}

export const expiredLaws: SessionStoreLaw[] = [
  {
    name: '5 an expired session is not read',
    async holds(stores) {
      for (const { id } of await expiredSessions(stores)) {
        for (const store of stores) {
          const read = await store.read(id);
          equals(read?.id, undefined, 'an expired session must read as undefined; the id still read');
        }
      }
    },
  },
  {
    name: '5 an expired session is not updated, nor brought back by an update of its expiry',
    async holds(stores) {
      for (const record of await expiredSessions(stores)) {
        for (const store of stores) {
          const change = { set: { a: '2' }, join: ['h'], expiresAt: inAnHour() };
          const result = await store.update(record, change);
          equals(result, undefined, 'an update of an expired session must resolve to undefined');
          const touch = { from: record.expiresAt, to: inAnHour() };
          const touched = await store.update(record, { touch });
          equals(touched, undefined, 'a touch of an expired session must resolve to undefined');
          const added = await store.update(record, { add: { name: 'a', by: 1 } });
          equals(added, undefined, 'an add to an expired session must resolve to undefined');
          const taken = await store.update(record, { take: 'a' });
          equals(taken, undefined, 'a take from an expired session must resolve to undefined');
        }
        await isNowhere(stores, record.id, ['g', 'h'], 'an update must not bring back an expired session');
      }
    },
  },
  {
    name: '5 an expired session is not rotated',
    async holds(stores) {
      for (const record of await expiredSessions(stores)) {
        for (const store of stores) {
          const result = await store.rotate(record, record.secretHash, aSecretHash(), GRACE);
          equals(result, undefined, 'a rotation of an expired session must resolve to undefined');
        }
        await isNowhere(stores, record.id, ['g'], 'a rotation must not bring back an expired session');
      }
    },
  },
  {
    name: '5 destroy of an expired session resolves to false',
    async holds(stores) {
      for (const { id } of await expiredSessions(stores)) {
        equals(await stores[1].destroy(id), false, 'destroy of an expired session must resolve to false');
      }
    },
  },
  {
    name: '5 an expired session is not paged, among all or in a group',
    async holds(stores) {
      const live = aRecord({ groups: ['g'] });
      await stores[0].create(live);
      await expiredSessions(stores);
      for (const group of [undefined, 'g']) {
        const place = group === undefined ? 'of all' : 'of a group';
        equals(
          await idsOn(stores, group),
          [live.id],
          `the pages ${place} must show the live session and none that expired`,
        );
      }
    },
  },
  {
    name: '5 an expired session is not counted, among all or in a group',
    async holds(stores) {
      await stores[0].create(aRecord({ groups: ['g'] }));
      await expiredSessions(stores);
      for (const store of stores) {
        equals(await store.count(), 1, 'the count of all must be that of the live, without the expired');
        equals(
          await store.count('g'),
          1,
          'the count of a group must be that of the live, without the expired',
        );
      }
    },
  },
  {
    name: '5 a clear does not count an expired session, of all or of a group',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        await here.create(aRecord({ groups: ['g'] }));
        await expiredSessions(stores);
        const what = group === undefined ? 'a clear of all' : 'a clear of a group';
        equals(
          await there.clear(group),
          1,
          `${what} must resolve to how many were live, without the expired`,
        );
        equals(await here.clear(group), 0, `${what} that was cleared before must resolve to 0`);
      }
    },
  },
];
