import { describe, expect, it } from 'vitest';
import { actionsOn, judgeFeed, judgeTopology, judgeVersion } from './judgement.js';

const set = (parts: object) => judgeTopology({ setName: 'rs0', ...parts });

describe('the topology', () => {
  it.each<[string, object, string]>([
    ['of one member', { hosts: ['a'] }, 'ok'],
    ['of three members', { hosts: ['a', 'b', 'c'] }, 'ok'],
    ['of three members, one of which is never primary', { hosts: ['a', 'b'], passives: ['c'] }, 'ok'],
    ['of two members', { hosts: ['a', 'b'] }, 'risk'],
    ['of two members and an arbiter', { hosts: ['a', 'b'], arbiters: ['c'] }, 'risk'],
  ])('of a replica set %s is %s', (_, parts, outcome) => {
    expect(set(parts).outcome).toBe(outcome);
  });

  it('of a sharded cluster is a risk, because the store does not open', () => {
    expect(judgeTopology({ msg: 'isdbgrid' })).toMatchObject({
      outcome: 'risk',
      risk: expect.stringContaining('does not open') as string,
    });
  });
});

it.each([
  [12, 'risk'],
  [13, 'ok'],
])('the wire version %i is %s', (maxWireVersion, outcome) => {
  expect(judgeVersion({ maxWireVersion }, undefined).outcome).toBe(outcome);
});

describe('the actions of a user', () => {
  const place = { db: 'shop', collection: 'sessions' };
  const actions = (resource: object) => [
    ...actionsOn(
      {
        authInfo: {
          authenticatedUsers: [{}],
          authenticatedUserPrivileges: [{ resource, actions: ['find'] }],
        },
      },
      place,
    )!,
  ];

  it.each<[object, boolean]>([
    [{ db: 'shop', collection: 'sessions' }, true],
    [{ db: 'shop', collection: '' }, true],
    [{ db: '', collection: 'sessions' }, true],
    [{ anyResource: true }, true],
    [{ db: 'other', collection: '' }, false],
    [{ db: 'shop', collection: 'carts' }, false],
    [{ cluster: true }, false],
  ])('on %j count for the collection: %s', (resource, counts) => {
    expect(actions(resource)).toEqual(counts ? ['find'] : []);
  });

  it('are not known without a login', () => {
    expect(actionsOn({ authInfo: { authenticatedUsers: [] } }, place)).toBeUndefined();
  });
});

it('a user who may not read change streams has the risk of no feed', () => {
  expect(judgeFeed({ setName: 'rs0' }, new Set(['find'])).outcome).toBe('risk');
  expect(judgeFeed({ setName: 'rs0' }, new Set(['changeStream'])).outcome).toBe('ok');
  expect(judgeFeed({ setName: 'rs0' }, undefined).outcome).toBe('ok');
});
