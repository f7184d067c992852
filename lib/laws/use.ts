import type { SessionRecord } from '../contract/record.js';
import {
  aRecord,
  allPages,
  bothRead,
  bothWays,
  each,
  inMinutes,
  isRecord,
  rounds,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

const TEXTS = ['{"ip":"10.0.0.0/24"}', '$label', '$$REMOVE', '0', ' ', '\0', 'é 😀', '"\\', 'x'.repeat(1000)];

export const useLaws: SessionStoreLaw[] = [
  {
    name: '1 a label, the clients, and the instants of the last use and join come back as they were created',
    async holds(stores) {
      await each(TEXTS, async (text, index) => {
        const record = aRecord({
          groups: ['g'],
          label: text,
          lastSeenAt: inMinutes(-1),
          client: { first: text, last: `${text}2` },
          joinedAt: inMinutes(-2),
          joining: text,
        });
        await stores[index % 2 === 0 ? 0 : 1].create(record);
        await bothRead(
          stores,
          record,
          'what is known of the use of a session must be read as it was created',
        );
        const paged = (await allPages(stores, 'g', 100)).find(({ id }) => id === record.id);
        isRecord(paged, record, 'what is known of the use of a session must be on its page');
      });
    },
  },
  {
    name: '1 an update of the label, the last use or the last join is read by the other node',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        let expected: SessionRecord = aRecord({ data: { a: '1' } });
        await here.create(expected);
        const [first, second, joinedAt] = [inMinutes(1), inMinutes(2), inMinutes(3)];
        for (const label of TEXTS) {
          await there.update(expected, { label, joining: label });
          await bothRead(
            stores,
            { ...expected, label, joining: label },
            'an update of the label must set it',
          );
        }
        await here.update(expected, { label: '', joining: '' });
        await bothRead(stores, expected, 'an update with an empty label must remove it');

        await there.update(expected, { seen: { at: first, client: '$a' }, set: { b: '2' } });
        const data = { ...expected.data, b: '2' };
        expected = { ...expected, data, lastSeenAt: first, client: { first: '$a', last: '$a' } };
        await bothRead(
          stores,
          expected,
          'the first use must set both clients, beside the rest of the change',
        );
        await here.update(expected, { seen: { at: second, client: '$b' }, joinedAt, join: ['g'] });
        expected = { ...expected, lastSeenAt: second, client: { first: '$a', last: '$b' }, joinedAt };
        expected.groups = ['g'];
        await bothRead(stores, expected, 'a later use must set the last client, and keep the first');
      }
    },
  },
  {
    name: '3 uses that race each other leave the latest one, and never move it back',
    async holds(stores) {
      await rounds(async (round) => {
        const record = aRecord();
        await stores[0].create(record);
        const start = inMinutes(0);
        const uses = upTo(6).map((index) => ({ at: start + ((index * 5 + round) % 6), client: `c${index}` }));
        await each(uses, (seen, index) => stores[index % 2 === 0 ? 0 : 1].update(record, { seen }));
        const { at, client } = uses.toSorted((one, other) => other.at - one.at)[0]!;
        const first = (await stores[1].read(record.id))?.client?.first ?? 'none';
        const expected = { ...record, lastSeenAt: at, client: { first, last: client } };
        await bothRead(stores, expected, 'of parallel uses the latest must stay, with its client');

        await stores[1].update(record, { seen: { at: at - 1, client: 'late' }, set: { late: '1' } });
        const rest = { ...expected, data: { late: '1' } };
        await bothRead(stores, rest, 'an earlier use must change neither `lastSeenAt` nor the clients');
      });
    },
  },
];
