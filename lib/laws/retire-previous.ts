import {
  GRACE,
  aSecretHash,
  aRecord,
  bothRead,
  each,
  inMinutes,
  isRecord,
  past,
  rotated,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const retirePreviousLaws: SessionStoreLaw[] = [
  {
    name: '6 retirePrevious sets once when the previous secret stops being valid',
    async holds(stores) {
      const [here, there] = stores;
      const { record, first, at } = await rotated(stores, GRACE);
      const until = inMinutes(1);
      await there.update(record, { retirePrevious: { secretHash: record.secretHash, validUntil: until } });
      const retired = {
        ...record,
        previous: { hash: first, replacedAt: at, grace: GRACE, validUntil: until },
      };
      await bothRead(
        stores,
        retired,
        'retirePrevious with the current secret hash must set `previous.validUntil`',
      );
      for (const other of [inMinutes(2), inMinutes(-1)]) {
        await here.update(record, { retirePrevious: { secretHash: record.secretHash, validUntil: other } });
        await bothRead(
          stores,
          retired,
          'a second retirePrevious must not move `previous.validUntil`, later or earlier',
        );
      }
    },
  },
  {
    name: '6 a late retirePrevious neither moves nor sets the grace of another rotation',
    async holds(stores) {
      const [here, there] = stores;
      const rule = 'a late retirePrevious must not set `previous.validUntil` of another rotation';
      const { record } = await rotated(stores, GRACE);
      await here.update(record, {
        retirePrevious: { secretHash: record.secretHash, validUntil: inMinutes(1) },
      });
      await here.rotate(record, record.secretHash, aSecretHash(), GRACE);
      const second = (await there.read(record.id)) ?? record;
      await there.update(record, {
        retirePrevious: { secretHash: record.secretHash, validUntil: inMinutes(2) },
      });
      await bothRead(stores, second, rule);

      const current = { secretHash: second.secretHash, validUntil: inMinutes(3) };
      await here.update(second, { retirePrevious: current });
      const seen = {
        ...second,
        previous: second.previous && { ...second.previous, validUntil: current.validUntil },
      };
      await there.update(record, {
        retirePrevious: { secretHash: record.secretHash, validUntil: inMinutes(4) },
      });
      await bothRead(
        stores,
        seen,
        'a late retirePrevious must not move `previous.validUntil` of another rotation',
      );

      const unrotated = aRecord();
      await here.create(unrotated);
      await there.update(unrotated, {
        retirePrevious: { secretHash: unrotated.secretHash, validUntil: inMinutes(1) },
      });
      await bothRead(stores, unrotated, 'retirePrevious must not make a `previous` where there is none');
    },
  },
  {
    name: '6 a retirePrevious that races the next rotation does not touch its grace',
    async holds(stores) {
      const [here, there] = stores;
      const unseen = await each(upTo(32), () => rotated(stores, 1));
      await past(Math.max(...unseen.map(({ at }) => at)) + 1);
      await each(unseen, async ({ record }, round) => {
        const secretHash = aSecretHash();
        const retirePrevious = { secretHash: record.secretHash, validUntil: inMinutes(1) };
        const race = [
          () => here.update(record, { retirePrevious }),
          () => there.rotate(record, record.secretHash, secretHash, GRACE),
        ];
        if (round % 2 === 1) race.reverse();
        await Promise.all(race.map((call) => call()));
        const read = await here.read(record.id);
        const previous = {
          hash: record.secretHash,
          replacedAt: read?.previous?.replacedAt ?? 0,
          grace: GRACE,
        };
        isRecord(
          read,
          { ...record, secretHash, previous },
          'a retirePrevious that races the next rotation must leave its `previous` unseen',
        );
      });
    },
  },
];
