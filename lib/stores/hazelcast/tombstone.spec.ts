import { TOMBSTONE_LIFETIME } from '../../contract/record.js';
import { describe, expect, it } from 'vitest';
import { aRecord } from '../../../test/record.js';
import { Envelopes } from './envelope.js';
import { isEnded, tombstoneIn, tombstoneText } from './tombstone.js';

const now = Date.now();
const until = now + TOMBSTONE_LIFETIME;
const ended = tombstoneText('ended', now);
const listed = new Envelopes('app').listed('k', ['g']);
const regenerated = tombstoneText('regenerated', now, listed);

describe('a tombstone', () => {
  it('of an ended session has nothing that a list could find it by', () => {
    expect(JSON.parse(ended)).toEqual({ tombstone: 'ended', until });
  });

  it('of a regenerated session has its groups and its place, but no expiry', () => {
    const place = listed.place;
    expect(JSON.parse(regenerated)).toEqual({
      tombstone: 'regenerated',
      until,
      prefix: 'app',
      place,
      groups: ['app/g'],
    });
  });

  it.each([
    ['an ended session, while it lasts', ended, until - 1, true],
    ['an ended session, after that', ended, until, false],
    ['a regenerated session', regenerated, now, false],
  ])('of %s tells whether the session has ended', (_, text, at, expected) => {
    expect(isEnded(text, at)).toBe(expected);
  });

  it('is no session', () => {
    expect(new Envelopes('app').read('k', regenerated)).toBeUndefined();
  });

  it('is not found in a session whose data looks like one', () => {
    const { text } = new Envelopes('').first(aRecord(ended, { data: { tombstone: ended } }), now);
    expect(tombstoneIn(text)).toBeUndefined();
    expect(isEnded(undefined, now)).toBe(false);
  });
});
