import type { SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  aRecord,
  bothRead,
  bothWays,
  breathe,
  each,
  equals,
  inMinutes,
  isNowhere,
  must,
  rounds,
  someRecords,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

/** The ways in which others end a session. */
const endings: { name: string; end(store: SessionStore, id: string): Promise<unknown> }[] = [
  { name: 'a destroy', end: (store, id) => store.destroy(id) },
  { name: 'a clear of its group', end: (store) => store.clear('g') },
  { name: 'a clear of all', end: (store) => store.clear() },
];

const anExpiry = {
  name: 'an expiry in the past',
  end: (store: SessionStore, id: string) => store.update(aRecord({ id }), { expiresAt: inMinutes(-1) }),
};

/** What a request creates in the place of a session that it has regenerated. */
function successorOf({ id, from = [] }: SessionRecord, some: Partial<SessionRecord> = {}): SessionRecord {
  return aRecord({ data: { a: '1' }, groups: ['g'], from: [...from, id], ...some });
}

const takes = (creating: Promise<boolean>) =>
  creating.then(
    () => true,
    () => false,
  );

/** Regenerates a session as a request does. Resolves to its successor; `undefined` if it must have none. */
async function regenerated(
  store: SessionStore,
  record: SessionRecord,
  work: () => Promise<void> = async () => {},
): Promise<SessionRecord | undefined> {
  if (!(await store.regenerate(record.id))) return undefined;
  await work();
  const successor = successorOf(record);
  return (await store.create(successor)) ? successor : undefined;
}

export const regenerateLaws: SessionStoreLaw[] = [
  {
    name: '2 the id of a session that has ended cannot be used again',
    async holds(stores) {
      const all = [
        ...endings,
        anExpiry,
        { name: 'a regenerate', end: (store: SessionStore, id: string) => store.regenerate(id) },
      ];
      for (const [here, there] of bothWays(stores)) {
        for (const { name, end } of all) {
          const record = aRecord({ data: { a: '1' }, groups: ['g'] });
          await here.create(record);
          await end(there, record.id);
          for (const again of [record, aRecord({ id: record.id, groups: ['g'] })]) {
            equals(
              await takes(here.create(again)),
              false,
              `a create under an id after ${name} must reject; did it resolve`,
            );
          }
          await isNowhere(stores, record.id, ['g'], `a create under an id after ${name} must write nothing`);
        }
      }
    },
  },
  {
    name: '2 a session that was regenerated is gone, and its successor knows the sessions that it came from',
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const record = aRecord({ data: { a: '1' }, groups: ['g', 'h'] });
        await here.create(record);
        equals(
          await there.regenerate(record.id),
          true,
          'a regenerate of a live session must resolve to true',
        );
        await isNowhere(stores, record.id, ['g', 'h'], 'a session that was regenerated');
        const counts = [await here.count(), await there.count('g'), await here.count('h')];
        equals(
          counts,
          [0, 0, 0],
          'a session that was regenerated must not be counted, among all or in a group',
        );
        equals(
          await here.destroy(record.id),
          false,
          'a destroy of a session that was regenerated must resolve to false',
        );

        const other = aRecord();
        await here.create(other);
        await there.regenerate(other.id);
        const successor = successorOf(other, { from: ['one', other.id] });
        equals(await here.create(successor), true, 'the create of a successor must resolve to true');
        await there.update(successor, { set: { b: '2' }, leave: ['g'] });
        const expected = { ...successor, data: { a: '1', b: '2' }, groups: [] };
        await bothRead(stores, expected, 'a successor must keep `from` through changes');
        equals(await there.destroy(successor.id), true, 'a successor must be destroyed like any session');
      }
    },
  },
  {
    name: '2 two simultaneous regenerates of one session both succeed, as two logins at once do',
    async holds(stores) {
      await rounds(async (round) => {
        const [here, there] = bothWays(stores)[round % 2] ?? stores;
        const record = aRecord({ groups: ['g'] });
        await here.create(record);
        const successors = await Promise.all([
          regenerated(here, record, () => breathe(round % 3)),
          regenerated(there, record, () => breathe(round % 4)),
        ]);
        for (const successor of successors) {
          must(
            successor !== undefined,
            'a session that is regenerated twice at once must get both successors',
          );
          await bothRead(
            stores,
            successor,
            'a session that is regenerated twice at once must get both successors',
          );
        }
      });
    },
  },
  {
    name: '2 a session that expired or was never created may have a successor',
    async holds([here, there]) {
      const record = aRecord({ groups: ['g'] });
      equals(await here.haveEnded([record.id]), false, 'a session that was never created has not ended');
      equals(
        await here.regenerate(record.id),
        true,
        'a regenerate of a session that is gone must resolve to true',
      );
      equals(await there.create(successorOf(record)), true, 'a create of its successor must resolve to true');
    },
  },
  ...[...endings, anExpiry].map(({ name, end }): SessionStoreLaw => ({
    name: `2 after ${name}, a request in progress cannot create a successor of the session`,
    async holds(stores) {
      for (const [here, there] of bothWays(stores)) {
        const before = aRecord({ groups: ['g'] });
        await here.create(before);
        await end(there, before.id);
        equals(await here.regenerate(before.id), false, `a regenerate after ${name} must resolve to false`);
        equals(
          await there.regenerate(before.id),
          false,
          `a second regenerate after ${name} must resolve to false`,
        );
        equals(await there.haveEnded(['other', before.id]), true, `${name} must be known to haveEnded`);
        const late = successorOf(before);
        equals(await here.create(late), false, `a create of a successor after ${name} must resolve to false`);
        await isNowhere(stores, late.id, ['g'], `a create of a successor after ${name} must leave nothing`);

        if (name === anExpiry.name) continue;
        const during = aRecord({ groups: ['g'] });
        await here.create(during);
        await here.regenerate(during.id);
        equals(
          await there.haveEnded([during.id]),
          false,
          'a session that was only regenerated must not count as ended',
        );
        await end(there, during.id);
        const successor = successorOf(during, { from: [during.id, 'the last of them'] });
        equals(
          await here.create(successor),
          false,
          `a create of a successor must resolve to false after ${name} of the session before it`,
        );
        await isNowhere(stores, successor.id, ['g'], `a create of a successor after ${name}`);
      }
    },
  })),
  {
    name: '2 requests that regenerate a session while it is destroyed leave no successor',
    async holds(stores) {
      await rounds(async (round) => {
        const [here, there] = bothWays(stores)[round % 2] ?? stores;
        const record = aRecord();
        await here.create(record);
        let isDestroyed = false;
        const destroys = async () => {
          await breathe(round % 6);
          const wasLive = await here.destroy(record.id);
          isDestroyed = true;
          return wasLive;
        };
        const request = async (store: SessionStore, turns: number) => {
          await breathe(turns % 3);
          let mustFail = false;
          const successor = await regenerated(store, record, async () => {
            await breathe(turns);
            mustFail = isDestroyed;
          });
          must(
            !mustFail || !successor,
            'a successor must not be created once a destroy of the session before it has resolved',
          );
          return successor;
        };
        const [wasLive, ...successors] = await Promise.all([
          destroys(),
          request(there, 1 + (round % 5)),
          request(here, 2 + (round % 4)),
        ]);
        if (wasLive) {
          const none = [undefined, undefined];
          equals(successors, none, 'a session that was live when it was destroyed must have no successor');
        }
        for (const successor of successors) {
          if (successor)
            await bothRead(stores, successor, 'a successor whose create resolved to true must be live');
        }
      });
    },
  },
  {
    name: '7 a session that is regenerated while its group is cleared is cleared',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        for (let round = 0; round < 6; round++) {
          const members = someRecords(8, { groups: ['g'] });
          await each(members, (record) => here.create(record));
          // Each member is regenerated again and again, by several requests at once.
          const over = new AbortController();
          const chain = async (record: SessionRecord, index: number) => {
            await breathe((index + round) % 7);
            let held: SessionRecord | undefined = record;
            for (let hop = 0; held && !over.signal.aborted; hop++) {
              const store = (index + hop) % 2 === 0 ? here : there;
              held = await regenerated(store, held, () => breathe((index + hop) % 3));
            }
          };
          const requests = each([...members, ...members], chain);
          await breathe(round % 8);
          await there.clear(group);
          over.abort();
          await requests;
          const left = [await here.count(group), await there.count(group)];
          equals(
            left,
            [0, 0],
            'a clear must end what its members are regenerated into meanwhile; how many are left',
          );
        }
      }
    },
  },
  {
    name: '7 a clear does not end the successors of a session that it keeps, nor those of other groups',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        const [origin, other] = [aRecord({ groups: ['g'] }), aRecord({ groups: ['h'] })];
        await each([origin, other], (record) => here.create(record));
        const kept = await regenerated(here, origin);
        must(kept !== undefined, 'a session that no one ended must have a successor');
        await there.regenerate(other.id);
        equals(await there.clear(group, kept.id), 0, 'a clear must not count sessions that were regenerated');
        equals(
          await there.haveEnded([origin.id]),
          false,
          'a session whose successor a clear keeps must not count as ended',
        );
        const next = await regenerated(there, kept);
        must(next !== undefined, 'a session that a clear keeps must be regenerated like any other');
        const elsewhere = await here.create(successorOf(other, { groups: ['h'] }));
        equals(
          elsewhere,
          group !== undefined,
          'a clear must end the regenerated sessions of its group, and no others',
        );
        await here.clear();
      }
    },
  },
];
