import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aRecord,
  aSecretHash,
  bothRead,
  bothWays,
  equals,
  idsOn,
  inMinutes,
  must,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

/** A session with every field that a record may have. */
function aFullRecord() {
  const now = Date.now();
  return aRecord({
    data: { a: '1', 'a.b': '"$"', ['__proto__']: 'null' },
    groups: ['g', 'h'],
    createdAt: now - 60_000,
    previous: { hash: aSecretHash(), replacedAt: now - 3000, grace: GRACE, since: now - 5000 },
    from: [aRecord().id, aRecord().id],
    label: 'a',
    lastSeenAt: now - 2000,
    client: { first: 'b', last: 'c' },
    joinedAt: now - 40_000,
    joining: '=g',
  });
}

const outcomeOf = (adopting: Promise<void>): Promise<'resolved' | 'rejected'> =>
  adopting.then(
    () => 'resolved' as const,
    () => 'rejected' as const,
  );

const endings: { name: string; end(store: SessionStore, id: string): Promise<unknown> }[] = [
  { name: 'a destroy', end: (store, id) => store.destroy(id) },
  { name: 'a clear of its group', end: (store) => store.clear('g') },
  { name: 'a regenerate', end: (store, id) => store.regenerate(id) },
];

export const adoptLaws: SessionStoreLaw[] = [
  {
    name: '1 an adopted session has all that its record has, and is in its groups',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const records = [
          aFullRecord(),
          aRecord({ previous: { hash: 'a', replacedAt: 1, grace: 2, validUntil: 3 } }),
        ];
        for (const record of records) {
          await here.adopt(record);
          await bothRead([here, there], record, 'an adopted session must be read as its record');
          const isListed = (await idsOn(stores)).includes(record.id);
          must(isListed, 'an adopted session must be in a page of all, but it was not');
        }
        equals(
          (await idsOn(stores, 'h')).length,
          1,
          'an adopted session must be in its groups; the ids in one',
        );
        await there.clear();
      }
    },
  },
  {
    name: '1 an adopt under an id in use writes nothing, and is rejected if the secret hash is another',
    async holds([here, there]) {
      const record = aRecord({ data: { a: '1' }, groups: ['g'] });
      await here.create(record);
      const intruder = { ...aRecord({ data: { b: '2' } }), id: record.id };
      equals(await outcomeOf(there.adopt(intruder)), 'rejected', 'an adopt with another secret hash');
      await there.update(record, { set: { a: '2' }, expiresAt: inMinutes(90) });
      equals(await outcomeOf(here.adopt(record)), 'resolved', 'an adopt with the same secret hash');
      const read = await there.read(record.id);
      equals({ ...read?.data }, { a: '2' }, 'an adopt under an id in use must write nothing; the data');
    },
  },
  {
    name: '2 a session that has ended is not adopted',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        for (const { name, end } of endings) {
          const record = aRecord({ groups: ['g'] });
          await here.create(record);
          await end(there, record.id);
          for (const expiresAt of [record.expiresAt, 0]) {
            const outcome = await outcomeOf(here.adopt({ ...record, expiresAt }));
            equals(outcome, 'rejected', `an adopt that expires at ${expiresAt} after ${name}`);
          }
          equals(
            (await there.read(record.id))?.id,
            undefined,
            `an adopt after ${name} must not revive; the id read`,
          );
        }
      }
    },
  },
  {
    name: '2 an adopted session is live whatever has become of the sessions that it came from',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const before = aRecord();
        await here.create(before);
        await there.destroy(before.id);
        const record = aRecord({ data: { a: '1' }, from: [before.id] });
        await here.adopt(record);
        await bothRead(stores, record, 'an adopted session whose predecessor has ended must be live');
      }
    },
  },
];
