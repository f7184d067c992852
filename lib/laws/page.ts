import {
  allPages,
  breathe,
  each,
  equals,
  inMinutes,
  isRecord,
  idsOf,
  someRecords,
  sameIds,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

export const pageLaws: SessionStoreLaw[] = [
  {
    name: '7 pages show every session as a read does, none holds more than its limit, and either node can continue from `next`',
    async holds(stores) {
      const members = someRecords(23, { data: { a: '1', b: '"2"' }, groups: ['g', 'i'] });
      const others = someRecords(7, { groups: ['h'] });
      await each([...members, ...others], (record) => stores[0].create(record));
      for (const [group, sessions] of [
        ['g', members],
        [undefined, [...members, ...others]],
      ] as const) {
        for (const limit of [1, 4, 23, 1000]) {
          const records = await allPages(stores, group, limit);
          const rule = `pages ${group === undefined ? 'of all' : 'of a group'} of at most ${limit}`;
          sameIds(idsOf(records), idsOf(sessions), `${rule} must show every session and no other`);
          for (const session of sessions) {
            const paged = records.find(({ id }) => id === session.id);
            isRecord(paged, session, `${rule} must show the whole record, as a read does`);
          }
        }
      }
      equals(await allPages(stores, 'empty', 10), [], 'the pages of a group without members must be empty');
    },
  },
  {
    name: '7 a session whose expiry moves while pages are read still appears',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        const sessions = someRecords(40, { groups: ['g'] });
        await each(sessions, (record, index) => here.create({ ...record, expiresAt: inMinutes(60 + index) }));
        // Sessions that appeared move later and the others move earlier, past any position in an order by expiry.
        let moves = 0;
        const move = (records: { id: string }[]) => {
          moves++;
          const came = new Set(idsOf(records as typeof sessions));
          return each(sessions, (record) =>
            there.update(record, { expiresAt: inMinutes(came.has(record.id) ? 200 + moves : 50 - moves) }),
          );
        };
        const paged = new Set(idsOf(await allPages(stores, group, 6, move)));
        const missed = sessions.filter(({ id }) => !paged.has(id));
        const place = group === undefined ? 'of all' : 'of a group';
        equals(
          missed.length,
          0,
          `pages ${place} must show every session whose expiry moves meanwhile; how many were missed`,
        );
        await here.clear();
      }
    },
  },
  {
    name: '7 sessions that end while pages are read no longer appear, and the pages continue without them',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        const sessions = someRecords(30, { groups: ['g'] });
        await each(sessions, (record) => here.create(record));
        const ended = new Set<string>();
        let seen = 0;
        // Destroys half of the sessions of this page, its last one included, and some of those that are still to come.
        const end = async (records: { id: string }[]) => {
          const came = records.slice(seen).map(({ id }) => id);
          const shown = new Set(records.map(({ id }) => id));
          const toCome = idsOf(sessions).filter((id) => !shown.has(id) && !ended.has(id));
          seen = records.length;
          const ending = [...came.slice(came.length >> 1), ...toCome.slice(0, 2)];
          await each(ending, (id, index) => (index % 2 === 0 ? here : there).destroy(id));
          for (const id of ending) {
            if (!shown.has(id)) ended.add(id);
          }
        };
        const paged = new Set(idsOf(await allPages(stores, group, 4, end)));
        const dead = [...ended].filter((id) => paged.has(id));
        equals(dead.length, 0, 'a session that ended must not appear on a later page; how many appeared');
        const missed = idsOf(sessions).filter((id) => !ended.has(id) && !paged.has(id));
        equals(missed.length, 0, 'pages must show every live session while others end; how many were missed');
        await here.clear();
      }
    },
  },
  {
    name: '7 a session that is live throughout appears while others are created, join, leave and end',
    async holds(stores) {
      const [here, there] = stores;
      const lasting = someRecords(25, { groups: ['g'] });
      await each(lasting, (record) => here.create(record));
      for (let look = 0; look < 6; look++) {
        const passing = someRecords(10);
        const passes = each(passing, async (record, index) => {
          const store = index % 2 === 0 ? here : there;
          await store.create(record);
          await breathe(index % 3);
          await store.update(record, { join: ['g'] });
          await breathe(index % 3);
          if (index % 2 === 0) await store.update(record, { leave: ['g'] });
          await store.destroy(record.id);
        });
        const group = look % 2 === 0 ? 'g' : undefined;
        const paged = new Set(idsOf(await allPages(stores, group, 5, () => breathe())));
        await passes;
        const missed = lasting.filter(({ id }) => !paged.has(id));
        equals(
          missed.length,
          0,
          'pages must show every session that was live throughout; how many were missed',
        );
      }
      const after = idsOf(await allPages(stores, 'g', 1000));
      sameIds(after, idsOf(lasting), 'pages must show the sessions that lasted and none that passed');
    },
  },
];
