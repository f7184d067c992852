import { describe, expect, it } from 'vitest';
import { documentedRecord, jsonBlockUnder } from '../../../test/docs/stored.js';
import { aRecord } from '../../../test/record.js';
import { Envelopes } from './envelope.js';

const envelopes = new Envelopes('app');
const { text } = envelopes.first(aRecord('k', { groups: ['g'] }), Date.now());
const written = JSON.parse(text) as Record<string, unknown>;

describe('an envelope', () => {
  it('is the one that docs/reference/stored-formats.md shows', () => {
    const record = documentedRecord();
    const sealed = new Envelopes('').first(record, record.createdAt);
    expect(JSON.parse(sealed.text)).toEqual(jsonBlockUnder('Hazelcast'));
    expect(new Envelopes('').read(record.id, sealed.text)?.record).toEqual(record);
  });

  it('holds names as values, because Node 24 and 26 confuse keys that end in an escaped character', () => {
    const data = { '\\': '1', '"': '2', 'a\\': '3', 'a"': '4', 'a\t': '5', ['__proto__']: '6', '1': '7' };
    const sealed = envelopes.first(aRecord('k', { data }), 0);
    const keys = [...sealed.text.matchAll(/"((?:[^"\\]|\\.)*)":/g)].map(([, key]) => key);
    expect(keys.filter((key) => !/^[a-zA-Z]+$/.test(key!))).toEqual([]);
    expect(envelopes.read('k', sealed.text)?.record.data).toEqual(data);
  });

  it('comes back with the groups without the prefix that the index needs', () => {
    expect(written).toMatchObject({ groups: ['app/g'], prefix: 'app', place: expect.any(Number) });
    expect(envelopes.read('k', text)?.record.groups).toEqual(['g']);
  });

  it.each<[string, Record<string, unknown>]>([
    ['data as an object', { data: { a: '1' } }],
    ['a name without a text', { data: ['a'] }],
    ['a text that is not a string', { data: ['a', 1] }],
    ['a name that is not a string', { data: [['a'], '1'] }],
    ['no data', { data: undefined }],
    ['no groups', { groups: undefined }],
    ['groups that are not strings', { groups: [['g']] }],
    ['groups that are one string', { groups: 'app/g' }],
    ['sessions before it that are no list', { from: 'k' }],
    ['sessions before it that are not strings', { from: [1] }],
    ['no secret hash', { secretHash: undefined }],
    ['no version', { version: undefined }],
    ['a version of null', { version: null }],
    ['a lifetime of null', { lifetime: null }],
    ['a time of creation of null', { createdAt: null }],
    ['an expiry that is a string', { expiresAt: '1' }],
    ['a previous secret that is a string', { previous: 'hash' }],
    ['a previous secret without its times', { previous: { hash: 'hash' } }],
    [
      'a previous secret with a first replacement that is a string',
      { previous: { hash: 'hash', replacedAt: 1, grace: 1, since: '1' } },
    ],
  ])('with %s is damaged', (_, other) => {
    expect(envelopes.read('k', JSON.stringify({ ...written, ...other }))).toBeUndefined();
  });

  it.each(['', '{', 'null', '0', '"a"', '[]', '{}'])('that reads %j is damaged', (other) => {
    expect(envelopes.read('k', other)).toBeUndefined();
  });
});
