import {
  GRACE,
  NEVER,
  aSecretHash,
  aRecord,
  bothRead,
  bothWays,
  equals,
  inAnHour,
  inMinutes,
  isNowhere,
  isRecord,
  idsOn,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const visibleLaws: SessionStoreLaw[] = [
  {
    name: '1 a session that one node creates is in the next read, page and count by any node',
    async holds(stores) {
      const rule = 'a created session must be seen by the other node';
      for (const [index, [here, there]] of bothWays(stores).entries()) {
        const record = aRecord({
          previous: {
            hash: aSecretHash(),
            replacedAt: Date.now() - 5,
            grace: 30_000,
            validUntil: inAnHour(),
          },
          data: { user: '"ada"', cart: '[1,2]' },
          groups: ['user:ada', 'tenant:acme'],
          createdAt: Date.now() - 12_345,
          expiresAt: index === 0 ? inAnHour() + 7 : NEVER,
        });
        await here.create(record);
        isRecord(await there.read(record.id), record, `${rule} as it was`);
        equals(await there.count(), index + 1, `${rule} in the count of all`);
        equals(await there.count('user:ada'), index + 1, `${rule} in the count of its group`);
        const { records } = await there.page({ group: 'user:ada', limit: 1000 });
        const paged = records.find(({ id }) => id === record.id);
        isRecord(paged, record, `${rule} as it was in a page of its group`);
      }
      equals((await idsOn(stores)).length, 2, 'created sessions must be in the pages of all');
    },
  },
  {
    name: '1 an update by one node is visible to the next read by any node',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord({
          data: { kept: '1', changed: '1', removed: '1' },
          groups: ['stayed', 'left'],
        });
        await here.create(record);
        await there.read(record.id);
        const expiresAt = inMinutes(90) + 1;
        await here.update(record, {
          set: { changed: '2', added: '3' },
          remove: ['removed', 'never there'],
          join: ['joined'],
          leave: ['left'],
          expiresAt,
        });
        const data = { kept: '1', changed: '2', added: '3' };
        const expected = { ...record, data, groups: ['stayed', 'joined'], expiresAt };
        isRecord(await there.read(record.id), expected, 'an update must be read by the other node');
      }
    },
  },
  {
    name: '1 an update resolves to the expiry and the secret hash of the session after it',
    async holds(stores) {
      const rule = 'an update must resolve to the state of the session after it';
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord();
        await here.create(record);
        const secretHash = aSecretHash();
        await there.rotate(record, record.secretHash, secretHash, GRACE);
        const expiresAt = inMinutes(90) + 3;
        const moved = await here.update(record, { expiresAt });
        equals([moved?.expiresAt, moved?.secretHash], [expiresAt, secretHash], rule);
        const asked = await there.update(record, {});
        equals(
          [asked?.expiresAt, asked?.secretHash],
          [expiresAt, secretHash],
          `${rule}, an empty change too`,
        );
      }
    },
  },
  {
    name: '1 a rotation by one node is visible to the next read by any node',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord();
        const secretHash = aSecretHash();
        await here.create(record);
        await there.read(record.id);
        await here.rotate(record, record.secretHash, secretHash, GRACE);
        const read = await there.read(record.id);
        equals(
          [read?.secretHash, read?.previous?.hash],
          [secretHash, record.secretHash],
          'a rotation must be read by the other node, the current secret hash and the previous one',
        );
      }
    },
  },
  {
    name: '1 a session that one node destroys is gone for every node, and destroy resolves to whether it was live',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord({ groups: ['g'] });
        await here.create(record);
        await there.read(record.id);
        equals(await here.destroy(record.id), true, 'destroy of a live session must resolve to true');
        await isNowhere(stores, record.id, ['g'], 'a destroyed session must be gone for every node');
        equals(await there.count(), 0, 'a destroyed session must not be counted among all');
        equals(await there.count('g'), 0, 'a destroyed session must not be counted in its group');
        equals(await there.destroy(record.id), false, 'destroy of a destroyed session must resolve to false');
      }
      equals(
        await stores[0].destroy('absent'),
        false,
        'destroy of a session that was never created must resolve to false',
      );
    },
  },
  {
    name: '1 the sessions that one node clears are gone for every node',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        for (const group of ['g', undefined]) {
          const record = aRecord({ groups: ['g'] });
          await here.create(record);
          await there.read(record.id);
          await here.clear(group);
          await isNowhere(stores, record.id, ['g'], 'a cleared session must be gone for every node');
          equals(
            [await there.count(), await there.count('g')],
            [0, 0],
            'a cleared session must not be counted',
          );
        }
      }
    },
  },
  {
    name: '1 a session that was never created is not created by an update or a rotation',
    async holds(stores) {
      const record = aRecord({ data: { a: '1' }, groups: ['g'] });
      const [here, there] = stores;
      equals(
        await here.read(record.id),
        undefined,
        'a session that was never created must read as undefined',
      );
      const updated = await here.update(record, { set: { a: '2' }, join: ['g'], expiresAt: inAnHour() });
      equals(updated, undefined, 'an update of a session that was never created must resolve to undefined');
      const rotated = await there.rotate(record, record.secretHash, aSecretHash(), GRACE);
      equals(rotated, undefined, 'a rotation of a session that was never created must resolve to undefined');
      await isNowhere(
        stores,
        record.id,
        ['g'],
        'an update or rotation must not create a session that was never created',
      );
      equals(
        [await here.count(), await there.count('g')],
        [0, 0],
        'a session that was never created must not be counted',
      );
    },
  },
  {
    name: '1 a change of one session leaves every other as it is',
    async holds(stores) {
      const [here, there] = stores;
      const [changed, other] = [
        aRecord({ data: { a: '1' }, groups: ['g'] }),
        aRecord({ data: { a: '1' }, groups: ['g'] }),
      ];
      await here.create(changed);
      await here.create(other);
      await there.update(changed, { set: { a: '2' }, leave: ['g'], expiresAt: inMinutes(5) });
      await there.rotate(changed, changed.secretHash, aSecretHash(), GRACE);
      await there.destroy(changed.id);
      await bothRead(stores, other, 'what is done to one session must leave every other as it is');
    },
  },
];
