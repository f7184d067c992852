import { describe, expect, it } from 'vitest';
import { pageNamed } from '../../test/docs/pages.js';
import { planSave, type Save, type SaveFacts } from './save-plan.js';

const MINUTE = 60_000;
const LIFETIME = 100 * MINUTE;
const NOW = 1_000 * MINUTE;

/** A session that was just renewed, to which nothing has happened. */
const unchanged: SaveFacts = {
  createdAt: NOW - MINUTE,
  data: undefined,
  groups: undefined,
  label: undefined,
  cookie: undefined,
  lastSeenAt: undefined,
  recordsUse: false,
  expiresAt: NOW + LIFETIME,
  storedLifetime: LIFETIME,
  lifetime: LIFETIME,
  absoluteTimeout: Infinity,
  touchAfter: 0.1,
  now: NOW,
  isWanted: false,
  renewal: 'if due',
  isCookieDue: false,
};

const stored = (facts: Partial<SaveFacts> = {}) => planSave({ ...unchanged, ...facts });
const fresh = (facts: Partial<SaveFacts> = {}) =>
  planSave({ ...unchanged, createdAt: undefined, expiresAt: 0, ...facts });
const set = { a: '1' };

describe('a new session', () => {
  it.each<[string, Partial<SaveFacts>, boolean]>([
    ['that is empty', {}, false],
    ['whose cookie has changed', { data: { set: { cookie: '{}' } } }, false],
    ['that leaves a group', { groups: { leave: ['g'] } }, false],
    ['that was touched', { renewal: 'asked' }, false],
    ['with data', { data: { set } }, true],
    ['with data of a passive request', { data: { set }, renewal: 'never' }, true],
    ['in a group', { groups: { join: ['g'] } }, true],
    ['that is wanted', { isWanted: true }, true],
  ])('%s, with %j, is created: %s', (_, facts, isCreated) => {
    expect(fresh(facts) !== undefined).toBe(isCreated);
  });

  it('expires a lifetime from now, or at its absolute timeout, and its cookie is due', () => {
    expect(fresh({ data: { set } })).toMatchObject({
      expiresAt: NOW + LIFETIME,
      cookieDue: true,
      changed: true,
    });
    expect(fresh({ data: { set }, absoluteTimeout: 5 })?.expiresAt).toBe(NOW + 5);
  });
});

describe('a stored session', () => {
  const earlier = { expiresAt: NOW + LIFETIME - 10 * MINUTE };
  const due = { expiresAt: NOW + LIFETIME - 10 * MINUTE - 1 };

  it.each<[string, Partial<SaveFacts>, object | undefined]>([
    ['that is unchanged', {}, undefined],
    ['after a tenth of its lifetime', earlier, undefined],
    ['after more than a tenth of its lifetime', due, { touch: { from: due.expiresAt, to: NOW + LIFETIME } }],
    ['whose renewal has failed', { ...due, renewal: 'failed' }, undefined],
    [
      'that was touched',
      { ...earlier, renewal: 'asked' },
      { touch: { from: earlier.expiresAt, to: NOW + LIFETIME } },
    ],
    ['whose cookie is due', { isCookieDue: true }, {}],
    ['with new data', { data: { set } }, { set }],
    ['with less data', { data: { remove: ['a'] } }, { remove: ['a'] }],
    ['that joins and leaves', { groups: { join: ['g'], leave: ['h'] } }, { join: ['g'], leave: ['h'] }],
    ['with another cookie', { data: { set: { cookie: '{}' } } }, { set: { cookie: '{}' } }],
    ['with another lifetime', { data: { set }, lifetime: MINUTE }, { set, expiresAt: NOW + MINUTE }],
    ['that changes after its renewal has failed', { data: { set }, renewal: 'failed' }, { set }],
  ])('%s is updated with its changes only', (_, facts, change) => {
    expect(stored(facts)?.change).toEqual(change);
  });

  it('sends a cookie that is due, and counts as changed only if more than its expiry is written', () => {
    expect(stored({ isCookieDue: true })).toMatchObject({ cookieDue: true, changed: false });
    expect(stored(due)).toMatchObject({ cookieDue: false, changed: false });
    expect(stored({ data: { remove: ['cookie'] } })).toMatchObject({ cookieDue: false, changed: true });
  });

  it('is renewed after the part touchAfter of its lifetime', () => {
    const touchAfter = 0.01;
    expect(stored({ touchAfter, expiresAt: NOW + LIFETIME - MINUTE })).toBeUndefined();
    const expiresAt = NOW + LIFETIME - MINUTE - 1;
    expect(stored({ touchAfter, expiresAt })?.change).toEqual({
      touch: { from: expiresAt, to: NOW + LIFETIME },
    });
  });

  it.each<[string, Partial<SaveFacts>, object | undefined]>([
    ['that only reads', due, undefined],
    ['whose cookie must reach the client', { ...due, isCookieDue: true }, {}],
    ['with new data', { ...due, data: { set } }, { set }],
    ['that joins a group', { ...due, groups: { join: ['g'] } }, { join: ['g'] }],
    ['with another lifetime', { ...due, data: { set }, lifetime: MINUTE }, { set, expiresAt: NOW + MINUTE }],
  ])('in a passive request %s is updated without its expiry', (_, facts, change) => {
    const plan = stored({ ...facts, renewal: 'never' });
    expect(plan?.change).toEqual(change);
    if (plan && facts.lifetime === undefined) expect(plan.expiresAt).toBe(due.expiresAt);
  });

  it('does not outlive its absolute timeout', () => {
    const createdAt = NOW - 5 * MINUTE;
    expect(stored({ createdAt, absoluteTimeout: 6 * MINUTE })?.change).toEqual({
      touch: { from: NOW + LIFETIME, to: NOW + MINUTE },
    });
  });
});

/** The rows of the table in docs/explain/when-a-session-is-saved.md, each with what it describes. */
const documented: [session: string, request: string, plan: Save | undefined][] = [
  ['new', 'stores nothing', fresh()],
  ['new', 'changes only the cookie', fresh({ data: { set: { cookie: '{}' } } })],
  ['new', 'calls `touch()`', fresh({ renewal: 'asked' })],
  ['new', 'sets a property', fresh({ data: { set } })],
  ['new', 'joins a group', fresh({ groups: { join: ['g'] } })],
  ['new', 'sets a label', fresh({ label: 'l' })],
  ['new', 'calls `save()`', fresh({ isWanted: true })],
  ['stored', 'only reads, within a tenth of the lifetime', stored({ expiresAt: NOW + 91 * MINUTE })],
  ['stored', 'only reads, after more than a tenth', stored({ expiresAt: NOW + 89 * MINUTE })],
  [
    'stored',
    'only reads, and the browser needs its cookie again',
    stored({ isCookieDue: true, expiresAt: NOW + 99 * MINUTE }),
  ],
  ['stored', 'calls `touch()`', stored({ renewal: 'asked', expiresAt: NOW + 99 * MINUTE })],
  ['stored', 'sets a property', stored({ data: { set } })],
  ['stored', 'removes a property', stored({ data: { remove: ['a'] } })],
  ['stored', 'joins a group', stored({ groups: { join: ['g'] } })],
  ['stored', 'leaves a group', stored({ groups: { leave: ['g'] } })],
  ['stored', 'sets a label', stored({ label: 'l' })],
  [
    'stored',
    'sets a property, some time after the last renewal',
    stored({ data: { set }, expiresAt: NOW + 99 * MINUTE }),
  ],
  ['stored', 'sets `cookie.maxAge`', stored({ data: { set: { cookie: '{}' } }, lifetime: MINUTE })],
  [
    'stored',
    'only reads, and the renewal failed',
    stored({ renewal: 'failed', expiresAt: NOW + 89 * MINUTE }),
  ],
  [
    'stored',
    'only reads, and its last recorded use is less than five minutes old',
    stored({ recordsUse: true, lastSeenAt: NOW - 5 * MINUTE + 1 }),
  ],
  [
    'stored',
    'only reads, and its last recorded use is five minutes old',
    stored({ recordsUse: true, lastSeenAt: NOW - 5 * MINUTE }),
  ],
  ['stored', 'only reads, and its use was never recorded', stored({ recordsUse: true })],
  [
    'stored',
    'has joined a group with a limit, which created it',
    stored({ renewal: 'owed', expiresAt: NOW + MINUTE }),
  ],
  ['stored', 'is passive, and only reads', stored({ renewal: 'never', expiresAt: NOW + 89 * MINUTE })],
  [
    'stored',
    'is passive, and sets a property',
    stored({ renewal: 'never', data: { set }, expiresAt: NOW + 89 * MINUTE }),
  ],
];

it('the table of docs/explain/when-a-session-is-saved.md says what each save sends', () => {
  const { sections } = pageNamed('docs/explain/when-a-session-is-saved.md');
  const { text } = sections.find(({ title }) => title === 'What one save sends')!;
  const rows = text.split('\n').filter((line) => line.startsWith('| '));
  expect(rows).toEqual([
    '| the session is | the request | the save sends |',
    '| --- | --- | --- |',
    ...documented.map(([session, request, plan]) => `| ${session} | ${request} | ${sentBy(session, plan)} |`),
  ]);
});

/** What a save sends, in the words of that table. */
function sentBy(session: string, plan: Save | undefined): string {
  if (plan === undefined) return 'nothing';
  if (session === 'new') return 'a create';
  if (plan.isUseOnly) return 'an update: the use alone';
  const parts = [
    plan.change.set && `the new value of ${named(Object.keys(plan.change.set))}`,
    plan.change.remove && 'the removed name',
    plan.change.join && 'the group to join',
    plan.change.leave && 'the group to leave',
    plan.change.label !== undefined && 'the label',
    plan.change.expiresAt !== undefined && 'the new expiry',
    plan.change.touch && 'the renewed expiry',
  ].filter((part) => typeof part === 'string');
  return `an update: ${parts.join(', ')}`;
}

function named(names: string[]): string {
  return names.includes('cookie') ? 'the cookie' : 'the property';
}
