import type { SessionChange } from '../contract/record.js';
import {
  GRACE,
  MARGIN,
  NEVER,
  aSecretHash,
  aRecord,
  bothRead,
  bothWays,
  each,
  equals,
  inAnHour,
  inMinutes,
  isNowhere,
  isRecord,
  idsOn,
  must,
  past,
  show,
  soon,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const expiryLaws: SessionStoreLaw[] = [
  {
    name: '5 an expiry that is moved later is kept: the session outlives its old expiry',
    async holds(stores) {
      const [here, there] = stores;
      const waysToMove: ((from: number, to: number) => SessionChange)[] = [
        (_, to) => ({ expiresAt: to }),
        (from, to) => ({ touch: { from, to } }),
      ];
      await each(waysToMove, async (wayToMove) => {
        // A slow machine may not make the move within a short lifetime. Then it is tried again with a longer one.
        for (let life = 250; ; life *= 2) {
          const record = aRecord({ groups: ['g'], expiresAt: Date.now() + life });
          await here.create(record);
          const expiresAt = inAnHour();
          const result = await there.update(record, wayToMove(record.expiresAt, expiresAt));
          if (result === undefined && Date.now() > record.expiresAt - MARGIN) continue;

          equals(result?.expiresAt, expiresAt, 'an update that moves an expiry later must resolve to it');
          await past(record.expiresAt);
          const expected = { ...record, expiresAt };
          await bothRead(
            stores,
            expected,
            'a session whose expiry was moved later must outlive its old expiry',
          );
          const pages = await idsOn(stores, 'g');
          must(
            pages.includes(record.id),
            'a session whose expiry was moved later must stay in the pages of its group',
          );
          return;
        }
      });
      equals(
        await here.count('g'),
        2,
        'sessions whose expiries were moved later must be counted in their group',
      );
      equals(
        await there.clear('g'),
        2,
        'sessions whose expiries were moved later must be cleared with their group',
      );
    },
  },
  {
    name: '5 an expiry that is moved earlier is kept: the session is gone after it',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const [set, touched] = [aRecord({ groups: ['g'] }), aRecord({ groups: ['g'] })];
        await Promise.all([here.create(set), here.create(touched)]);
        const expiresAt = soon();
        await there.update(set, { expiresAt });
        await there.update(touched, { touch: { from: touched.expiresAt, to: expiresAt } });
        await past(expiresAt);
        for (const { id } of [set, touched]) {
          await isNowhere(
            stores,
            id,
            ['g'],
            'a session whose expiry was moved earlier must be gone after it',
          );
        }
        equals(
          [await here.count(), await there.count('g')],
          [0, 0],
          'sessions must not be counted after an expiry moved earlier',
        );
      }
    },
  },
  {
    name: '5 an expiry is set or touched, later and earlier again, by either node',
    async holds(stores) {
      const record = aRecord({ groups: ['g'] });
      await stores[0].create(record);
      let from = record.expiresAt;
      for (const [index, minutes] of [90, 30, 120, 45].entries()) {
        for (const store of stores) {
          const to = inMinutes(minutes) + index;
          const change = store === stores[index % 2] ? { expiresAt: to } : { touch: { from, to } };
          const result = await store.update(record, change);
          const rule = `an expiry that is moved ${to > from ? 'later' : 'earlier'} by ${show(Object.keys(change))}`;
          equals(result?.expiresAt, to, `${rule} must be what the update resolves to`);
          await bothRead(stores, { ...record, expiresAt: to }, `${rule} must be read next`);
          from = to;
        }
      }
    },
  },
  {
    name: '5 no change makes an expiring session immortal or moves an expiry that it does not set',
    async holds(stores) {
      const [here, there] = stores;
      const changes: SessionChange[] = [
        {},
        { set: { a: '2' } },
        { remove: ['a'] },
        { join: ['h'] },
        { leave: ['g'] },
        { touch: { from: 1, to: inAnHour() } },
        { retirePrevious: { secretHash: aSecretHash(), validUntil: inAnHour() } },
      ];
      const expiresAt = Date.now() + 500;
      const stays = async (id: string, change: string) => {
        const read = await there.read(id);
        const late = Date.now() > expiresAt - MARGIN;
        if (!late || read)
          equals(read?.expiresAt, expiresAt, `the expiry of a session must stay after ${change}`);
        await past(expiresAt);
        await isNowhere(stores, id, ['g', 'h'], `an expiring session must be gone after ${change}`);
      };
      const changed = each(changes, async (change) => {
        const record = aRecord({ data: { a: '1' }, groups: ['g'], expiresAt });
        await here.create(record);
        await there.update(record, change);
        await stays(record.id, `a change of ${Object.keys(change).join() || 'nothing'} that did not set it`);
      });
      const rotated = each([0, GRACE], async (grace) => {
        const record = aRecord({ groups: ['g'], expiresAt });
        await here.create(record);
        await there.rotate(record, record.secretHash, aSecretHash(), grace);
        await stays(record.id, 'a rotation');
      });
      await Promise.all([changed, rotated]);
    },
  },
  {
    name: '5 an expiry in the past ends the session as destroy does',
    async holds(stores) {
      const rule = 'a change to an expiry in the past must end the session';
      for (const [here, there] of bothWays(stores)) {
        for (const instant of [inMinutes(-1), 0]) {
          const [set, touched] = [aRecord({ groups: ['g'] }), aRecord({ groups: ['g'] })];
          await Promise.all([here.create(set), here.create(touched)]);
          const ended = await there.update(set, { set: { a: '1' }, join: ['h'], expiresAt: instant });
          equals(ended, undefined, `${rule} and resolve to undefined`);
          const touch = { from: touched.expiresAt, to: instant };
          equals(
            await there.update(touched, { touch }),
            undefined,
            `${rule} and resolve to undefined, by a touch too`,
          );
          for (const { id } of [set, touched]) {
            await isNowhere(stores, id, ['g', 'h'], rule);
            equals(await here.destroy(id), false, `${rule}; destroy after it must resolve to false`);
          }
          equals(
            [await here.count(), await there.count('g'), await here.count('h')],
            [0, 0, 0],
            `${rule} for every count`,
          );
          equals([await here.clear('g'), await there.clear()], [0, 0], `${rule} for every clear`);
        }
      }
    },
  },
  {
    name: '5 a create with an expiry in the past leaves nothing',
    async holds(stores) {
      const [here, there] = stores;
      for (const expiresAt of [inMinutes(-1), 0]) {
        const record = aRecord({ data: { a: '1' }, groups: ['g'], expiresAt });
        await here.create(record);
        await isNowhere(stores, record.id, ['g'], 'a create with an expiry in the past must leave nothing');
        equals(
          [await there.count(), await there.count('g')],
          [0, 0],
          'a session created past its expiry must not be counted',
        );
        const another = { ...aRecord(), id: record.id, secretHash: aSecretHash() };
        await there.create(another);
        await bothRead(stores, another, 'a create with an expiry in the past must not keep its id in use');
        await there.destroy(another.id);
      }
    },
  },
  {
    name: '5 a session that never expires is read, updated, listed, counted and cleared like any other',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        const eternal = aRecord({ groups: ['g'], expiresAt: NEVER });
        const made = aRecord({ groups: ['g'] });
        await Promise.all([here.create(eternal), here.create(made)]);
        await there.update(made, { expiresAt: NEVER });
        const updated = await there.update(eternal, { set: { a: '1' } });
        equals(updated?.expiresAt, NEVER, 'a session that never expires must stay so when it is updated');
        const read = await here.read(eternal.id);
        isRecord(
          read,
          { ...eternal, data: { a: '1' } },
          'a session that never expires must be read like any other',
        );
        const ids = [eternal.id, made.id].toSorted();
        equals(await idsOn(stores, group), ids, 'sessions that never expire must be listed like any other');
        equals(await here.count(group), 2, 'sessions that never expire must be counted like any other');
        equals(await there.clear(group), 2, 'sessions that never expire must be cleared like any other');
        for (const id of ids)
          await isNowhere(stores, id, ['g'], 'a session that never expires must end in a clear');
      }
      const mortal = aRecord({ expiresAt: NEVER });
      await here.create(mortal);
      const expiresAt = soon();
      await there.update(mortal, { expiresAt });
      await past(expiresAt);
      await isNowhere(
        stores,
        mortal.id,
        [],
        'a session that never expired must be gone after an expiry it was given',
      );
    },
  },
];
