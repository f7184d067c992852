import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import { NAMES, TEXTS, named } from './data.js';
import type { SessionStoreLaw } from './law.js';
import { aRecord, bothRead, bothWays, each, equals, isRecord, show } from './vocabulary.js';

type Stores = readonly [SessionStore, SessionStore];

const MOST = String(Number.MAX_SAFE_INTEGER);
const LEAST = `-${MOST}`;

/** Some text, what is added to it, and the text after. */
const SUMS: [text: string | undefined, by: number, sum: string][] = [
  [undefined, 1, '1'],
  [undefined, 0, '0'],
  [undefined, -7, '-7'],
  [undefined, Number.MAX_SAFE_INTEGER, MOST],
  ['0', 1, '1'],
  ['1', -1, '0'],
  ['-1', 1, '0'],
  ['-0', 0, '0'],
  ['-0', 3, '3'],
  ['9', 1, '10'],
  ['-10', 1, '-9'],
  ['99999999', 1, '100000000'],
  ['-100000000', 1, '-99999999'],
  ['2147483647', 1, '2147483648'],
  ['123456789012345', 1, '123456789012346'],
  ['9007199254740990', 1, MOST],
  ['-9007199254740990', -1, LEAST],
  [MOST, -1, '9007199254740990'],
  [MOST, 2 * -4503599627370496 + 1, '0'],
  // These are not safe integers themselves, and their sums are exact all the same.
  ['9007199254740993', -2, MOST],
  ['9007199254740993', -3, '9007199254740990'],
  ['-9007199254740995', 4, LEAST],
  ['9999999999999999', -Number.MAX_SAFE_INTEGER, '992800745259008'],
];

/** Texts that are not integers. Some languages take them for integers. */
const NOT_INTEGERS = [
  '"1"', '1.0', '1.5', '1e3', '0x1', '01', '-01', '00', '+1', '--1', '-', '', ' 1', '1 ', '1\n', '\n1', '1\0',
  '1_000', '١', 'null', 'true', '[1]', '{"a":1}', 'Infinity', 'NaN', '12345678901234567', '$a', '1'.repeat(400),
]; // prettier-ignore

/** Some text, and what would make it unsafe. */
const NOT_SAFE: [text: string | undefined, by: number][] = [
  [MOST, 1],
  [LEAST, -1],
  [MOST, Number.MAX_SAFE_INTEGER],
  ['9007199254740992', 0],
  ['9007199254740993', -1],
  ['9999999999999999', 1],
  ['-9999999999999999', -Number.MAX_SAFE_INTEGER],
];

/** Each session is tested with a value that it was created with, and with one that was set later. */
const WAYS = ['created', 'set'] as const;

/** A session with the texts, beside other values. */
async function sessionWith(
  [here, there]: Stores,
  way: (typeof WAYS)[number],
  texts: Record<string, string>,
): Promise<SessionRecord> {
  const others: Record<string, string> = { first: '"é😀"', last: '"x"' };
  const record = aRecord({
    data: way === 'created' ? { first: others['first']!, ...texts, last: others['last']! } : others,
  });
  await here.create(record);
  if (way === 'set') await there.update(record, { set: texts });
  return { ...record, data: { ...others, ...texts } };
}

export const valueTextLaws: SessionStoreLaw[] = [
  {
    name: '8 an add writes the exact sum in decimal digits',
    async holds(stores) {
      for (const way of WAYS) {
        const rule = 'an add must write the exact sum in decimal digits';
        const texts = SUMS.flatMap(([text], at) => (text === undefined ? [] : [[`n${at}`, text] as const]));
        const record = await sessionWith(stores, way, Object.fromEntries(texts));
        for (const [at, [text, by, sum]] of SUMS.entries()) {
          const result = await stores[at % 2 === 0 ? 0 : 1].update(record, { add: { name: `n${at}`, by } });
          equals(result?.text, sum, `${rule}; ${by} added to ${show(text)}, as it resolves`);
        }
        const data = {
          ...record.data,
          ...named(
            SUMS.map((_, at) => `n${at}`),
            (at) => SUMS[at]![2],
          ),
        };
        await bothRead(stores, { ...record, data }, rule);
      }
    },
  },
  {
    name: '8 an add to a text that is not an integer, or beyond the safe integers, writes nothing and says so',
    async holds(stores) {
      const cases = [
        ...NOT_INTEGERS.map((text) => [text, 1, 'not an integer'] as const),
        ...NOT_SAFE.map(([text, by]) => [text, by, 'not a safe integer'] as const),
      ];
      for (const way of WAYS) {
        const names = cases.map((_, at) => `n${at}`);
        const record = await sessionWith(
          stores,
          way,
          named(names, (at) => String(cases[at]![0])),
        );
        for (const [at, [text, by, refused]] of cases.entries()) {
          const result = await stores[at % 2 === 0 ? 0 : 1].update(record, { add: { name: `n${at}`, by } });
          const what = `an add of ${by} to ${show(text)}`;
          equals(result?.refused, refused, `${what} must be refused; the reason`);
          equals(result?.text, undefined, `${what} must resolve to no text; the text`);
          equals(result?.secretHash, record.secretHash, `${what} must resolve to the state; the secret hash`);
        }
        await bothRead(stores, record, 'an add that is refused must write nothing');
      }
    },
  },
  {
    name: '8 an add and a take of any name leave similar names unchanged',
    async holds(stores) {
      await each(WAYS, (way) =>
        each(NAMES, async (name, index) => {
          const [here, there] = bothWays(stores)[index % 2]!;
          const record = await sessionWith(stores, way, named(NAMES, String));
          const added = await here.update(record, { add: { name, by: 1000 } });
          equals(added?.text, String(1000 + index), `the name ${show(name)} must be added to`);
          const data = { ...record.data };
          Object.defineProperty(data, name, {
            value: String(1000 + index),
            enumerable: true,
            configurable: true,
          });
          isRecord(
            await there.read(record.id),
            { ...record, data },
            `the name ${show(name)} must be added to alone`,
          );
          const taken = await there.update(record, { take: name });
          equals(taken?.text, String(1000 + index), `the name ${show(name)} must be taken`);
          delete data[name];
          isRecord(
            await here.read(record.id),
            { ...record, data },
            `the name ${show(name)} must be taken alone`,
          );
        }),
      );
    },
  },
  {
    name: '8 a take resolves to any serialized value unchanged',
    async holds(stores) {
      for (const way of WAYS) {
        const names = TEXTS.map((_, index) => `text${index}`);
        const record = await sessionWith(
          stores,
          way,
          named(names, (index) => TEXTS[index]!),
        );
        for (const [index, text] of TEXTS.entries()) {
          const taken = await stores[index % 2 === 0 ? 0 : 1].update(record, { take: `text${index}` });
          equals(taken?.text, text, 'a take must resolve to the serialized value unchanged');
        }
        await bothRead(
          stores,
          { ...record, data: { first: record.data['first']!, last: record.data['last']! } },
          'each taken value must be gone',
        );
      }
    },
  },
];
