import { describe, expect, it } from 'vitest';
import {
  after,
  CURRENT,
  NEW,
  SUPERSEDED,
  verdictOn,
  type Call,
  type Event,
  type Standing,
} from './standing.js';

type StoreError = Extract<Event, { type: 'unreachable' }>['error'];
type Rejection = NonNullable<Extract<Event, { type: 'gone' }>['rejection']>;

const unreachable = new Error('redis is unreachable') as StoreError;
const rejection = new Error('the login was rejected') as Rejection;

const offline = after({ type: 'unreachable', error: unreachable }, CURRENT);
const destroyed = after({ type: 'destroyed' }, CURRENT);
const regenerated = after({ type: 'regenerated' }, CURRENT);
const gone = after({ type: 'gone' }, CURRENT);
const rejected = after({ type: 'gone', rejection }, CURRENT);
const left = (before: Standing): Standing => ({ is: 'left', before });

/** Every standing, by a name. */
const STANDINGS = {
  new: NEW,
  current: CURRENT,
  superseded: SUPERSEDED,
  offline,
  'left, current': left(CURRENT),
  'left, offline': left(offline),
  destroyed,
  regenerated,
  'ended elsewhere': gone,
  'rejected at login': rejected,
} satisfies Record<string, Standing>;
type Name = keyof typeof STANDINGS;

describe('a call', () => {
  const CALLS: Call[] = [
    'save',
    'reload',
    'destroy',
    'regenerate',
    'rotate',
    'add',
    'take',
    'group',
    'assign',
  ];
  /** In the order of CALLS: `acts`, `-` for nothing, `gone` for a `SessionGoneError` of the call, or the very error. */
  const TABLE: Record<Name, (string | Error)[]> = {
    new: ['acts', 'gone', 'acts', 'acts', '-', 'acts', 'acts', 'acts', 'acts'],
    current: ['acts', 'acts', 'acts', 'acts', 'acts', 'acts', 'acts', 'acts', 'acts'],
    superseded: ['acts', 'acts', 'acts', 'acts', '-', 'acts', 'acts', 'acts', 'acts'],
    offline: CALLS.map(() => unreachable),
    'left, current': ['gone', 'gone', 'acts', 'acts', 'gone', 'gone', 'gone', 'acts', '-'],
    'left, offline': ['gone', 'gone', unreachable, unreachable, 'gone', 'gone', 'gone', unreachable, '-'],
    destroyed: ['gone', 'gone', '-', 'acts', 'gone', 'gone', 'gone', 'acts', '-'],
    regenerated: ['gone', 'gone', '-', 'acts', 'gone', 'gone', 'gone', 'acts', '-'],
    'ended elsewhere': ['gone', 'gone', '-', 'acts', 'gone', 'gone', 'gone', 'acts', '-'],
    'rejected at login': ['gone', 'gone', '-', 'acts', 'gone', 'gone', 'gone', 'acts', rejection],
  };

  it.each(
    (Object.keys(TABLE) as Name[]).flatMap((name) =>
      CALLS.map((call, index) => [name, call, TABLE[name][index]!] as const),
    ),
  )('on a session that is %s: %s → %s', (name, call, expected) => {
    const verdict = verdictOn(call, STANDINGS[name]);
    if (expected === 'gone')
      expect(verdict).toMatchObject({
        name: 'SessionGoneError',
        message: expect.stringMatching(`^${call}:`),
      });
    else expect(verdict).toBe(expected === '-' ? 'does nothing' : expected);
  });
});

describe('an event', () => {
  const error = new Error('redis is unreachable again') as StoreError;
  const later = new Error('another login was rejected') as Rejection;
  const EVENTS: Event[] = [
    { type: 'confirmed' },
    { type: 'superseded' },
    { type: 'unreachable', error },
    { type: 'left' },
    { type: 'destroyed' },
    { type: 'regenerated' },
    { type: 'gone' },
    { type: 'gone', rejection: later },
  ];
  const ENDINGS: Standing[] = [destroyed, regenerated, gone, { is: 'ended', by: 'others', rejection: later }];
  const ofLive = (standing: Standing): Standing[] => [
    CURRENT,
    SUPERSEDED,
    { is: 'offline', error },
    left(standing),
    ...ENDINGS,
  ];
  /** A session that has ended or was left stays so, unless it is ended again. */
  const ofOver = (standing: Standing): Standing[] => [standing, standing, standing, standing, ...ENDINGS];

  it.each(
    (Object.keys(STANDINGS) as Name[]).flatMap((name) => {
      const standing: Standing = STANDINGS[name];
      const isOver = standing.is === 'ended' || standing.is === 'left';
      const expected = isOver ? ofOver(standing) : ofLive(standing);
      return EVENTS.map((event, index) => [name, event.type, event, expected[index]!] as const);
    }),
  )('of a session that is %s: %s', (name, _, event, expected) => {
    expect(after(event, STANDINGS[name])).toEqual(expected);
  });
});
