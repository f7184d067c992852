import type { SessionChange, SessionRecord } from '../contract/record.js';
import type { SessionStore } from '../contract/store.js';
import {
  GRACE,
  aSecretHash,
  aRecord,
  bothRead,
  each,
  equals,
  inAnHour,
  inMinutes,
  rejects,
  show,
} from './vocabulary.js';
import type { SessionStoreLaw } from './law.js';

type Stores = readonly [SessionStore, SessionStore];

// Values that a request's body or query may contain where the types say string or number.
const notStrings = [undefined, null, 42, true, { $ne: null }, ['k'], '\ud800', 'a\udc00b'] as string[];
const notStringsButDefined = notStrings.slice(1);
const notInstants = [
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1.5,
  '1',
  { $gt: 0 },
] as number[];

/**
 * Runs `calls` for each of `values`, with a live session in the group `g`. Fails unless all are rejected and nothing is
 * written.
 */
async function nothingWritten<T>(
  stores: Stores,
  what: string,
  values: T[],
  calls: (store: SessionStore, value: T, record: SessionRecord) => Record<string, () => Promise<unknown>>,
): Promise<void> {
  const previous = { hash: aSecretHash(), replacedAt: Date.now(), grace: GRACE };
  const record = aRecord({ previous, data: { a: '1' }, groups: ['g'] });
  await stores[0].create(record);
  await each(values, async (value, index) => {
    const store = stores[index % 2 === 0 ? 0 : 1];
    for (const [name, call] of Object.entries(calls(store, value, record))) {
      await rejects(call, `${what} ${show(value)} for ${name}`);
    }
  });
  await bothRead(stores, record, `a call with ${what} that is rejected must write nothing`);
  const counts = [await stores[0].count(), await stores[1].count('g'), await stores[0].count('h')];
  equals(counts, [1, 1, 0], `a call with ${what} that is rejected must write nothing; the counts`);
  await stores[0].destroy(record.id);
}

/** A call of update that would be visible if it were written, with the parts in `bad`. */
const update = (store: SessionStore, record: SessionRecord, bad: SessionChange) => () =>
  store.update(record, { set: { written: '1' }, join: ['h'], ...bad });

const create = (store: SessionStore, bad: Partial<SessionRecord>) => () =>
  store.create({ ...aRecord({ groups: ['h'] }), ...bad });

/** A call of update that has no part but `change`. */
const only = (store: SessionStore, record: SessionRecord, change: SessionChange) => () =>
  store.update(record, change);

export const rejectedLaws: SessionStoreLaw[] = [
  {
    name: '8 an id that is not a well-formed string is rejected with a TypeError, and nothing is written or ended',
    async holds(stores) {
      await nothingWritten(stores, 'the id', notStrings, (store, id, record) => ({
        create: create(store, { id }),
        read: () => store.read(id),
        update: update(store, { ...record, id }, {}),
        rotate: () => store.rotate({ ...record, id }, record.secretHash, aSecretHash(), GRACE),
        destroy: () => store.destroy(id),
        'the except of a clear': () => store.clear('g', [record.id, id]),
        'the except of a clear of all': () => store.clear(undefined, [id, record.id]),
      }));
      const notIterables = [null, 42, { $ne: null }] as unknown as Iterable<string>[];
      await nothingWritten(stores, 'the except', notIterables, (store, except) => ({
        clear: () => store.clear('g', except),
        'a clear of all': () => store.clear(undefined, except),
      }));
    },
  },
  {
    name: '8 a group that is not a well-formed string is rejected with a TypeError, and nothing is written or ended',
    async holds(stores) {
      // Only `undefined` means all sessions here.
      await nothingWritten(stores, 'the group', notStringsButDefined, (store, group) => ({
        page: () => store.page({ group, limit: 10 }),
        count: () => store.count(group),
        clear: () => store.clear(group),
      }));
      await nothingWritten(stores, 'the group', notStrings, (store, group, record) => ({
        create: create(store, { groups: ['h', group] }),
        join: update(store, record, { join: ['h', group] }),
        leave: update(store, record, { leave: ['g', group] }),
      }));
    },
  },
  {
    name: '8 a name that is not a well-formed string is rejected with a TypeError, and nothing is written',
    async holds(stores) {
      await nothingWritten(stores, 'the name', notStrings, (store, name, record) => ({
        remove: update(store, record, { remove: ['a', name] }),
      }));
      await nothingWritten(stores, 'the name', ['\ud800', 'a\udc00b'], (store, name, record) => ({
        create: create(store, { data: { a: '1', [name]: '1' } }),
        set: update(store, record, { set: { a: '2', [name]: '1' } }),
      }));
    },
  },
  {
    name: '8 a secret hash that is not a well-formed string is rejected with a TypeError, and nothing is written',
    async holds(stores) {
      await nothingWritten(stores, 'the secret hash', notStrings, (store, secretHash, record) => ({
        create: create(store, { secretHash }),
        'create, as the previous one': create(store, {
          previous: { hash: secretHash, replacedAt: Date.now(), grace: GRACE },
        }),
        'rotate, as presented': () => store.rotate(record, secretHash, aSecretHash(), GRACE),
        'rotate, as the new one': () => store.rotate(record, record.secretHash, secretHash, GRACE),
        retirePrevious: update(store, record, { retirePrevious: { secretHash, validUntil: inAnHour() } }),
      }));
    },
  },
  {
    name: '8 a page is rejected with a TypeError for an `after` that is not a well-formed string, or a limit not from 1 to 1000',
    async holds(stores) {
      await nothingWritten(stores, 'the after', notStringsButDefined, (store, after) => ({
        'a page of a group': () => store.page({ group: 'g', after, limit: 10 }),
        'a page of all': () => store.page({ after, limit: 10 }),
      }));
      const limits = [
        0,
        -1,
        1001,
        1.5,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        '10',
        null,
        undefined,
      ] as number[];
      await nothingWritten(stores, 'the limit', limits, (store, limit) => ({
        'a page of a group': () => store.page({ group: 'g', limit }),
        'a page of all': () => store.page({ limit }),
      }));
    },
  },
  {
    name: '8 an instant that is not a finite whole number is rejected with a TypeError, and nothing is written',
    async holds(stores) {
      await nothingWritten(stores, 'the instant', notInstants, (store, instant, record) => ({
        'the expiresAt of a create': create(store, { expiresAt: instant }),
        'the createdAt of a create': create(store, { createdAt: instant }),
        expiresAt: update(store, record, { expiresAt: instant }),
        'touch.to': update(store, record, { touch: { from: record.expiresAt, to: instant } }),
        'touch.from': update(store, record, { touch: { from: instant, to: inMinutes(90) } }),
        'retirePrevious.validUntil': update(store, record, {
          retirePrevious: { secretHash: record.secretHash, validUntil: instant },
        }),
        'the grace of a rotation': () => store.rotate(record, record.secretHash, aSecretHash(), instant),
      }));
    },
  },
  {
    name: '8 an add or a take that is malformed, or not alone, is rejected with a TypeError, and nothing is written',
    async holds(stores) {
      await nothingWritten(stores, 'the name', notStrings, (store, name, record) => ({
        add: only(store, record, { add: { name, by: 1 } }),
        // In a change, `undefined` is no take.
        ...(name !== undefined && { take: only(store, record, { take: name }) }),
      }));
      const notSafe = [...notInstants, undefined, 2 ** 53, -(2 ** 53)] as number[];
      await nothingWritten(stores, 'the number', notSafe, (store, by, record) => ({
        add: only(store, record, { add: { name: 'a', by } }),
      }));
      const add = { name: 'a', by: 1 };
      const more: SessionChange[] = [{ set: { b: '1' } }, { join: ['h'] }, { expiresAt: inAnHour() }];
      await nothingWritten(stores, 'the other part', more, (store, part, record) => ({
        add: only(store, record, { ...part, add }),
        take: only(store, record, { ...part, take: 'a' }),
        'add and take': only(store, record, { add, take: 'a' }),
      }));
    },
  },
  {
    name: '8 a name both set and removed, or a group both joined and left, is rejected with a TypeError, and nothing is written',
    async holds(stores) {
      await nothingWritten(stores, 'the name', ['a', 'b', '', '__proto__'], (store, name, record) => ({
        'both set and remove': update(store, record, { set: { [name]: '2', c: '3' }, remove: ['d', name] }),
      }));
      await nothingWritten(stores, 'the group', ['g', 'h', '', '__proto__'], (store, group, record) => ({
        'both join and leave': update(store, record, { join: [group, 'h'], leave: ['i', group] }),
      }));
    },
  },
];
