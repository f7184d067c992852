import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  during,
  bothRead,
  breathe,
  each,
  equals,
  inMinutes,
  idsOf,
  idsOn,
  must,
  rounds,
  someRecords,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const clearLaws: SessionStoreLaw[] = [
  {
    name: '7 clear resolves to how many live sessions it destroyed',
    async holds([here, there]) {
      await each(someRecords(5, { groups: ['g', 'h'] }), (record) => here.create(record));
      await each(someRecords(3, { groups: ['h'] }), (record) => there.create(record));
      await each(someRecords(2), (record) => there.create(record));
      equals(await there.clear('empty'), 0, 'a clear of a group without members must resolve to 0');
      equals(await there.clear('g'), 5, 'a clear of a group must resolve to how many it destroyed');
      equals(await there.clear('g'), 0, 'a clear of a group that was cleared must resolve to 0');
      equals(
        await here.clear('h'),
        3,
        'a clear of a group must resolve to how many it destroyed, without those destroyed before',
      );
      equals(await here.clear(), 2, 'a clear of all must resolve to how many it destroyed');
      equals(await there.clear(), 0, 'a clear of all that were cleared must resolve to 0');
    },
  },
  {
    name: '7 a clear of a group keeps the sessions of other groups, however similar their names are',
    async holds(stores) {
      const [here, there] = stores;
      const member = aRecord({ groups: ['user:42', 'both'] });
      const names = [
        'user:4',
        'user:421',
        'user:*',
        'user:',
        'USER:42',
        ' user:42',
        'user:42 ',
        'user',
        '42',
        'both',
        '',
      ];
      const strangers = [...names.map((group) => aRecord({ groups: [group] })), aRecord()];
      await each([member, ...strangers], (record) => here.create(record));
      equals(await there.clear('user:42'), 1, 'a clear of a group must destroy only its one member');
      for (const stranger of strangers) {
        await bothRead(
          stores,
          stranger,
          'a clear of a group must leave the sessions of other groups as they are',
        );
        const [group] = stranger.groups;
        equals(
          await there.count(group),
          group === undefined ? strangers.length : 1,
          'a clear of a group must leave the members of other groups; the count of one group',
        );
      }
    },
  },
  {
    name: "7 the group '' is a group like any other, and not all sessions",
    async holds(stores) {
      const [here, there] = stores;
      const members = someRecords(2, { groups: [''] });
      const strangers = [aRecord(), aRecord({ groups: ['g'] })];
      await each([...members, ...strangers], (record) => here.create(record));
      equals(await there.count(''), 2, "the count of the group '' must be that of its members");
      equals(
        await idsOn(stores, ''),
        idsOf(members).toSorted(),
        "the pages of the group '' must show its members",
      );
      equals(await there.clear(''), 2, "a clear of the group '' must destroy its members");
      for (const stranger of strangers)
        await bothRead(stores, stranger, "a clear of the group '' must not destroy all");
      equals(await here.count(), 2, "a clear of the group '' must not destroy all; the count of all");
    },
  },
  {
    name: '7 clear keeps the sessions in `except`: an array, a set, any iterable, or one id as a string',
    async holds(stores) {
      const [here, there] = stores;
      const forms: [string, (id: string) => Iterable<string>][] = [
        ['an array', (id) => [id, 'never there']],
        ['a set', (id) => new Set([id])],
        ['an iterable', (id) => new Map([[id, 1]]).keys()],
        ['one id as a string', (id) => id],
      ];
      const letters = [...'abcdefghijklmnop'];
      for (const [form, except] of forms) {
        for (const group of ['g', undefined]) {
          // One id consists of the other ids' letters: a string alone is one id, not its characters.
          const [a = '', b = ''] = letters.splice(0, 2);
          const kept = aRecord({ id: a + b, groups: ['g'] });
          const others = [a, b].map((id) => aRecord({ id, groups: ['g'] }));
          await each([kept, ...others], (record) => here.create(record));
          const ended = await there.clear(group, except(kept.id));
          equals(
            await idsOn(stores),
            [kept.id],
            `a clear must keep the session that ${form} excepts, and no other; the ids left`,
          );
          equals(ended, 2, `a clear must not count the session that ${form} excepts`);
          await bothRead(stores, kept, `a clear must leave the session that ${form} excepts as it is`);
          equals(await there.count('g'), 1, 'a session that a clear keeps must stay in its group; the count');
          equals(await here.clear('g', []), 1, 'a clear that excepts nothing must destroy all members');
        }
      }
    },
  },
  {
    name: '7 a clear destroys every session whose join resolved before it was called, whatever joins meanwhile',
    async holds(stores) {
      await rounds(async (round) => {
        const [here, there] = stores;
        const group = `group ${round}`;
        const records = someRecords(12);
        await each(records.slice(0, 6), (record) => here.create(record));
        const joined: string[] = [];
        const joins = each(records, async (record, index) => {
          await breathe(index % 5);
          const store = index % 2 === 0 ? here : there;
          if (index < 6) await store.update(record, { join: [group] });
          else await store.create({ ...record, groups: [group] });
          joined.push(record.id);
        });
        const clears = async () => {
          await breathe(1 + (round % 4));
          const before = [...joined];
          await there.clear(group);
          const survivors = (await each(before, (id) => here.read(id))).filter((read) => read !== undefined);
          equals(
            survivors.length,
            0,
            `a clear must destroy every session that had joined when it was called; of ${before.length} there survived`,
          );
        };
        await Promise.all([joins, clears()]);
      });
    },
  },
  {
    name: '7 a clear of all destroys every session whose create resolved before it was called, whatever is created meanwhile',
    async holds([here, there]) {
      for (let round = 0; round < 8; round++) {
        const created: string[] = [];
        const creates = each(someRecords(12), async (record, index) => {
          await breathe(index % 5);
          await (index % 2 === 0 ? here : there).create(record);
          created.push(record.id);
        });
        const clears = async () => {
          await breathe(1 + (round % 4));
          const before = [...created];
          await there.clear();
          const survivors = (await each(before, (id) => here.read(id))).filter((read) => read !== undefined);
          equals(
            survivors.length,
            0,
            `a clear of all must destroy every session created when it was called; of ${before.length} there survived`,
          );
        };
        await Promise.all([creates, clears()]);
      }
    },
  },
  ...['expiries move', 'members rotate and change'].map((noise): SessionStoreLaw => ({
    name: `7 a clear misses no member while ${noise}`,
    async holds([here, there]) {
      for (const group of ['g', undefined, 'g', undefined]) {
        const members = someRecords(30, { groups: ['g'] });
        await each(members, (record, index) => here.create({ ...record, expiresAt: inMinutes(30 + index) }));
        const changes = () =>
          each<SessionRecord, unknown>(members, (record, index) => {
            const store = index % 2 === 0 ? here : there;
            if (noise === 'expiries move')
              return store.update(record, { expiresAt: inMinutes(30 + Math.floor(Math.random() * 60)) });
            if (Math.random() < 0.5) return store.rotate(record, record.secretHash, aSecretHash(), GRACE);
            return store.update(record, { set: { a: '1' }, join: ['h'] });
          });
        const [ended, left] = await during(changes, async () => {
          await breathe(3);
          const count = await there.clear(group);
          return [count, await each(members, ({ id }) => here.read(id))] as const;
        });
        const survivors = left.filter((read) => read !== undefined);
        equals(survivors.length, 0, `a clear must destroy every member while ${noise}; how many survived`);
        equals(ended, members.length, `a clear must count every member it destroyed while ${noise}`);
        equals(
          [await here.count(), await there.count('g'), await here.count('h')],
          [0, 0, 0],
          `nothing must be left after a clear while ${noise}; the counts`,
        );
      }
    },
  })),
  {
    name: '7 a clear ends even under constant joins',
    async holds([here, there]) {
      await each(someRecords(20, { groups: ['g'] }), (record) => here.create(record));
      const over = new AbortController();
      let joined = 0;
      // Counted in joins and not in time, because a store may be slow.
      const enough = 4000;
      const joins = async (store: SessionStore) => {
        while (!over.signal.aborted && joined < enough) {
          await store.create(aRecord({ groups: ['g'] }));
          joined++;
          await breathe();
        }
      };
      const clears = async () => {
        await breathe(3);
        await there.clear('g').finally(() => over.abort());
        return joined;
      };
      const [meanwhile] = await Promise.all([clears(), ...[here, there, here, there].map(joins)]);
      must(
        meanwhile < enough,
        `a clear must end even under constant joins, but it did not while ${meanwhile} sessions joined`,
      );
    },
  },
  {
    name: '7 clear, count and page reach beyond a thousand members',
    async holds(stores) {
      const [here, there] = stores;
      const members = someRecords(1100, { groups: ['g'] });
      for (let index = 0; index < members.length; index += 100) {
        await each(members.slice(index, index + 100), (record) => here.create(record));
      }
      for (const group of ['g', undefined]) {
        equals(await there.count(group), 1100, 'a count must reach beyond a thousand members');
        equals((await idsOn(stores, group)).length, 1100, 'pages must reach beyond a thousand members');
      }
      const kept = members[0]?.id ?? '';
      equals(
        await there.clear('g', kept),
        1099,
        'a clear must reach beyond a thousand members; how many it destroyed',
      );
      equals(await idsOn(stores), [kept], 'a clear must destroy more than a thousand members; the ids left');
      equals(await here.count('g'), 1, 'a clear must destroy more than a thousand members; the count left');
    },
  },
];
