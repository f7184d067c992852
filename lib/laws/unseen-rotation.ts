import {
  GRACE,
  aSecretHash,
  bothRead,
  bothWays,
  each,
  equals,
  inMinutes,
  isRecord,
  must,
  past,
  rotated,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const unseenRotationLaws: SessionStoreLaw[] = [
  {
    name: '6 until the secret of a rotation is presented or its grace is over, another rotation writes nothing and learns the current secret hash',
    async holds(stores) {
      const { record, first } = await rotated(stores, GRACE);
      for (const presented of [record.secretHash, first, aSecretHash()]) {
        const result = await stores[1].rotate(record, presented, aSecretHash(), 1);
        equals(
          result,
          record.secretHash,
          'a rotation within the grace of an unseen one must resolve to the current secret hash',
        );
        await bothRead(stores, record, 'a rotation within the grace of an unseen one must write nothing');
      }
    },
  },
  {
    name: '6 once the secret of a rotation was presented, the next rotation makes it the previous one',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const { record } = await rotated([here, there], GRACE);
        await there.update(record, {
          retirePrevious: { secretHash: record.secretHash, validUntil: inMinutes(1) },
        });
        const secretHash = aSecretHash();
        equals(
          await here.rotate(record, record.secretHash, secretHash, 20_000),
          secretHash,
          'a rotation after the last was seen must win',
        );
        const read = await there.read(record.id);
        const previous = {
          hash: record.secretHash,
          replacedAt: read?.previous?.replacedAt ?? 0,
          grace: 20_000,
        };
        isRecord(
          read,
          { ...record, secretHash, previous },
          'after a chained rotation `previous` must be the secret hash it replaced, unseen',
        );
      }
    },
  },
  {
    name: '6 after the grace of an unseen rotation, its secret hash is rotated like any other',
    async holds(stores) {
      const { record, at } = await rotated(stores, 100);
      await past(at + 100);
      const secretHash = aSecretHash();
      const result = await stores[1].rotate(record, record.secretHash, secretHash, GRACE);
      equals(
        result,
        secretHash,
        'a rotation from the current secret hash must win after the grace of the last',
      );
      const read = await stores[0].read(record.id);
      const previous = { hash: record.secretHash, replacedAt: read?.previous?.replacedAt ?? 0, grace: GRACE };
      isRecord(
        read,
        { ...record, secretHash, previous },
        'the secret hash that is rotated away must become `previous`',
      );
    },
  },
  {
    name: '6 after the grace, a client that never got the new secret can rotate again, and its own secret stays the previous one',
    async holds(stores) {
      // A slow machine may take long to rotate again, but no longer than ten graces.
      const grace = 300;
      const { record, first, at } = await rotated(stores, grace);
      await past(at + grace);
      const secretHash = aSecretHash();
      const result = await stores[1].rotate(record, first, secretHash, GRACE);
      equals(result, secretHash, "a rotation from the unseen rotation's `previous` must win after its grace");
      const read = await stores[0].read(record.id);
      const healedAt = read?.previous?.replacedAt ?? 0;
      must(
        healedAt > at,
        `a healing rotation must set a new \`previous.replacedAt\`: expected more than ${at}, got ${healedAt}`,
      );
      const previous = { hash: first, replacedAt: healedAt, grace: GRACE, since: at };
      isRecord(
        read,
        { ...record, secretHash, previous },
        'a healing rotation must keep the secret hash the client holds as `previous`, and since when',
      );
    },
  },
  {
    name: '6 a secret that no client has presented is replaced for at most ten graces after the first rotation',
    async holds(stores) {
      const [here, there] = stores;
      const { record, first, at } = await rotated(stores, 200);
      await past(at + 200);
      const secretHash = aSecretHash();
      const healed = await there.rotate(record, first, secretHash, 40);
      equals(healed, secretHash, "a rotation from the unseen rotation's `previous` must win after its grace");
      const healedAt = (await here.read(record.id))?.previous?.replacedAt ?? at;
      await past(Math.max(at + 400, healedAt + 40));
      const late = await here.rotate(record, first, aSecretHash(), 40);
      equals(late, secretHash, 'a client must not heal later than ten graces after the first rotation');
      const next = aSecretHash();
      const result = await there.rotate(record, secretHash, next, GRACE);
      equals(result, next, 'the current secret hash must be rotated like any other when healing has ended');
      const read = await here.read(record.id);
      const replacedAt = read?.previous?.replacedAt ?? 0;
      isRecord(
        read,
        { ...record, secretHash: next, previous: { hash: secretHash, replacedAt, grace: GRACE } },
        'a rotation of the current secret hash must begin to count graces again',
      );
    },
  },
  {
    name: '6 of two racing rotations that heal, one wins, and both learn the secret hash that is current',
    async holds(stores) {
      const [here, there] = stores;
      // All of them must heal within ten graces.
      const lost = await each(upTo(16), () => rotated(stores, 200));
      await past(Math.max(...lost.map(({ at }) => at)) + 200);
      await each(lost, async ({ record, first }) => {
        const results = await Promise.all([
          here.rotate(record, first, aSecretHash(), GRACE),
          there.rotate(record, first, aSecretHash(), GRACE),
        ]);
        const read = await there.read(record.id);
        equals(
          results,
          [read?.secretHash, read?.secretHash],
          'two racing rotations that heal must both resolve to the current secret hash',
        );
        must(
          read?.secretHash !== record.secretHash,
          'one of two racing rotations that heal must win after the grace, but the secret hash stayed',
        );
        equals(
          read?.previous?.hash,
          first,
          'two racing rotations that heal must keep the secret hash the client holds as `previous`',
        );
      });
    },
  },
];
