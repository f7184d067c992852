import type { SessionChange, SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  bothWays,
  breathe,
  each,
  equals,
  inAnHour,
  inMinutes,
  isNowhere,
  rounds,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

interface LateChange {
  name: string;
  of(): SessionRecord;
  apply(store: SessionStore, record: SessionRecord): Promise<unknown>;
}

const lately = (name: string, change: (record: SessionRecord) => SessionChange): LateChange => ({
  name,
  of: () => aRecord({ data: { a: '1' }, groups: ['g'] }),
  apply: (store, record) => store.update(record, change(record)),
});

const lateChanges: LateChange[] = [
  lately('update', () => ({ set: { a: '2', b: '3' }, expiresAt: inMinutes(90) })),
  lately('join', () => ({ join: ['g', 'h'] })),
  lately('add', () => ({ add: { name: 'a', by: 1 } })),
  lately('take', () => ({ take: 'a' })),
  lately('touch', ({ expiresAt }) => ({ touch: { from: expiresAt, to: inMinutes(90) } })),
  lately('use', () => ({ seen: { at: Date.now(), client: 'a' }, label: 'b', joinedAt: Date.now() })),
  {
    name: 'rotation',
    of: () => aRecord({ data: { a: '1' }, groups: ['g'] }),
    apply: (store, record) => store.rotate(record, record.secretHash, aSecretHash(), GRACE),
  },
  {
    name: 'retirePrevious',
    of: () =>
      aRecord({ groups: ['g'], previous: { hash: aSecretHash(), replacedAt: Date.now(), grace: GRACE } }),
    apply: (store, record) =>
      store.update(record, { retirePrevious: { secretHash: record.secretHash, validUntil: inAnHour() } }),
  },
];

const endings: { name: string; end(store: SessionStore, id: string): Promise<unknown> }[] = [
  { name: 'a destroy', end: (store, id) => store.destroy(id) },
  { name: 'a clear of its group', end: (store) => store.clear('g') },
  { name: 'a clear of all', end: (store) => store.clear() },
  {
    name: 'an expiry in the past',
    end: (store, id) => store.update(aRecord({ id }), { expiresAt: inMinutes(-1) }),
  },
];

const lateLaws = lateChanges.map(({ name, of, apply }): SessionStoreLaw => ({
  name: `2 delete wins: a late ${name} of a session that was read before has no effect`,
  async holds(stores) {
    for (const ending of endings) {
      const rule = `a late ${name} after ${ending.name}`;
      for (const [here, there] of bothWays(stores)) {
        const record = of();
        await here.create(record);
        const late = [await here.read(record.id), await there.read(record.id)];
        await ending.end(here, record.id);
        for (const [index, store] of [here, there].entries()) {
          const result = await apply(store, late[index] ?? record);
          equals(result, undefined, `${rule} must resolve to undefined`);
        }
        await isNowhere(stores, record.id, ['g', 'h'], `${rule} must not bring the session back`);
        const counts = [await there.count(), await there.count('g'), await there.count('h')];
        equals(counts, [0, 0, 0], `${rule} must not be counted, among all or in a group`);
      }
    }
  },
}));

export const deleteWinsLaws: SessionStoreLaw[] = [
  ...lateLaws,
  {
    name: '2 delete wins when a destroy races updates, joins, adds, takes, touches, rotations and retirePrevious',
    async holds(stores) {
      for (const { name, of, apply } of lateChanges) {
        await rounds(async (round) => {
          const [here, there] = bothWays(stores)[round % 2] ?? stores;
          const record = of();
          await here.create(record);
          const late = (await there.read(record.id)) ?? record;
          const destroys = async () => {
            await breathe(round % 4);
            return here.destroy(record.id);
          };
          const [, destroyed] = await Promise.all([
            apply(there, late),
            destroys(),
            apply(here, record),
            apply(there, late),
          ]);
          equals(destroyed, true, `a destroy that races a late ${name} must find the session live`);
          const read = (await here.read(record.id)) ?? (await there.read(record.id));
          equals(read?.id, undefined, `a destroy that races a late ${name} must win; the id still read`);
        });
      }
      const [here, there] = stores;
      const counts = [await here.count(), await there.count('g'), await here.count('h')];
      equals(counts, [0, 0, 0], 'what was destroyed in a race must not be counted, among all or in a group');
    },
  },
  {
    name: '2 delete wins when a clear races updates, joins, adds, takes, touches, rotations and retirePrevious',
    async holds(stores) {
      const [here, there] = stores;
      for (const group of ['g', undefined]) {
        for (let round = 0; round < 8; round++) {
          const members = [...lateChanges, ...lateChanges].map(({ name, of, apply }) => ({
            name,
            record: of(),
            apply,
          }));
          await each(members, ({ record }) => here.create(record));
          const clears = async () => {
            await breathe(round % 4);
            return here.clear(group);
          };
          await Promise.all([
            each(members, ({ record, apply }) => apply(there, record)),
            clears(),
            each(members, ({ record, apply }) => apply(here, record)),
          ]);
          const what = group === undefined ? 'clear of all' : 'clear of a group';
          for (const { name, record } of members) {
            const read = await there.read(record.id);
            equals(
              read?.id,
              undefined,
              `a ${what} that races a late ${name} must destroy the session; the id still read`,
            );
          }
          const counts = [await here.count(), await there.count('g'), await here.count('h')];
          equals(counts, [0, 0, 0], `what a ${what} destroyed in a race must not be counted`);
        }
      }
    },
  },
];
