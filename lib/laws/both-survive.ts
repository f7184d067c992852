import type { SessionChange } from '../contract/record.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  bothRead,
  each,
  equals,
  inAnHour,
  inMinutes,
  isRecord,
  rounds,
  bothWays,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const bothSurviveLaws: SessionStoreLaw[] = [
  {
    name: '3 two changes from the same record to different names are both kept',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { kept: '1', removed: '1' } });
      await here.create(record);
      const [one, other] = [await here.read(record.id), await there.read(record.id)];
      await here.update(one ?? record, { set: { one: '1' } });
      await there.update(other ?? record, { set: { other: '2' }, remove: ['removed'] });
      const expected = { ...record, data: { kept: '1', one: '1', other: '2' } };
      await bothRead(
        stores,
        expected,
        'two changes from the same record to different names must both be kept',
      );
    },
  },
  {
    name: '3 the later of two changes to the same name from the same record wins',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { a: '1', b: '1', c: '1' } });
      await here.create(record);
      const [one, other] = [await here.read(record.id), await there.read(record.id)];
      await here.update(one ?? record, { set: { a: '2', c: '2' }, remove: ['b'] });
      await there.update(other ?? record, { set: { a: '3', b: '3' }, remove: ['c'] });
      const expected = { ...record, data: { a: '3', b: '3' } };
      await bothRead(
        stores,
        expected,
        'the later of two changes to the same name from the same record must win',
      );
    },
  },
  {
    name: '3 racing changes of names, groups, expiry and secret hash are all kept',
    async holds(stores) {
      const rule = 'changes that race must all be kept';
      await rounds(async () => {
        const [here, there] = stores;
        const record = aRecord({ data: { kept: '1', removed: '1' }, groups: ['stayed', 'left'] });
        await here.create(record);
        const secretHash = aSecretHash();
        const expiresAt = inMinutes(90);
        const changes: SessionChange[] = [
          { set: { one: '1' } },
          { set: { other: '2' } },
          { remove: ['removed'] },
          { join: ['joined'] },
          { leave: ['left'] },
          { expiresAt },
        ];
        const [rotated] = await Promise.all([
          there.rotate(record, record.secretHash, secretHash, GRACE),
          each(changes, (change, index) => (index % 2 === 0 ? here : there).update(record, change)),
        ]);
        equals(rotated, secretHash, `${rule}: a concurrent rotation must resolve to its secret hash`);
        const read = await there.read(record.id);
        const data = { kept: '1', one: '1', other: '2' };
        const groups = ['stayed', 'joined'];
        const expected = { ...record, previous: read?.previous, secretHash, data, groups, expiresAt };
        isRecord(read, expected, rule);
        equals(read?.previous?.hash, record.secretHash, `${rule}: the previous secret hash`);
      });
    },
  },
  {
    name: '3 a change based on a stale record alters only what it contains',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { a: '1', removed: '1' }, groups: ['g', 'left'] });
      await here.create(record);
      const [one, other] = [await here.read(record.id), await there.read(record.id)];
      const secretHash = aSecretHash();
      const expiresAt = inMinutes(90);
      await there.rotate(record, record.secretHash, secretHash, GRACE);
      const change = { set: { a: '2' }, remove: ['removed'], join: ['h'], leave: ['left'], expiresAt };
      await there.update(record, change);
      const now = await there.read(record.id);
      const changed = {
        ...record,
        secretHash,
        previous: now?.previous,
        data: { a: '2' },
        groups: ['g', 'h'],
        expiresAt,
      };
      isRecord(now, changed, 'an update after a rotation must be kept with it');

      await here.update(one ?? record, {});
      await there.update(other ?? record, {});
      await bothRead(stores, changed, 'an empty change of a stale record must alter nothing');
      await here.update(one ?? record, { set: { b: '3' } });
      await there.update(other ?? record, { join: ['i'] });
      const expected = { ...changed, data: { a: '2', b: '3' }, groups: ['g', 'h', 'i'] };
      await bothRead(stores, expected, 'a change of a stale record must alter only what it contains');
      equals(
        await here.count('left'),
        0,
        'a change of a stale record must not bring back a group; the count of one group',
      );
    },
  },
  {
    name: '3 a change based on a hand-made record uses only the id of that record',
    async holds(stores) {
      const [here, there] = stores;
      const expiries = [inMinutes(-1), inMinutes(5), inAnHour()];
      for (const expiresAt of expiries) {
        const record = aRecord({ data: { a: '1' }, groups: ['g'], expiresAt: inMinutes(70) });
        await here.create(record);
        const handMade = aRecord({
          id: record.id,
          previous: { hash: aSecretHash(), replacedAt: Date.now(), grace: GRACE },
          data: { a: 'false', b: 'false' },
          groups: ['strangers'],
          createdAt: 0,
          expiresAt,
        });
        const touch = { from: record.expiresAt, to: inMinutes(80) };
        const result = await there.update(handMade, { set: { c: '3' }, join: ['h'], touch });
        const rule = 'a change of a hand-made record';
        equals(result?.expiresAt, touch.to, `${rule} must find the session, whose expiry it touches`);
        equals(
          result?.secretHash,
          record.secretHash,
          `${rule} must resolve to the session's own secret hash`,
        );
        const data = { a: '1', c: '3' };
        const changed = { ...record, data, groups: ['g', 'h'], expiresAt: touch.to };
        await bothRead(stores, changed, `${rule} must alter only what it contains`);
        equals(
          await here.count('strangers'),
          0,
          `${rule} must not join the groups it shows; the count of one group`,
        );

        const secretHash = aSecretHash();
        const rotated = await here.rotate(handMade, record.secretHash, secretHash, GRACE);
        equals(
          rotated,
          secretHash,
          'a rotation of a hand-made record must go by the secret hashes of the session',
        );
        const read = await there.read(record.id);
        isRecord(
          read,
          { ...changed, secretHash, previous: read?.previous },
          'a rotation of a hand-made record must alter only the secret hash',
        );
      }
    },
  },
  {
    name: '3 the hint of a record counts for its own session only, however old it is',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const [one, other] = [aRecord({ data: { a: '1' } }), aRecord({ data: { a: '2' } })];
        for (const record of [one, other]) await there.create(record);
        const read = await here.read(one.id);
        await there.update(one, { set: { b: '1' } });
        await here.update({ ...read, id: one.id }, { set: { c: '1' } });
        await bothRead(
          stores,
          { ...one, data: { a: '1', b: '1', c: '1' } },
          'an update with a stale hint must keep what was written meanwhile',
        );
        await here.update({ id: other.id, hint: read?.hint }, { set: { c: '2' } });
        await bothRead(
          stores,
          { ...other, data: { a: '2', c: '2' } },
          "an update with another session's hint must change the session with its id",
        );
        await there.update(other, { join: ['g'] });
        await here.regenerate(other.id, read?.hint);
        equals(
          await there.read(other.id),
          undefined,
          "a regenerate with another session's hint must regenerate the session with its id",
        );
        await there.clear('g');
        equals(
          await here.haveEnded([other.id]),
          true,
          'a regenerate with a stale hint must leave a tombstone in the groups of the session',
        );
        equals(
          (await there.read(one.id))?.id,
          one.id,
          "a regenerate with another session's hint must leave that session",
        );
      }
    },
  },
];
