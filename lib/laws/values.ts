import type { SessionUpdate } from '../contract/record.js';
import type { SessionStoreLaw } from './law.js';
import {
  GRACE,
  aRecord,
  aSecretHash,
  bothRead,
  bothWays,
  each,
  equals,
  isRecord,
  must,
  rounds,
  show,
  upTo,
} from './vocabulary.js';

/** How many calls race for one value. */
const SOME = 20;

export const valueLaws: SessionStoreLaw[] = [
  {
    name: '3 parallel adds to one property are all counted, and each resolves to a sum of its own',
    async holds(stores) {
      await rounds(async (round) => {
        const record = aRecord(round % 2 === 0 ? { data: { a: '0' } } : {});
        await stores[0].create(record);
        const refs = [{ id: record.id }, (await stores[1].read(record.id)) ?? record] as const;
        const updates = await each(upTo(SOME), (at) =>
          stores[at % 2 === 0 ? 0 : 1].update(refs[at % 3 === 0 ? 0 : 1], { add: { name: 'a', by: 1 } }),
        );
        const rule = 'parallel adds to one property must all be counted';
        equals((await stores[1].read(record.id))?.data['a'], String(SOME), `${rule}; the text after ${SOME}`);
        const sums = updates.map((update) => Number(update?.text)).toSorted((one, other) => one - other);
        equals(
          sums,
          upTo(SOME).map((at) => at + 1),
          `${rule}, and each must resolve to a sum of its own; the sums`,
        );
      });
    },
  },
  {
    name: '3 adds that race other changes, a take and a rotation are all kept',
    async holds(stores) {
      const rule = 'adds that race other changes must all be kept';
      await rounds(async () => {
        const [here, there] = stores;
        const record = aRecord({ data: { a: '5', b: '1', c: '"c"' } });
        await here.create(record);
        const secretHash = aSecretHash();
        await Promise.all([
          ...upTo(SOME).map((at) => (at % 2 ? here : there).update(record, { add: { name: 'a', by: at } })),
          there.update(record, { set: { d: '"d"' }, join: ['g'] }),
          here.update(record, { remove: ['b'] }),
          there.update(record, { take: 'c' }),
          here.rotate(record, record.secretHash, secretHash, GRACE),
        ]);
        const read = await there.read(record.id);
        const data = { a: String(5 + (SOME * (SOME - 1)) / 2), d: '"d"' };
        const { previous } = read ?? record;
        isRecord(read, { ...record, secretHash, previous, data, groups: ['g'] }, rule);
      });
    },
  },
  {
    name: '3 of parallel takes of one property exactly one resolves to its text',
    async holds(stores) {
      const rule = 'of parallel takes exactly one must resolve to the text';
      await rounds(async (round) => {
        const [here, there] = bothWays(stores)[round % 2]!;
        const text = `"state ${round}"`;
        const record = aRecord({ data: round % 4 < 2 ? { a: text, b: '1' } : { b: '1' } });
        await here.create(record);
        if (record.data['a'] === undefined) await there.update(record, { set: { a: text } });
        const refs = [{ id: record.id }, (await there.read(record.id)) ?? record] as const;
        const updates = await each(upTo(SOME), (at) =>
          (at % 2 === 0 ? here : there).update(refs[at % 3 === 0 ? 0 : 1], { take: 'a' }),
        );
        must(
          updates.every((update) => update?.secretHash === record.secretHash),
          `${rule}, and all of them to the state of the session, and not ${show(updates)}`,
        );
        const texts = updates.flatMap((update) => update?.text ?? []);
        equals(texts, [text], `${rule}; the texts`);
        await bothRead(stores, { ...record, data: { b: '1' } }, `${rule}, and remove the property`);
      });
    },
  },
  {
    name: '1 an add and a take resolve to the state of the session, and change nothing but the one property',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord({ data: { a: '41', b: '"b"' }, groups: ['g'] });
        await here.create(record);
        const state = { expiresAt: record.expiresAt, secretHash: record.secretHash };
        const added = await there.update(record, { add: { name: 'a', by: 1 } });
        equals(partsOf(added), { ...state, text: '42' }, 'an add must resolve to the state and the sum');
        const rule = 'must change nothing but its property';
        await bothRead(stores, { ...record, data: { a: '42', b: '"b"' } }, `an add ${rule}`);
        const taken = await here.update(record, { take: 'b' });
        equals(partsOf(taken), { ...state, text: '"b"' }, 'a take must resolve to the state and the text');
        await bothRead(stores, { ...record, data: { a: '42' } }, `a take ${rule}`);
        const again = await there.update(record, { take: 'b' });
        equals(partsOf(again), state, 'a take of an absent property must resolve to the state and no text');
        await bothRead(stores, { ...record, data: { a: '42' } }, `a take of an absent property ${rule}`);
        await here.update(record, { set: { b: '"again"' } });
        const last = await there.update(record, { take: 'b' });
        equals(last?.text, '"again"', 'a take must resolve to a text that was set after another take');
        const anew = await here.update(record, { add: { name: 'b', by: 2 } });
        equals(anew?.text, '2', 'an add to a property that was taken must begin at 0');
      }
    },
  },
];

/** The parts of what an update resolves to. A store may add others. */
function partsOf({ expiresAt, secretHash, text, refused }: Partial<SessionUpdate> = {}): object {
  return {
    expiresAt,
    secretHash,
    ...(text !== undefined && { text }),
    ...(refused !== undefined && { refused }),
  };
}
