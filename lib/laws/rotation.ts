import type { SessionRecord } from '../contract/store.js';
import {
  GRACE,
  aProof,
  aRecord,
  beside,
  bothRead,
  bothWays,
  each,
  equals,
  inAnHour,
  inMinutes,
  isRecord,
  keysOn,
  must,
  breathe,
  past,
  rotated,
  rounds,
  show,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const rotationLaws: SessionStoreLaw[] = [
  {
    name: '6 a rotation makes its proof current and keeps the one that was, with the instant and the grace',
    async holds(stores) {
      const created = aRecord();
      await stores[0].create(created);
      const proof = aProof();
      const before = Date.now();
      equals(
        await stores[1].rotate(created, created.proof, proof, 30_000),
        proof,
        'a rotation must resolve to the proof now current',
      );
      const read = await stores[0].read(created.key);
      const at = read?.was?.at ?? 0;
      // The store's clock counts where it has one; it may differ by a second.
      must(
        at >= before - 1000 && at <= Date.now() + 1000,
        `\`was.at\` must be the instant of the rotation: expected about ${before}, got ${at}`,
      );
      const was = { proof: created.proof, at, grace: 30_000 };
      await bothRead(
        stores,
        { ...created, proof, was },
        'a rotation must change the proof and `was` as it says',
      );
    },
  },
  {
    name: '6 of two racing rotations one wins, and both learn the proof that is current',
    async holds(stores) {
      const [here, there] = stores;
      await rounds(async (round) => {
        const record = aRecord();
        await here.create(record);
        const grace = round % 4 === 3 ? 0 : GRACE;
        const proofs = [aProof(), aProof()] as const;
        const answers = await Promise.all([
          here.rotate(record, record.proof, proofs[0], grace),
          there.rotate(record, record.proof, proofs[1], grace),
        ]);
        equals(answers[0], answers[1], 'two racing rotations must resolve to one proof');
        const read = await here.read(record.key);
        const proof = read?.proof ?? '';
        equals(proof, answers[0], 'racing rotations must resolve to the proof that is current');
        must(
          proofs.includes(proof),
          `one of two racing rotations must win, but the proof is ${show(proof)}, of neither`,
        );
        const was = grace === 0 ? undefined : { proof: record.proof, at: read?.was?.at ?? 0, grace };
        isRecord(
          read,
          { ...record, proof, was },
          'after two racing rotations the record must be that after one',
        );
      });
    },
  },
  {
    name: '6 a rotation to the proof that is current already is done, and writes nothing',
    async holds(stores) {
      for (const grace of [GRACE, 1]) {
        const { record, first, at } = await rotated(stores, grace);
        await past(at + 1);
        for (const presented of [first, record.proof, aProof()]) {
          const answer = await stores[1].rotate(record, presented, record.proof, 5);
          equals(answer, record.proof, 'a rotation to the current proof must resolve to it');
          await bothRead(stores, record, 'a rotation to the current proof must write nothing');
        }
      }
    },
  },
  {
    name: '6 while the secret of a rotation is unseen and within its grace, another writes nothing and learns the current proof',
    async holds(stores) {
      const { record, first } = await rotated(stores, GRACE);
      for (const presented of [record.proof, first, aProof()]) {
        const answer = await stores[1].rotate(record, presented, aProof(), 1);
        equals(
          answer,
          record.proof,
          'a rotation within the grace of an unseen one must resolve to the current proof',
        );
        await bothRead(stores, record, 'a rotation within the grace of an unseen one must write nothing');
      }
    },
  },
  {
    name: '6 once its secret was seen, the next rotation follows: the current proof becomes the one that was',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const { record } = await rotated([here, there], GRACE);
        await there.update(record, { retire: { proof: record.proof, until: inMinutes(1) } });
        const proof = aProof();
        equals(
          await here.rotate(record, record.proof, proof, 20_000),
          proof,
          'a rotation after the last was seen must win',
        );
        const read = await there.read(record.key);
        const was = { proof: record.proof, at: read?.was?.at ?? 0, grace: 20_000 };
        isRecord(
          read,
          { ...record, proof, was },
          'after a chained rotation `was` must be the proof it replaced, unseen',
        );
      }
    },
  },
  {
    name: '6 after the grace of an unseen rotation, its proof is rotated like any other',
    async holds(stores) {
      const { record, at } = await rotated(stores, 100);
      await past(at + 100);
      const proof = aProof();
      const answer = await stores[1].rotate(record, record.proof, proof, GRACE);
      equals(answer, proof, 'a rotation from the current proof must win after the grace of the last');
      const read = await stores[0].read(record.key);
      const was = { proof: record.proof, at: read?.was?.at ?? 0, grace: GRACE };
      isRecord(read, { ...record, proof, was }, 'the proof that is rotated away must become `was`');
    },
  },
  {
    name: '6 a client that never saw the new secret heals after its grace: its own stays the one that was',
    async holds(stores) {
      const { record, first, at } = await rotated(stores, 100);
      await past(at + 100);
      const proof = aProof();
      const answer = await stores[1].rotate(record, first, proof, GRACE);
      equals(answer, proof, "a rotation from the unseen rotation's `was` must win after its grace");
      const read = await stores[0].read(record.key);
      const healedAt = read?.was?.at ?? 0;
      must(
        healedAt > at,
        `a healing rotation must set a new \`was.at\`: expected more than ${at}, got ${healedAt}`,
      );
      const was = { proof: first, at: healedAt, grace: GRACE };
      isRecord(
        read,
        { ...record, proof, was },
        'a healing rotation must keep the proof the client holds as `was`',
      );
    },
  },
  {
    name: '6 of two racing rotations that heal, one wins, and both learn the proof that is current',
    async holds(stores) {
      const [here, there] = stores;
      const lost = await each(upTo(16), () => rotated(stores, 50));
      await past(Math.max(...lost.map(({ at }) => at)) + 50);
      await each(lost, async ({ record, first }) => {
        const answers = await Promise.all([
          here.rotate(record, first, aProof(), GRACE),
          there.rotate(record, first, aProof(), GRACE),
        ]);
        const read = await there.read(record.key);
        equals(
          answers,
          [read?.proof, read?.proof],
          'two racing rotations that heal must both resolve to the current proof',
        );
        must(
          read?.proof !== record.proof,
          'one of two racing rotations that heal must win after the grace, but the proof stayed',
        );
        equals(
          read?.was?.proof,
          first,
          'two racing rotations that heal must keep the proof the client holds as `was`',
        );
      });
    },
  },
  {
    name: '6 a proof that is neither current nor good beside it rotates nothing',
    async holds(stores) {
      const told = 'a rotation from a proof that is no more good';
      const unchanged = async (record: SessionRecord, presented: string) => {
        const answer = await stores[1].rotate(record, presented, aProof(), GRACE);
        equals(answer, record.proof, `${told} must resolve to the current proof`);
        await bothRead(stores, record, `${told} must write nothing`);
      };
      const fresh = aRecord();
      await stores[0].create(fresh);
      await unchanged(fresh, aProof());

      const { record, first, at } = await rotated(stores, 1);
      await past(at + 1);
      await unchanged(record, aProof());
      const until = inAnHour();
      await stores[0].update(record, { retire: { proof: record.proof, until } });
      const retired = { ...record, was: { proof: first, at, grace: 1, until } };
      await unchanged(retired, first);
      await unchanged(retired, aProof());
    },
  },
  {
    name: '6 a rotation with grace 0 leaves no proof that was',
    async holds(stores) {
      const record = aRecord();
      await stores[0].create(record);
      const proofs = [record.proof, aProof(), aProof()] as const;
      for (const [index, proof] of proofs.slice(1).entries()) {
        const answer = await stores[1].rotate(record, proofs[index] ?? '', proof, 0);
        equals(answer, proof, 'a rotation with grace 0 must win');
        await bothRead(stores, { ...record, proof }, 'a rotation with grace 0 must leave no `was`');
      }
      const { record: chained } = await rotated(stores, GRACE);
      await stores[0].update(chained, { retire: { proof: chained.proof, until: inMinutes(1) } });
      const proof = aProof();
      await stores[1].rotate(chained, chained.proof, proof, 0);
      await bothRead(
        stores,
        { ...chained, proof, was: undefined },
        'a rotation with grace 0 must remove an earlier `was`',
      );
    },
  },
  {
    name: '6 key, groups, data and instants stay through rotations, whatever changes beside them',
    async holds(stores) {
      const [here, there] = stores;
      const some = { data: { a: '1', b: '2' }, groups: ['g', 'h'], createdAt: Date.now() - 999 };
      const { record } = await rotated(stores, GRACE, some);
      isRecord(
        record,
        {
          ...aRecord(some),
          key: record.key,
          proof: record.proof,
          was: record.was,
          expiresAt: record.expiresAt,
        },
        'a rotation must leave everything but the proof',
      );
      for (const group of [undefined, 'g', 'h']) {
        equals(
          await keysOn(stores, group),
          [record.key],
          'a rotated session must stay in its groups; the keys in one',
        );
        equals(await there.count(group), 1, 'a rotated session must be counted in its groups, once');
      }

      const written = aRecord({ groups: ['g'] });
      await here.create(written);
      let presented = written.proof;
      const rotates = async () => {
        const proof = aProof();
        equals(await there.rotate(written, presented, proof, 0), proof, 'a rotation beside updates must win');
        presented = proof;
      };
      const texts: Record<string, string> = {};
      await beside(rotates, async () => {
        for (let change = 0; change < 60; change++) {
          texts[`name${change % 30}`] = String(change);
          await breathe();
          await here.update(written, { set: { [`name${change % 30}`]: String(change) } });
        }
      });
      const expected = { ...written, proof: presented, data: texts };
      await bothRead(stores, expected, 'rotations and updates beside each other must all be kept');
    },
  },
];
