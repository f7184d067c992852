import type { SessionGroupLimit, SessionWhenFull } from '../contract/limit.js';
import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  aRecord,
  bothRead,
  bothWays,
  each,
  equals,
  idsOf,
  idsOn,
  inMinutes,
  isNowhere,
  isRecord,
  must,
  past,
  rejects,
  sameIds,
  upTo,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

type Stores = readonly [SessionStore, SessionStore];

const limitOf = (max: number, whenFull: SessionWhenFull = 'end-oldest'): SessionGroupLimit => ({
  group: 'g',
  max,
  whenFull,
});

/** Creates a session and joins it. Fails unless it is a member then. Resolves to the ids of the sessions that ended. */
async function joins(
  store: SessionStore,
  record: SessionRecord,
  limit: SessionGroupLimit,
): Promise<string[]> {
  await store.create(record);
  const outcome = await store.joinLimited(record, limit);
  must(outcome.is === 'joined', `a newcomer must join a group, but the outcome was '${outcome.is}'`);
  return idsOf(outcome.ended);
}

/** Sessions created long ago, of which each has joined `g` after the one before. */
async function fill([here, there]: Stores, count: number): Promise<SessionRecord[]> {
  const records = upTo(count).map((index) => aRecord({ createdAt: inMinutes(index - 100) }));
  for (const [index, record] of records.entries()) {
    await joins(index % 2 === 0 ? here : there, record, limitOf(count));
    // The clocks of two nodes may differ.
    await past(Date.now());
  }
  return records;
}

export const limitLaws: SessionStoreLaw[] = [
  {
    name: '7 a join with a limit ends the sessions that joined first, before it resolves to them',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const [oldest, second, third] = (await fill([here, there], 3)) as [
          SessionRecord,
          SessionRecord,
          SessionRecord,
        ];
        const newcomer = aRecord({ createdAt: inMinutes(-1000) });
        await there.create(newcomer);
        const outcome = await there.joinLimited(newcomer, limitOf(2));
        must(
          outcome.is === 'joined',
          `a newcomer must join a full group, but the outcome was '${outcome.is}'`,
        );
        sameIds(idsOf(outcome.ended), [oldest.id, second.id], 'the sessions that joined first must end');
        const { id, data, groups } = outcome.ended.find((record) => record.id === oldest.id)!;
        equals(
          { id, groups },
          { id: oldest.id, groups: ['g'] },
          'it must resolve to the records of those that ended',
        );
        equals({ ...data }, {}, 'it must resolve to the data of those that ended');
        for (const { id: gone } of [oldest, second])
          await isNowhere(stores, gone, ['g'], 'a session that made room must be gone');
        sameIds(
          await idsOn(stores, 'g'),
          [third.id, newcomer.id],
          'the newest sessions must stay in the group',
        );
        await here.clear('g');
      }
    },
  },
  {
    name: '7 a join with a limit ends the sessions that were not used for the longest time',
    async holds([here, there]) {
      const records = upTo(3).map((index) =>
        aRecord({
          createdAt: inMinutes(index - 100),
          lastSeenAt: inMinutes([-10, -30, -20][index]!),
          client: { first: 'a', last: 'a' },
          groups: ['g'],
        }),
      );
      for (const record of records) await here.create(record);
      await there.update(records[2]!, { seen: { at: inMinutes(-5), client: 'b' } });
      const ended = await joins(there, aRecord(), limitOf(2, 'end-least-recent'));
      equals(
        ended,
        [records[1]!.id, records[0]!.id],
        'the sessions that were last used earliest must end first',
      );
    },
  },
  {
    name: '7 a join with a limit rejects a newcomer to a full group, and changes nothing',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const members = await fill([here, there], 2);
        const newcomer = aRecord({ data: { a: '1' } });
        await here.create(newcomer);
        const outcome = await there.joinLimited(newcomer, limitOf(2, 'reject'));
        must(outcome.is === 'full', `a full group must be reported, but the outcome was '${outcome.is}'`);
        sameIds(idsOf(outcome.members), idsOf(members), 'the members of the full group must be reported');
        sameIds(await idsOn(stores, 'g'), idsOf(members), 'a full group must keep its members');
        await bothRead(stores, newcomer, 'a newcomer that is rejected must stay as it is');
        await here.destroy(members[0]!.id);
        equals(
          (await here.joinLimited(newcomer, limitOf(2, 'reject'))).is,
          'joined',
          'it must join once there is room',
        );
        await here.clear('g');
      }
    },
  },
  {
    name: '7 a newcomer joins after all members, even if the clock by which they joined is ahead',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const ahead = upTo(2).map((index) =>
          aRecord({ groups: ['g'], joinedAt: Date.now() + 5000 + index, client: { first: 'a', last: 'a' } }),
        );
        for (const record of ahead) await here.create(record);
        for (const whenFull of ['end-oldest', 'end-least-recent'] as const) {
          const newcomer = aRecord();
          const ended = await joins(there, newcomer, limitOf(2, whenFull));
          equals(ended, [ahead.shift()!.id], `the member that joined first must make room, with ${whenFull}`);
          ahead.push(newcomer);
        }
        await here.clear('g');
      }
    },
  },
  {
    name: '7 a session that joins a group again keeps its place, and ends no other',
    async holds(stores) {
      const [here, there] = stores;
      const members = await fill(stores, 3);
      for (const whenFull of ['end-oldest', 'end-least-recent', 'reject'] as const) {
        const outcome = await there.joinLimited(members[0]!, limitOf(2, whenFull));
        equals(outcome, { is: 'joined', ended: [] }, `a second join must change nothing with ${whenFull}`);
      }
      sameIds(await idsOn(stores, 'g'), idsOf(members), 'a second join must end no session');
      const ended = await joins(here, aRecord(), limitOf(3));
      equals(
        ended,
        [members[0]!.id],
        'a second join must not move a session behind those that joined after it',
      );
    },
  },
  {
    name: '7 a join with a limit keeps the data, the other groups and the expiry of its session',
    async holds(stores) {
      const record = aRecord({ data: { a: '1' }, groups: ['h'], label: 'l' });
      await joins(stores[0], record, limitOf(1));
      const read = await stores[1].read(record.id);
      const { joinedAt } = read ?? {};
      must(Number.isInteger(joinedAt), 'a join with a limit must record when it was');
      isRecord(
        read,
        { ...record, groups: ['h', 'g'], joinedAt: joinedAt! },
        'a join with a limit must only add the group',
      );
    },
  },
  {
    name: '2 delete wins: a session that has ended cannot join with a limit, and ends no other',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const [member] = await fill([here, there], 1);
        const late = aRecord();
        await here.create(late);
        const read = (await there.read(late.id)) ?? late;
        await here.destroy(late.id);
        equals(
          await there.joinLimited(read, limitOf(1)),
          { is: 'gone' },
          'the join of a session that has ended',
        );
        await isNowhere(stores, late.id, ['g'], 'a late join with a limit must not bring a session back');
        sameIds(await idsOn(stores, 'g'), [member!.id], 'a late join with a limit must end no other session');
        await here.clear('g');
      }
    },
  },
  {
    name: '7 of parallel joins with a limit the last stay, and never more sessions than that are in use',
    async holds(stores) {
      for (const whenFull of ['end-oldest', 'end-least-recent'] as const) {
        const max = 3;
        const inUse: SessionRecord[] = [];
        const records = upTo(10).map(() => aRecord());
        await each(records, async (record, index) => {
          const store = stores[index % 2]!;
          await store.create(record);
          const outcome = await store.joinLimited(record, limitOf(max, whenFull));
          if (outcome.is === 'joined') inUse.push(record);
          // Whatever is live when it is read was live when the first read began.
          const live = await each(
            [...inUse],
            async ({ id }) => (await stores[(index + 1) % 2]!.read(id)) && id,
          );
          const count = live.filter(Boolean).length;
          must(
            count <= max,
            `never more than ${max} sessions must be in use, but ${count} were, with ${whenFull}`,
          );
        });
        const left = await idsOn(stores, 'g');
        equals(left.length, max, `of parallel newcomers ${max} must stay, with ${whenFull}`);
        sameIds(
          left.filter((id) => !inUse.some((one) => one.id === id)),
          [],
          'only those that have joined must stay',
        );
        await stores[0].clear();
      }
    },
  },
  {
    name: '7 of parallel joins that may be rejected never more than the limit are in the group',
    async holds(stores) {
      const records = upTo(8).map(() => aRecord());
      const joined: string[] = [];
      await each(records, async (record, index) => {
        const store = stores[index % 2]!;
        await store.create(record);
        const outcome = await store.joinLimited(record, limitOf(2, 'reject'));
        must(outcome.is !== 'gone', 'a newcomer that is rejected must stay live');
        if (outcome.is === 'joined') joined.push(record.id);
      });
      must(joined.length <= 2, `no more than 2 sessions must join, but ${joined.length} did`);
      sameIds(await idsOn(stores, 'g'), joined, 'only those that have joined must be in the group');
    },
  },
  {
    name: '8 a limit that is not valid is rejected with a TypeError, and nothing is written',
    async holds(stores) {
      const record = aRecord();
      await stores[0].create(record);
      const bad: unknown[] = [undefined, null];
      for (const max of [0, -1, 1.5, NaN, Infinity, '3', undefined]) bad.push({ ...limitOf(1), max });
      for (const whenFull of ['end', undefined, null, {}]) bad.push({ ...limitOf(1), whenFull });
      for (const group of [undefined, null, 42, { $ne: null }, '\ud800']) bad.push({ ...limitOf(1), group });
      for (const limit of bad) {
        await rejects(() => stores[0].joinLimited(record, limit as SessionGroupLimit), 'an invalid limit');
      }
      await bothRead(stores, record, 'an invalid limit must write nothing');
    },
  },
];
