import { describe, expect, it } from 'vitest';
import { judgeMemberConfig } from './member-config.js';

const judged = (hazelcast: unknown, { name = 'Sessions', members = 3 } = {}) =>
  judgeMemberConfig({ file: 'member.yaml', content: { hazelcast } }, { mapNames: [name], members });

const outcomes = (hazelcast: unknown, cluster = {}) =>
  judged(hazelcast, cluster).map(({ outcome }) => outcome);

const PROTECTED = { 'split-brain-protection-ref': 'p' };
const protection = (p: object) => ({ 'split-brain-protection': { p: { enabled: true, ...p } } });
const RIGHT = { map: { default: PROTECTED }, ...protection({ 'minimum-cluster-size': 2 }) };

it('a map whose backups, eviction and protection are right has no risk', () => {
  expect(outcomes(RIGHT)).toEqual(['ok', 'ok', 'ok']);
});

it('a file without settings of maps has the defaults of Hazelcast: a backup, no eviction, no protection', () => {
  expect(outcomes(null)).toEqual(['ok', 'ok', 'risk']);
  expect(outcomes({ map: null })).toEqual(['ok', 'ok', 'risk']);
});

describe('the settings of a map', () => {
  const of = (map: object, name = 'Sessions') => outcomes({ map }, { name })[0];

  it('are those with its name, before those of a pattern', () => {
    expect(of({ 'Sess*': { 'backup-count': 0 }, Sessions: { 'backup-count': 2 } })).toBe('ok');
  });

  it('are those of the pattern that names most of it', () => {
    const maps = {
      '*': { 'backup-count': 1 },
      'Sess*ons': { 'backup-count': 0 },
      'Se*': { 'backup-count': 1 },
    };
    expect(of(maps)).toBe('risk');
    expect(of(maps, 'Others')).toBe('ok');
  });

  it('are not those of default if it has settings of its own', () => {
    expect(of({ default: { 'backup-count': 0 }, Sessions: null })).toBe('ok');
    expect(of({ default: { 'backup-count': 0 } })).toBe('risk');
  });
});

it.each([['LRU'], ['lfu'], ['RANDOM']])('the eviction-policy %s is a risk', (policy) => {
  expect(
    outcomes({ ...RIGHT, map: { default: { ...PROTECTED, eviction: { 'eviction-policy': policy } } } }),
  ).toEqual(['ok', 'risk', 'ok']);
});

describe('split-brain protection', () => {
  it.each<[string, object, number, string]>([
    ['that is not defined', {}, 3, 'risk'],
    ['that is not enabled', protection({ enabled: false, 'minimum-cluster-size': 2 }), 3, 'risk'],
    ['of reads only', protection({ 'minimum-cluster-size': 2, 'protect-on': 'READ' }), 3, 'risk'],
    ['of writes', protection({ 'minimum-cluster-size': 2, 'protect-on': 'WRITE' }), 3, 'ok'],
    ['by half of the members', protection({ 'minimum-cluster-size': 2 }), 4, 'risk'],
    ['by more than half of the members', protection({ 'minimum-cluster-size': 3 }), 4, 'ok'],
    ['without a size', protection({}), 3, 'risk'],
  ])('%s is judged by the size of the cluster', (_, section, members, outcome) => {
    const [, , found] = judged({ map: { default: PROTECTED }, ...section }, { members });
    expect(found!.outcome).toBe(outcome);
  });
});

it('each map of a store is judged', () => {
  const content = {
    hazelcast: { ...RIGHT, map: { ...RIGHT.map, Carts: { ...PROTECTED, 'backup-count': 0 } } },
  };
  const findings = judgeMemberConfig(
    { file: 'member.yaml', content },
    { mapNames: ['Sessions', 'Carts'], members: 3 },
  );
  expect(findings.filter(({ outcome }) => outcome === 'risk').map(({ found }) => found)).toEqual([
    'In member.yaml the map Carts has a backup-count of 0.',
  ]);
});

it.each([[undefined], ['text'], [[]], [{ 'hazelcast-client': {} }]])(
  'a file with %j instead of a member is not used',
  (content) => {
    const findings = judgeMemberConfig(
      { file: 'member.yaml', content },
      { mapNames: ['Sessions'], members: 1 },
    );
    expect(findings.map(({ outcome, found }) => `${outcome}: ${found}`)).toEqual(
      Array(3).fill('unknown: member.yaml has no hazelcast section.'),
    );
  },
);
