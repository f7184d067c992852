import { describe, expect, it } from 'vitest';
import type { SessionChange } from '../../contract/record.js';
import { aRecord } from '../../../test/record.js';
import { mustAnnounce } from './announcer.js';
import { Budget } from './budget.js';
import { Sessions } from './sessions.js';

/** What a watcher of sessions has heard. */
function listen(sessions: Sessions) {
  const heard: [string, ...string[]][] = [];
  const source = sessions.watch({
    heard: (type, ids) => heard.push([type, ...ids]),
    lost: (reason) => heard.push(['lost', reason]),
  });
  return { heard, source };
}

function sessionsWith(...ids: string[]): Sessions {
  const sessions = new Sessions();
  for (const id of ids) sessions.create(aRecord(id, { groups: ['g'] }));
  return sessions;
}

const turnEnds = () => Promise.resolve();

describe('a change of a session is announced in its turn of the event loop', () => {
  it.each<[string, string, (sessions: Sessions) => unknown]>([
    ['changed', 'an update', (sessions) => sessions.update('a', { set: { b: '1' } })],
    ['ended', 'an update with an expiry in the past', (sessions) => sessions.update('a', { expiresAt: 1 })],
    ['rotated', 'a rotation', (sessions) => sessions.rotate('a', 'secretHash', 'next', 0)],
    ['ended', 'a destroy', (sessions) => sessions.destroy('a')],
    ['ended', 'a regeneration', (sessions) => sessions.regenerate('a')],
    ['ended', 'a clear', (sessions) => sessions.clear('g', new Set())],
  ])('as `%s` after %s', async (type, _, act) => {
    const sessions = sessionsWith('a');
    const { heard } = listen(sessions);
    act(sessions);
    expect(heard).toEqual([]);
    await turnEnds();
    expect(heard).toEqual([[type, 'a']]);
  });

  it('in one list for each kind, in order', async () => {
    const sessions = sessionsWith('a', 'b', 'c');
    const { heard } = listen(sessions);
    sessions.update('a', { set: { b: '1' } });
    sessions.update('b', { set: { b: '1' } });
    sessions.clear(undefined, new Set(['b']));
    sessions.update('b', { set: { b: '2' } });
    await turnEnds();
    expect(heard).toEqual([
      ['changed', 'a', 'b'],
      ['ended', 'a', 'c'],
      ['changed', 'b'],
    ]);
  });

  it('or at the next probe, if that comes first', () => {
    const sessions = sessionsWith('a');
    const { heard, source } = listen(sessions);
    sessions.destroy('a');
    void source.probe();
    expect(heard).toEqual([['ended', 'a']]);
  });
});

describe('a session that is dropped for room is announced as ended', () => {
  it('if there are too many', async () => {
    const sessions = new Sessions(2);
    const { heard } = listen(sessions);
    for (const id of ['a', 'b', 'c', 'd']) sessions.create(aRecord(id));
    await turnEnds();
    expect(heard).toEqual([['ended', 'a', 'b']]);
  });

  it('if they take too many bytes, as another grows', async () => {
    const sessions = new Sessions(10, new Budget(5000));
    for (const id of ['a', 'b', 'c']) sessions.create(aRecord(id, { groups: id === 'c' ? ['g'] : [] }));
    const { heard } = listen(sessions);
    sessions.update('c', { set: { b: JSON.stringify('x'.repeat(3000)) } });
    await turnEnds();
    expect(heard).toEqual([
      ['ended', 'a'],
      ['changed', 'c'],
    ]);
  });
});

describe('nothing is announced', () => {
  it.each<[string, (sessions: Sessions) => unknown]>([
    ['a new session', (sessions) => sessions.create(aRecord('b'))],
    ['a read', (sessions) => sessions.read('a')],
    ['an update without a change', (sessions) => sessions.update('a', {})],
    ['an update of no session', (sessions) => sessions.update('x', { set: { b: '1' } })],
    ['a rotation to the current secret', (sessions) => sessions.rotate('a', 'x', 'secretHash', 0)],
    ['a rotation by a wrong secret', (sessions) => sessions.rotate('a', 'x', 'next', 0)],
    ['a destroy of no session', (sessions) => sessions.destroy('x')],
  ])('after %s', async (_, act) => {
    const sessions = sessionsWith('a');
    const { heard } = listen(sessions);
    act(sessions);
    await turnEnds();
    expect(heard).toEqual([]);
  });

  it('to a source that was closed', async () => {
    const sessions = sessionsWith('a');
    const [closed, open] = [listen(sessions), listen(sessions)];
    sessions.destroy('a');
    closed.source.close();
    await turnEnds();
    expect(closed.heard).toEqual([]);
    expect(open.heard).toEqual([['ended', 'a']]);
  });
});

it('a listener finds the sessions in order, whatever it calls', async () => {
  const sessions = sessionsWith('a', 'b');
  const results: unknown[] = [];
  sessions.watch({
    heard: (_, [id]) => results.push(sessions.create(aRecord(id!)), sessions.destroy('b')),
    lost: () => {},
  });
  const { heard } = listen(sessions);
  expect(sessions.destroy('a')).toBe(true);
  await turnEnds();
  await turnEnds();
  expect(results).toEqual([false, true, false, false]);
  expect(heard).toEqual([
    ['ended', 'a'],
    ['ended', 'b'],
  ]);
});

it('sessions that are dropped as a whole are lost', () => {
  const sessions = sessionsWith('a');
  const { heard } = listen(sessions);
  sessions.close();
  expect(heard).toEqual([['lost', 'the sessions were dropped']]);
});

describe('an update is announced', () => {
  const record = aRecord('a', { expiresAt: 1000, previous: { hash: 'p', replacedAt: 0, grace: 9 } });
  const same = { ...record };
  it.each<[boolean, string, SessionChange, object]>([
    [false, 'changes nothing', {}, {}],
    [false, 'is a touch forward', { touch: { from: 1000, to: 2000 } }, { expiresAt: 2000 }],
    [true, 'is a touch backward', { touch: { from: 1000, to: 900 } }, { expiresAt: 900 }],
    [true, 'sets a later expiry', { expiresAt: 2000 }, { expiresAt: 2000 }],
    [true, 'sets an earlier expiry', { expiresAt: 900 }, { expiresAt: 900 }],
    [false, 'sets the same expiry', { expiresAt: 1000 }, {}],
    [true, 'sets data', { set: {} }, { data: {} }],
    [true, 'joins a group', { join: ['g'] }, { groups: ['g'] }],
    [true, 'retires the previous secret', {}, { previous: { hash: 'p' } }],
  ])('(%s) if it %s', (expected, _, change, after) => {
    expect(mustAnnounce(record, { ...same, ...after }, change)).toBe(expected);
  });
});
