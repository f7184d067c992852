import type { SessionRecord } from '../contract/record.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  during,
  bothRead,
  equals,
  inAnHour,
  inMinutes,
  isRecord,
  idsOn,
  must,
  breathe,
  past,
  rotated,
  rounds,
  show,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const rotationLaws: SessionStoreLaw[] = [
  {
    name: '6 a rotation makes its secret hash current and keeps the previous one, with the instant and the grace',
    async holds(stores) {
      const created = aRecord();
      await stores[0].create(created);
      const secretHash = aSecretHash();
      const before = Date.now();
      equals(
        await stores[1].rotate(created, created.secretHash, secretHash, 30_000),
        secretHash,
        'a rotation must resolve to the secret hash now current',
      );
      const read = await stores[0].read(created.id);
      const at = read?.previous?.replacedAt ?? 0;
      // A store with a clock of its own uses that. It may differ by a second.
      must(
        at >= before - 1000 && at <= Date.now() + 1000,
        `\`previous.replacedAt\` must be the instant of the rotation: expected about ${before}, got ${at}`,
      );
      const previous = { hash: created.secretHash, replacedAt: at, grace: 30_000 };
      await bothRead(
        stores,
        { ...created, secretHash, previous },
        'a rotation must change the secret hash and `previous` as it says',
      );
    },
  },
  {
    name: '6 of two racing rotations one wins, and both learn the secret hash that is current',
    async holds(stores) {
      const [here, there] = stores;
      await rounds(async (round) => {
        const record = aRecord();
        await here.create(record);
        const grace = round % 4 === 3 ? 0 : GRACE;
        const secretHashes = [aSecretHash(), aSecretHash()] as const;
        const results = await Promise.all([
          here.rotate(record, record.secretHash, secretHashes[0], grace),
          there.rotate(record, record.secretHash, secretHashes[1], grace),
        ]);
        equals(results[0], results[1], 'two racing rotations must resolve to one secret hash');
        const read = await here.read(record.id);
        const secretHash = read?.secretHash ?? '';
        equals(secretHash, results[0], 'racing rotations must resolve to the secret hash that is current');
        must(
          secretHashes.includes(secretHash),
          `one of two racing rotations must win, but the secret hash is ${show(secretHash)}, of neither`,
        );
        const previous =
          grace === 0
            ? undefined
            : { hash: record.secretHash, replacedAt: read?.previous?.replacedAt ?? 0, grace };
        isRecord(
          read,
          { ...record, secretHash, previous },
          'after two racing rotations the record must be that after one',
        );
      });
    },
  },
  {
    name: '6 a rotation to the secret hash that is current already resolves, and writes nothing',
    async holds(stores) {
      for (const grace of [GRACE, 1]) {
        const { record, first, at } = await rotated(stores, grace);
        await past(at + 1);
        for (const presented of [first, record.secretHash, aSecretHash()]) {
          const result = await stores[1].rotate(record, presented, record.secretHash, 5);
          equals(result, record.secretHash, 'a rotation to the current secret hash must resolve to it');
          await bothRead(stores, record, 'a rotation to the current secret hash must write nothing');
        }
      }
    },
  },
  {
    name: '6 a secret hash that is neither the current nor a valid previous one rotates nothing',
    async holds(stores) {
      const rule = 'a rotation from a secret hash that is no longer valid';
      const unchanged = async (record: SessionRecord, presented: string) => {
        const result = await stores[1].rotate(record, presented, aSecretHash(), GRACE);
        equals(result, record.secretHash, `${rule} must resolve to the current secret hash`);
        await bothRead(stores, record, `${rule} must write nothing`);
      };
      const fresh = aRecord();
      await stores[0].create(fresh);
      await unchanged(fresh, aSecretHash());

      const { record, first, at } = await rotated(stores, 1);
      await past(at + 1);
      await unchanged(record, aSecretHash());
      const until = inAnHour();
      await stores[0].update(record, {
        retirePrevious: { secretHash: record.secretHash, validUntil: until },
      });
      const retired = { ...record, previous: { hash: first, replacedAt: at, grace: 1, validUntil: until } };
      await unchanged(retired, first);
      await unchanged(retired, aSecretHash());
    },
  },
  {
    name: '6 a rotation with grace 0 leaves no previous secret hash',
    async holds(stores) {
      const record = aRecord();
      await stores[0].create(record);
      const secretHashes = [record.secretHash, aSecretHash(), aSecretHash()] as const;
      for (const [index, secretHash] of secretHashes.slice(1).entries()) {
        const result = await stores[1].rotate(record, secretHashes[index] ?? '', secretHash, 0);
        equals(result, secretHash, 'a rotation with grace 0 must win');
        await bothRead(stores, { ...record, secretHash }, 'a rotation with grace 0 must leave no `previous`');
      }
      const { record: chained } = await rotated(stores, GRACE);
      await stores[0].update(chained, {
        retirePrevious: { secretHash: chained.secretHash, validUntil: inMinutes(1) },
      });
      const secretHash = aSecretHash();
      await stores[1].rotate(chained, chained.secretHash, secretHash, 0);
      await bothRead(
        stores,
        { ...chained, secretHash, previous: undefined },
        'a rotation with grace 0 must remove an earlier `previous`',
      );
    },
  },
  {
    name: '6 id, groups, data and instants stay through rotations, whatever changes meanwhile',
    async holds(stores) {
      const [here, there] = stores;
      const some = { data: { a: '1', b: '2' }, groups: ['g', 'h'], createdAt: Date.now() - 999 };
      const { record } = await rotated(stores, GRACE, some);
      isRecord(
        record,
        {
          ...aRecord(some),
          id: record.id,
          secretHash: record.secretHash,
          previous: record.previous,
          expiresAt: record.expiresAt,
        },
        'a rotation must leave everything but the secret hash',
      );
      for (const group of [undefined, 'g', 'h']) {
        equals(
          await idsOn(stores, group),
          [record.id],
          'a rotated session must stay in its groups; the ids in one group',
        );
        equals(await there.count(group), 1, 'a rotated session must be counted in its groups, once');
      }

      const written = aRecord({ groups: ['g'] });
      await here.create(written);
      let presented = written.secretHash;
      const rotates = async () => {
        const secretHash = aSecretHash();
        equals(
          await there.rotate(written, presented, secretHash, 0),
          secretHash,
          'a rotation during updates must win',
        );
        presented = secretHash;
      };
      const texts: Record<string, string> = {};
      await during(rotates, async () => {
        for (let change = 0; change < 60; change++) {
          texts[`name${change % 30}`] = String(change);
          await breathe();
          await here.update(written, { set: { [`name${change % 30}`]: String(change) } });
        }
      });
      const expected = { ...written, secretHash: presented, data: texts };
      await bothRead(stores, expected, 'concurrent rotations and updates must all be kept');
    },
  },
];
