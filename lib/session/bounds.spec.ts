import { describe, expect, it } from 'vitest';
import { checkBounds, type Content } from './bounds.js';

const data = (count: number, text = '1'): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`p${at}`, text]));
const groups = (count: number): string[] => Array.from({ length: count }, (_, at) => `g${at}`);
const EMPTY: Content = { data: {}, groups: [] };

type Change = Parameters<typeof checkBounds>[1];

describe('checkBounds', () => {
  it.each<[string, Content, Change, RegExp]>([
    [
      'a group name of 513 bytes',
      EMPTY,
      { join: ['a', 'g'.repeat(513)] },
      /513 bytes; the maximum is 512\. Name/,
    ],
    ['a name of a group of 171 characters of 3 bytes', EMPTY, { join: ['€'.repeat(171)] }, /513 bytes/],
    [
      'group 1 001',
      { data: {}, groups: groups(1000) },
      { join: ['more'] },
      /1001 groups; the maximum is 1000\. Leave/,
    ],
    ['1 001 groups at once', EMPTY, { join: groups(1001) }, /1001 groups/],
    [
      'a further group of a session that is in too many',
      { data: {}, groups: groups(1500) },
      { join: ['a', 'b'], leave: ['g1'] },
      /1501 groups/,
    ],
    [
      'property 10 001',
      { data: data(10_000), groups: [] },
      { set: { more: '1' } },
      /10001 properties; the maximum is 10000\. Remove/,
    ],
    ['too many bytes of data', EMPTY, { set: { big: 'x'.repeat(5000) } }, /5003 bytes; .* property is "big"/],
    [
      'too many bytes of groups',
      EMPTY,
      { join: groups(1000) },
      /3890 bytes; the maximum is 3000 \(maxSize\)\. Keep/,
    ],
    [
      'data and groups that are too large together',
      { data: { text: 'x'.repeat(2900) }, groups: [] },
      { join: ['g'.repeat(100)] },
      /3004 bytes/,
    ],
  ])('rejects %s', (_, before, change, message) => {
    const maxSize = /bytes; .*(property|maxSize)|3004/.test(message.source) ? 3000 : Infinity;
    expect(() => checkBounds(before, change, maxSize)).toThrow(message);
  });

  it.each<[string, Content, Change]>([
    ['a group name of 512 bytes', EMPTY, { join: ['g'.repeat(512)] }],
    ['1 000 groups', EMPTY, { join: groups(1000) }],
    [
      'group 1 000 in exchange for another',
      { data: {}, groups: groups(1000) },
      { join: ['a'], leave: ['g1'] },
    ],
    ['a group that the session is in', { data: {}, groups: groups(1000) }, { join: ['g1'] }],
    ['10 000 properties, and a cookie', EMPTY, { set: { ...data(10_000), cookie: '{}' } }],
    ['leaving one of too many groups', { data: {}, groups: groups(1500) }, { leave: ['g1'] }],
    [
      'leaving two of too many groups and joining one',
      { data: {}, groups: groups(1500) },
      { join: ['a'], leave: ['g1', 'g2'] },
    ],
    ['removing one of too many properties', { data: data(12_000), groups: [] }, { remove: ['p1'] }],
    ['changing one of too many properties', { data: data(12_000), groups: [] }, { set: { p1: '2' } }],
    [
      'changing a property of a session in a group with too long a name',
      { data: data(1), groups: ['g'.repeat(600)] },
      { set: { p0: '2' } },
    ],
  ])('allows %s', (_, before, change) => {
    expect(() => checkBounds(before, change, 2 ** 20)).not.toThrow();
  });

  it('allows a session that is larger than maxSize to become smaller, but not larger', () => {
    const before = { data: { text: 'x'.repeat(5000) }, groups: groups(10) };
    const check = (change: Change) => () => checkBounds(before, change, 3000);
    expect(check({ set: { text: 'x'.repeat(4900) } })).not.toThrow();
    expect(check({ set: { text: 'x'.repeat(4900) }, join: ['more'] })).not.toThrow();
    expect(check({ leave: ['g1'] })).not.toThrow();
    expect(check({ join: ['more'] })).toThrow(/the maximum is 3000/);
  });
});
