import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionRecord } from '../../../contract/record.js';
import { aRecord } from '../../../../test/record.js';
import { deltaOf, encodeRecord, type JournalEntry } from './entries.js';
import { Replay, entriesOf, sizeOf, type JournaledState } from './state.js';

const NOW = 1_000_000;
const LATER = NOW + 1;

function stateAfter(...entries: JournalEntry[]): JournaledState {
  const replay = new Replay();
  for (const entry of entries) {
    // As it comes from a file.
    expect(replay.apply(JSON.parse(JSON.stringify(entry)) as JournalEntry)).toBe(true);
  }
  return replay.stateAt(NOW);
}

function recordWith(some: Partial<SessionRecord> = {}): SessionRecord {
  const record = aRecord('a', { expiresAt: LATER, ...some });
  return { ...record, data: Object.assign(Object.create(null), record.data) as Record<string, string> };
}

const put = (record: SessionRecord): JournalEntry => ['put', 'sessions', encodeRecord(record)];
const endOf = (id: string, until: number, groups: string[] | null = null): JournalEntry => [
  'end',
  'sessions',
  id,
  until,
  groups,
];

describe('after the entries of a journal', () => {
  it('a session has what was last written of it', () => {
    const before = recordWith({ groups: ['g'], from: ['b'] });
    const after = recordWith({ groups: [], previous: { hash: 'p', replacedAt: 1, grace: 2 }, from: ['b'] });
    const state = stateAfter(put(before), ['change', 'sessions', 'a', deltaOf(before, after)]);
    expect(state.get('sessions')?.records).toEqual([after]);
  });

  it('a session that ended is a tombstone, with the groups that it had if it was regenerated', () => {
    const state = stateAfter(put(recordWith()), endOf('a', LATER, ['g']), endOf('b', LATER));
    expect(state.get('sessions')).toEqual({
      records: [],
      tombstones: [
        { id: 'a', until: LATER, groups: ['g'] },
        { id: 'b', until: LATER, groups: undefined },
      ],
    });
  });

  it('a session that was dropped leaves nothing', () => {
    expect(sizeOf(stateAfter(put(recordWith()), ['drop', 'sessions', 'a']))).toBe(0);
  });

  it('sessions and tombstones that have expired are left out', () => {
    expect(sizeOf(stateAfter(put(recordWith({ expiresAt: NOW })), endOf('b', NOW)))).toBe(0);
  });

  it('tombstones are in the order in which they expire', () => {
    const state = stateAfter(endOf('a', LATER), endOf('b', LATER + 1), endOf('a', LATER + 2));
    expect(state.get('sessions')?.tombstones.map(({ id }) => id)).toEqual(['b', 'a']);
  });

  it('names are apart', () => {
    const state = stateAfter(put(recordWith()), ['end', 'other', 'a', LATER, null]);
    expect(state.get('sessions')?.records).toHaveLength(1);
    expect(state.get('other')?.records).toHaveLength(0);
  });

  it.each<[string, JournalEntry]>([
    ['a change of no session', ['change', 'sessions', 'x', {}]],
    ['a drop of no session', ['drop', 'sessions', 'x']],
    ['an unknown entry', ['unknown', 'sessions', 'x'] as unknown as JournalEntry],
  ])('%s does not fit', (_, entry) => {
    expect(new Replay().apply(entry)).toBe(false);
  });

  it('the entries of a state make the same state', () => {
    const state = stateAfter(put(recordWith({ from: ['b'] })), endOf('b', LATER, ['g']), [
      'end',
      'other',
      'a',
      LATER,
      null,
    ]);
    const entries = [...entriesOf(state)];
    expect(entries).toHaveLength(sizeOf(state));
    expect(stateAfter(...entries)).toEqual(state);
  });
});

describe('what differs between two records', () => {
  const data = fc
    .dictionary(fc.constantFrom('a', 'b', '__proto__', '\\', '"', ''), fc.constantFrom('1', '2'), {
      noNullPrototype: false,
    })
    .map((texts) => Object.assign(Object.create(null), texts) as Record<string, string>);
  const record = fc.record(
    {
      id: fc.constant('a'),
      secretHash: fc.constantFrom('x', 'y'),
      data,
      groups: fc.subarray(['g', 'h']),
      createdAt: fc.constant(1),
      expiresAt: fc.constantFrom(LATER, LATER + 1),
      previous: fc.record({ hash: fc.constant('p'), replacedAt: fc.nat(2), grace: fc.constant(1) }),
      from: fc.subarray(['b', 'c']),
      // A field of a later version.
      label: fc.option(fc.string(), { nil: undefined }),
    },
    { requiredKeys: ['id', 'secretHash', 'data', 'groups', 'createdAt', 'expiresAt'] },
  );

  it('makes the second of the first', () => {
    fc.assert(
      fc.property(record, record, (before, after) => {
        const state = stateAfter(put(before), ['change', 'sessions', 'a', deltaOf(before, after)]);
        const expected = Object.fromEntries(Object.entries(after).filter(([, value]) => value !== undefined));
        expect(state.get('sessions')?.records).toEqual([expected]);
        expect(Object.keys(state.get('sessions')!.records[0]!.data).toSorted()).toEqual(
          Object.keys(after.data).toSorted(),
        );
      }),
    );
  });

  it('is as long as the change, and not as the session', () => {
    const before = recordWith({ data: { large: 'x'.repeat(10_000) } });
    const after = { ...before, expiresAt: LATER + 1, data: { ...before.data, b: '1' } };
    expect(JSON.stringify(deltaOf(before, after)).length).toBeLessThan(100);
  });
});
