import type { SessionRecord } from '../contract/record.js';
import { aRecord, during, breathe, equals, inMinutes, must, rounds, show, upTo } from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

const NAMES = upTo(20).map((index) => `name${index}`);
const allTo = (text: string) => Object.fromEntries(NAMES.map((name) => [name, text]));

/** The numbers of the changes that a read shows. There is only one if the read shows all of one change and no other. */
function changesIn({ data, groups, expiresAt }: SessionRecord, start: number): string[] {
  const numbers = [...Object.values(data), ...groups, String(expiresAt - start)];
  return [...new Set(numbers)];
}

export const wholeLaws: SessionStoreLaw[] = [
  {
    name: '4 a read or a page sees all of a change, its names, groups and expiry, or none',
    async holds(stores) {
      const [here, there] = stores;
      const start = inMinutes(60);
      const record = aRecord({ data: allTo('0'), groups: ['0'], expiresAt: start });
      await here.create(record);

      const isWhole = (read: SessionRecord | undefined, place: string) => {
        must(read !== undefined, `a session must be seen while it is changed, but ${place} missed it`);
        const seen = changesIn(read, start);
        must(
          seen.length === 1,
          `${place} must see all of a change or none: its names, group and expiry are those of the changes ${show(seen)}`,
        );
        equals(
          Object.keys(read.data).length,
          NAMES.length,
          `${place} must see all names while they change; their number`,
        );
      };
      const reads = async () => {
        isWhole(await there.read(record.id), 'a read');
        isWhole((await there.page({ limit: 10 })).records[0], 'a page');
      };
      await during(reads, async () => {
        for (let change = 1; change <= 30; change++) {
          const text = String(change);
          await here.update(record, {
            set: allTo(text),
            join: [text],
            leave: [String(change - 1)],
            expiresAt: start + change,
          });
          await breathe();
        }
      });
    },
  },
  {
    name: '4 a read sees names that a change sets and removes, together or not at all',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ data: { even: '1' } });
      await here.create(record);
      const reads = async () => {
        const names = Object.keys((await there.read(record.id))?.data ?? {});
        equals(
          names.length,
          1,
          `a name is set and another removed by one change, but a read saw ${show(names)}; their number`,
        );
      };
      await during(reads, async () => {
        for (let change = 1; change <= 30; change++) {
          const [set, remove] = change % 2 === 0 ? ['even', 'odd'] : ['odd', 'even'];
          await here.update(record, { set: { [set]: '1' }, remove: [remove] });
          await breathe();
        }
      });
    },
  },
  {
    name: '4 a session that a read shows while it is created is whole, and in all its groups',
    async holds(stores) {
      await rounds(async (round) => {
        const [here, there] = stores;
        const groups = upTo(5).map((index) => `${round}:${index}`);
        const record = aRecord({ data: allTo('1'), groups });
        const made = new AbortController();
        const creates = async () => {
          await here.create(record);
          made.abort();
        };
        const reads = async () => {
          let read: SessionRecord | undefined;
          while (!made.signal.aborted && !read) {
            read = await there.read(record.id);
            await breathe();
          }
          read ??= await there.read(record.id);
          equals(
            Object.keys(read?.data ?? {}).length,
            NAMES.length,
            'a session being created must show all its names or none; their number',
          );
          equals(
            read?.groups.length,
            groups.length,
            'a session being created must show all its groups or none; their number',
          );
          for (const group of groups) {
            equals(
              await there.count(group),
              1,
              'a session that a read shows must be in all its groups; the count of one group',
            );
          }
        };
        await Promise.all([creates(), reads()]);
      });
    },
  },
];
