import type { SessionChange } from '../contract/record.js';
import {
  NEVER,
  aSecretHash,
  aRecord,
  bothRead,
  breathe,
  equals,
  inAnHour,
  inMinutes,
  rounds,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const touchLaws: SessionStoreLaw[] = [
  {
    name: '5 a touch never undoes a lifetime that was set meanwhile, longer or shorter',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord();
      await here.create(record);
      for (const expiresAt of [inMinutes(90), inMinutes(5), NEVER]) {
        await there.update(record, { expiresAt });
        const touched = await here.update(record, { touch: { from: record.expiresAt, to: inMinutes(70) } });
        equals(
          touched?.expiresAt,
          expiresAt,
          'a touch from an expiry that is no longer set must resolve to the lifetime set meanwhile',
        );
        await bothRead(
          stores,
          { ...record, expiresAt },
          'a touch must not undo a lifetime that was set meanwhile',
        );
      }
    },
  },
  {
    name: '5 a touch that races an update of the lifetime never undoes it',
    async holds(stores) {
      await rounds(async (round) => {
        const record = aRecord();
        const [here, there] = stores;
        await here.create(record);
        const expiresAt = inMinutes(round % 3 === 0 ? 5 : 90);
        const touch = { from: record.expiresAt, to: inMinutes(70) };
        const after = async (turns: number, store: typeof here, change: SessionChange) => {
          await breathe(turns);
          await store.update(record, change);
        };
        await Promise.all([
          here.update(record, { touch }),
          after(round % 4, there, { expiresAt }),
          after(round >> 2, here, { touch }),
          there.update(record, { touch }),
        ]);
        await bothRead(
          stores,
          { ...record, expiresAt },
          'a touch must not undo a lifetime that is set meanwhile',
        );
      });
    },
  },
  {
    name: '5 a touch or a retirePrevious whose condition fails leaves the rest of the change applied',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { a: '1', b: '1' }, groups: ['g', 'left'] });
      await here.create(record);
      const rest = { set: { a: '2' }, remove: ['b'], join: ['h'], leave: ['left'] };
      const expected = { ...record, data: { a: '2' }, groups: ['g', 'h'] };
      const touch = { from: record.expiresAt - 1, to: inMinutes(90) };
      const result = await there.update(record, { ...rest, touch });
      equals(result?.expiresAt, record.expiresAt, 'a touch whose condition fails must leave the expiry');
      await bothRead(
        stores,
        expected,
        'a touch whose condition fails must leave the rest of the change applied',
      );

      const expiresAt = inMinutes(80);
      const retirePrevious = { secretHash: aSecretHash(), validUntil: inAnHour() };
      await here.update(record, { set: { c: '3' }, expiresAt, retirePrevious });
      const data = { a: '2', c: '3' };
      await bothRead(
        stores,
        { ...expected, data, expiresAt },
        'a retirePrevious whose condition fails must leave the rest of the change applied',
      );
    },
  },
  {
    name: '5 an expiry that a change sets beats a touch in the same change',
    async holds(stores) {
      const record = aRecord();
      await stores[0].create(record);
      let from = record.expiresAt;
      for (const minutes of [90, 30]) {
        const expiresAt = inMinutes(minutes);
        const result = await stores[1].update(record, { expiresAt, touch: { from, to: inMinutes(70) } });
        equals(
          result?.expiresAt,
          expiresAt,
          'an expiry that a change sets must beat its touch, in what the update resolves to',
        );
        await bothRead(stores, { ...record, expiresAt }, 'an expiry that a change sets must beat its touch');
        from = expiresAt;
      }
    },
  },
];
