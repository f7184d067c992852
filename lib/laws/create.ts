import { aRecord, bothRead, equals, inMinutes, idsOn, must, rounds } from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

const takes = (creating: Promise<boolean>) =>
  creating.then(
    () => true,
    () => false,
  );

export const createLaws: SessionStoreLaw[] = [
  {
    name: '1 a create under an id in use by another secret hash is rejected and changes nothing',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { a: '1' }, groups: ['g'] });
      await here.create(record);
      const intruder = { ...aRecord({ data: { b: '2' }, groups: ['h'] }), id: record.id };
      for (const store of stores) {
        const taken = await takes(store.create(intruder));
        equals(
          taken,
          false,
          'a create under an id in use by another secret hash must reject; did it resolve',
        );
      }
      await bothRead(stores, record, 'a create under an id in use must change nothing');
      equals(
        await here.count('h'),
        0,
        'a rejected create must leave nothing in its groups; the count of one group',
      );
      equals(
        await there.count('g'),
        1,
        'a rejected create must not take the session from its groups; the count of one group',
      );
    },
  },
  {
    name: '1 of two racing creates under one id, one succeeds in full and the other is rejected',
    async holds(stores) {
      await rounds(async (round) => {
        const one = aRecord({ data: { one: '1' }, groups: [`one${round}`] });
        const other = { ...aRecord({ data: { other: '1' }, groups: [`other${round}`] }), id: one.id };
        const taken = await Promise.all([takes(stores[0].create(one)), takes(stores[1].create(other))]);
        must(
          taken[0] !== taken[1],
          `of two racing creates under one id exactly one must succeed, but ${taken[0] ? 'both' : 'none'} did`,
        );
        const [winner, loser] = taken[0] ? [one, other] : [other, one];
        await bothRead(stores, winner, 'of two racing creates the one that resolved must be what is read');
        for (const group of loser.groups) {
          const left = await idsOn(stores, group);
          equals(left, [], 'a rejected create must leave nothing in its groups; the ids in one group');
        }
      });
    },
  },
  {
    name: '1 a repeated create with the same secret hash resolves and writes nothing, even after an update',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { a: '1' }, groups: ['g', 'left'] });
      await here.create(record);
      await there.create(record);
      await bothRead(stores, record, 'a repeated create must write nothing');
      const change = { set: { a: '2' }, join: ['h'], leave: ['left'], expiresAt: inMinutes(90) };
      await there.update(record, change);
      await here.create(record);
      const { expiresAt } = change;
      const expected = { ...record, data: { a: '2' }, groups: ['g', 'h'], expiresAt };
      await bothRead(stores, expected, 'a repeated create after an update must write nothing');
      equals(
        await there.count('left'),
        0,
        'a repeated create must not bring back a group; the count of one group',
      );
      equals(await there.count(), 1, 'a repeated create must not create a second session; the count of all');
    },
  },
];
