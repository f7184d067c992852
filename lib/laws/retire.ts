import {
  GRACE,
  aProof,
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

export const retireLaws: SessionStoreLaw[] = [
  {
    name: '6 a retire sets the end of the proof that was, once',
    async holds(stores) {
      const [here, there] = stores;
      const { record, first, at } = await rotated(stores, GRACE);
      const until = inMinutes(1);
      await there.update(record, { retire: { proof: record.proof, until } });
      const retired = { ...record, was: { proof: first, at, grace: GRACE, until } };
      await bothRead(stores, retired, 'a retire of the current proof must set `was.until`');
      for (const other of [inMinutes(2), inMinutes(-1)]) {
        await here.update(record, { retire: { proof: record.proof, until: other } });
        await bothRead(stores, retired, 'a second retire must not move `was.until`, later or earlier');
      }
    },
  },
  {
    name: '6 a late retire neither moves nor sets the grace of another rotation',
    async holds(stores) {
      const [here, there] = stores;
      const told = 'a late retire must not set `was.until` of another rotation';
      const { record } = await rotated(stores, GRACE);
      await here.update(record, { retire: { proof: record.proof, until: inMinutes(1) } });
      await here.rotate(record, record.proof, aProof(), GRACE);
      const second = (await there.read(record.key)) ?? record;
      await there.update(record, { retire: { proof: record.proof, until: inMinutes(2) } });
      await bothRead(stores, second, told);

      const current = { proof: second.proof, until: inMinutes(3) };
      await here.update(second, { retire: current });
      const seen = { ...second, was: second.was && { ...second.was, until: current.until } };
      await there.update(record, { retire: { proof: record.proof, until: inMinutes(4) } });
      await bothRead(stores, seen, 'a late retire must not move `was.until` of another rotation');

      const unrotated = aRecord();
      await here.create(unrotated);
      await there.update(unrotated, { retire: { proof: unrotated.proof, until: inMinutes(1) } });
      await bothRead(stores, unrotated, 'a retire must not make a `was` where there is none');
    },
  },
  {
    name: '6 a retire that races the next rotation does not touch its grace',
    async holds(stores) {
      const [here, there] = stores;
      const unseen = await each(upTo(32), () => rotated(stores, 1));
      await past(Math.max(...unseen.map(({ at }) => at)) + 1);
      await each(unseen, async ({ record }, round) => {
        const proof = aProof();
        const retire = { proof: record.proof, until: inMinutes(1) };
        const race = [
          () => here.update(record, { retire }),
          () => there.rotate(record, record.proof, proof, GRACE),
        ];
        if (round % 2 === 1) race.reverse();
        await Promise.all(race.map((call) => call()));
        const read = await here.read(record.key);
        const was = { proof: record.proof, at: read?.was?.at ?? 0, grace: GRACE };
        isRecord(
          read,
          { ...record, proof, was },
          'a retire that races the next rotation must leave its `was` unseen',
        );
      });
    },
  },
];
