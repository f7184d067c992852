import type { SessionRecord, SessionStore } from 'nestjs-session-stores/store';
import { paged } from './agreement.js';

/**
 * The sessions of a call: `a` in the groups g and h, `b` in g, `c`, which is not created before, and `d`, which was in g
 * and h and was regenerated.
 */
export interface Sessions {
  a: SessionRecord;
  b: SessionRecord;
  c: SessionRecord;
  d: SessionRecord;
}

/** A call of a store while the slot of its sessions moves. */
export interface Call {
  run(store: SessionStore, sessions: Sessions): Promise<unknown>;
  /** What it resolves to. */
  returns?: unknown;
  /** The sessions after it, if it resolves. Absent if it changes none. */
  leaves?(sessions: Sessions): SessionRecord[];
  /** The message of an error which the call has with or without a move. */
  fails?: RegExp;
  /**
   * When it must work: `always` if it needs one key at a time; `together` while all existing keys are on one node;
   * `moved` when they are on the node that the slot enters. Absent if it may fail throughout the move.
   */
  works?: 'always' | 'together' | 'moved';
}

const secretHash = (result: { secretHash: string } | undefined) => result?.secretHash;

/** The calls by what they are. */
export const calls: Record<string, Call> = {
  'a read': {
    run: (store, { a }) => store.read(a.id).then((record) => record?.groups),
    returns: ['g', 'h'],
    works: 'always',
  },
  'a page of a group': {
    run: async (store) => (await paged(store, 'g')).length,
    returns: 2,
    works: 'always',
  },
  'a page of all': { run: async (store) => (await paged(store)).length, returns: 2, works: 'always' },
  'a count of a group': { run: (store) => store.count('g'), returns: 2, works: 'together' },
  'a count of an absent group': { run: (store) => store.count('new'), returns: 0, works: 'always' },
  'a count of all': { run: (store) => store.count(), returns: 2, works: 'always' },
  'a change of data': {
    run: (store, { a }) => store.update(a, { set: { b: '2' }, remove: ['a'] }).then(secretHash),
    returns: 'secretHash',
    leaves: ({ a, b }) => [{ ...a, data: { b: '2' } }, b],
    works: 'always',
  },
  'a rotation': {
    run: (store, { a }) => store.rotate(a, a.secretHash, 'next', 0),
    returns: 'next',
    leaves: ({ a, b }) => [{ ...a, secretHash: 'next' }, b],
    works: 'always',
  },
  'a touch': {
    run: (store, { a: { id, expiresAt } }) =>
      store
        .update({ id }, { set: { b: '2' }, touch: { from: expiresAt, to: expiresAt + 9 } })
        .then(secretHash),
    returns: 'secretHash',
    leaves: ({ a, b }) => [{ ...a, data: { a: '1', b: '2' }, expiresAt: a.expiresAt + 9 }, b],
    works: 'together',
  },
  'a join of a group in use': {
    run: (store, { b }) => store.update(b, { set: { b: '2' }, join: ['h'] }).then(secretHash),
    returns: 'secretHash',
    leaves: ({ a, b }) => [a, { ...b, data: { a: '1', b: '2' }, groups: ['g', 'h'] }],
    works: 'together',
  },
  'a join of a new group': {
    run: (store, { a }) => store.update(a, { join: ['new'] }).then(secretHash),
    returns: 'secretHash',
    leaves: ({ a, b }) => [{ ...a, groups: ['g', 'h', 'new'] }, b],
  },
  'a leave': {
    run: (store, { a }) => store.update(a, { leave: ['h', 'h', 'never joined'] }).then(secretHash),
    returns: 'secretHash',
    leaves: ({ a, b }) => [{ ...a, groups: ['g'] }, b],
    works: 'together',
  },
  'a leave of all groups': {
    run: (store, { a }) => store.update(a, { leave: ['h', 'g'] }).then(secretHash),
    returns: 'secretHash',
    leaves: ({ a, b }) => [{ ...a, groups: [] }, b],
    works: 'together',
  },
  'an end by a change': {
    run: (store, { a }) => store.update(a, { expiresAt: 0 }),
    leaves: ({ b }) => [b],
    works: 'together',
  },
  'a destroy': {
    run: (store, { a }) => store.destroy(a.id),
    returns: true,
    leaves: ({ b }) => [b],
    works: 'together',
  },
  'a destroy of an absent session': {
    run: (store, { c }) => store.destroy(c.id),
    returns: false,
    works: 'always',
  },
  'a destroy of a regenerated session': {
    run: (store, { d }) => store.destroy(d.id),
    returns: false,
    works: 'always',
  },
  'a regenerate': {
    run: (store, { a }) => store.regenerate(a.id),
    returns: true,
    leaves: ({ b }) => [b],
    works: 'together',
  },
  'a repeated regenerate': { run: (store, { d }) => store.regenerate(d.id), returns: true, works: 'always' },
  'a question whether sessions have ended': {
    run: (store, { a, d }) => store.haveEnded([a.id, d.id]),
    returns: false,
    works: 'always',
  },
  'a clear of a group': {
    run: async (store, { d }) => [await store.clear('g'), await store.haveEnded([d.id])],
    returns: [2, true],
    leaves: () => [],
    works: 'together',
  },
  'a clear of a group of one': {
    run: (store) => store.clear('h'),
    returns: 1,
    leaves: ({ b }) => [b],
    works: 'together',
  },
  'a clear with an exception': {
    run: (store, { a }) => store.clear('g', [a.id]),
    returns: 1,
    leaves: ({ a }) => [a],
    works: 'together',
  },
  'a clear of an absent group': { run: (store) => store.clear('new'), returns: 0, works: 'always' },
  'a clear of all': { run: (store) => store.clear(), returns: 2, leaves: () => [], works: 'together' },
  'a create': {
    run: (store, { c }) => store.create(c),
    returns: true,
    leaves: ({ a, b, c }) => [a, b, c],
    works: 'moved',
  },
  'a create in a group in use': {
    run: (store, { c }) => store.create({ ...c, groups: ['g'] }),
    returns: true,
    leaves: ({ a, b, c }) => [a, b, { ...c, groups: ['g'] }],
    works: 'moved',
  },
  'a create in a new group': {
    run: (store, { c }) => store.create({ ...c, groups: ['new'] }),
    returns: true,
    leaves: ({ a, b, c }) => [a, b, { ...c, groups: ['new'] }],
  },
  'a repeated create': { run: (store, { a }) => store.create(a), returns: true, works: 'always' },
  'a create with the id of a regenerated session': {
    run: (store, { d }) => store.create(d),
    fails: /the id is in use by another session, or was/,
    works: 'always',
  },
  'a create with an id in use': {
    run: (store, { a }) => store.create({ ...a, secretHash: 'another' }),
    fails: /the id is in use by another session/,
    works: 'always',
  },
};
