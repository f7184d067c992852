import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  during,
  bothWays,
  breathe,
  each,
  equals,
  inMinutes,
  isRecord,
  idsOf,
  idsOn,
  must,
  past,
  rounds,
  sameIds,
  someRecords,
  soon,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

type Stores = readonly [SessionStore, SessionStore];

/** Fails unless pages and counts of both stores show exactly the sessions `ids` in the group. */
async function hasExactly(stores: Stores, group: string, ids: string[], promise: string): Promise<void> {
  sameIds(await idsOn(stores, group), ids, `${promise}, on its pages`);
  for (const store of stores) equals(await store.count(group), ids.length, `${promise}; its count`);
}

export const groupLaws: SessionStoreLaw[] = [
  {
    name: '7 a session is in its groups when its create resolves, for page, count and clear',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const groups = upTo(30).map((index) => `group ${index}`);
        const record = aRecord({ groups });
        await here.create(record);
        for (const group of groups) {
          await hasExactly([there, here], group, [record.id], 'a group must have the session created in it');
        }
        equals(
          await there.clear('group 7'),
          1,
          'a clear of a group must destroy the session created in it; how many it destroyed',
        );
      }
    },
  },
  {
    name: '7 a session is in a group when the update that joins it resolves, for page, count and clear',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const [one, other] = [aRecord(), aRecord()];
        await Promise.all([here.create(one), there.create(other)]);
        await here.update(one, { join: ['g', 'h'] });
        await hasExactly([there, here], 'g', [one.id], 'a group must have the session that joined');
        await there.update(other, { join: ['g'] });
        await hasExactly(
          [there, here],
          'g',
          [one.id, other.id],
          'a group must have the sessions that joined',
        );
        await hasExactly([there, here], 'h', [one.id], 'a group must have the session that joined');
        equals(
          await there.clear('g'),
          2,
          'a clear of a group must destroy the sessions that joined; how many it destroyed',
        );
      }
    },
  },
  {
    name: '7 a session that leaves a group is no longer in it, and survives its clear',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const [leaves, stays] = [aRecord({ groups: ['g', 'h'] }), aRecord({ groups: ['g'] })];
        await Promise.all([here.create(leaves), here.create(stays)]);
        await here.update(leaves, { leave: ['g'] });
        await hasExactly([there, here], 'g', [stays.id], 'a group must not have the session that left');
        await hasExactly(
          [there, here],
          'h',
          [leaves.id],
          'a session that left one group must stay in the other',
        );
        equals(
          await there.clear('g'),
          1,
          'a clear of a group must not destroy the session that left; how many it destroyed',
        );
        isRecord(
          await here.read(leaves.id),
          { ...leaves, groups: ['h'] },
          'a session that left a group must survive its clear',
        );
        await here.destroy(leaves.id);
      }
    },
  },
  {
    name: '7 one change joins some groups and leaves others; joining or leaving twice is the same as once',
    async holds(stores) {
      const [here, there] = stores;
      const record = aRecord({ groups: ['a', 'b'] });
      await here.create(record);
      for (const store of stores) {
        await store.update(record, { join: ['b', 'c', 'c', 'd'], leave: ['a', 'a', 'never in'] });
        const expected = { ...record, groups: ['b', 'c', 'd'] };
        isRecord(await there.read(record.id), expected, 'a change must join and leave groups, each once');
        await hasExactly(stores, 'a', [], 'a group that was left must be empty');
        await hasExactly(stores, 'never in', [], 'a group that was left though never joined must be empty');
        for (const group of ['b', 'c', 'd']) {
          await hasExactly(
            stores,
            group,
            [record.id],
            'a group must have a session that joined it twice once',
          );
        }
      }
      await there.update(record, { join: ['a'], leave: ['b', 'c', 'd'] });
      await hasExactly(stores, 'a', [record.id], 'a group must have a session that came back');
      await hasExactly(stores, 'd', [], 'a group must not have a session that left');
    },
  },
  {
    name: '7 a join that resolved before a count or a page was called is included in it, whatever else runs',
    async holds(stores) {
      const [here, there] = stores;
      const records = someRecords(60);
      await each(records, (record) => here.create(record));
      const rule = 'a join that resolved before';
      let started = 0;
      const joined: string[] = [];
      const looks = async (store: SessionStore) => {
        const before = [...joined];
        const count = await store.count('g');
        must(
          count >= before.length && count <= started,
          `${rule} a count must be included in it: ${before.length} joins had resolved, ${started} had started, it counted ${count}`,
        );
        const paged = new Set(idsOf((await store.page({ group: 'g', limit: 1000 })).records));
        const missed = before.filter((id) => !paged.has(id));
        equals(missed.length, 0, `${rule} a page must be included in it; how many were missed`);
      };
      await during(
        () => Promise.all([looks(here), looks(there), looks(here)]),
        async () => {
          for (let index = 0; index < records.length; index += 2) {
            await each(records.slice(index, index + 2), async (record, lane) => {
              started++;
              await (lane === 0 ? here : there).update(record, { join: ['g'] });
              joined.push(record.id);
            });
            await breathe();
          }
        },
      );
      await hasExactly(
        stores,
        'g',
        idsOf(records),
        'after joins during counts and pages a group must have all that joined',
      );
    },
  },
  {
    name: '7 count and page of a group stay exact while its members rotate, touch and change',
    async holds(stores) {
      const [here, there] = stores;
      const members = someRecords(20, { groups: ['g'] });
      const strangers = someRecords(5, { groups: ['h'] });
      await each([...members, ...strangers], (record) => here.create(record));
      let turn = 0;
      const changes = async () => {
        turn++;
        await each([...members, ...strangers], async (record, index) => {
          const store = index % 2 === 0 ? here : there;
          const kind = (turn + index) % 4;
          if (kind === 0)
            await store.update(record, { expiresAt: inMinutes(30 + ((turn * 7 + index) % 60)) });
          else if (kind === 1) await store.update(record, { set: { turn: String(turn) }, join: ['other'] });
          else if (kind === 2) await store.update(record, { leave: ['other'] });
          else await store.rotate(record, record.secretHash, aSecretHash(), GRACE);
        });
      };
      await during(changes, async () => {
        for (let look = 0; look < 15; look++) {
          await hasExactly(stores, 'g', idsOf(members), 'a group must stay exact while its members change');
          equals(await there.count(), 25, 'the count of all must stay exact while sessions change');
          await breathe();
        }
      });
    },
  },
  {
    name: '7 a session that ended is in none of its groups',
    async holds(stores) {
      const [here, there] = stores;
      const expiresAt = soon();
      const groups = ['g', 'h'];
      const [destroyed, ended, cleared, expired, live] = [
        aRecord({ groups }),
        aRecord({ groups }),
        aRecord({ groups: [...groups, 'cleared'] }),
        aRecord({ groups, expiresAt }),
        aRecord({ groups }),
      ];
      await each([destroyed, ended, cleared, expired, live], (record) => here.create(record));
      await there.destroy(destroyed.id);
      await there.update(ended, { expiresAt: inMinutes(-1) });
      await there.clear('cleared');
      await past(expiresAt);
      for (const group of groups) {
        await hasExactly(
          stores,
          group,
          [live.id],
          'a group must have the live session alone, and none that ended',
        );
      }
      equals(
        await here.clear('h'),
        1,
        'a clear must find the live session alone in a group; how many it destroyed',
      );
    },
  },
  {
    name: '7 after racing joins, leaves and clears, reads, pages and counts agree on the members of a group',
    async holds(stores) {
      await rounds(async (round) => {
        const [here, there] = stores;
        const group = `group ${round}`;
        const records = someRecords(6);
        await each(records, (record) => here.create(record));
        const clears = async () => {
          await breathe(round % 4);
          await there.clear(group);
        };
        await Promise.all([
          clears(),
          each(records, async (record, index) => {
            await breathe(index % 3);
            await (index % 2 === 0 ? here : there).update(record, { join: [group] });
            if (index % 3 === 2) await here.update(record, { leave: [group] });
          }),
        ]);
        const reads = await each(records, ({ id }) => here.read(id));
        const members = reads.filter((read) => read?.groups.includes(group)).map((read) => read?.id ?? '');
        await hasExactly(
          stores,
          group,
          members,
          'after a race a group must have exactly those whose records show it',
        );
      });
    },
  },
];
