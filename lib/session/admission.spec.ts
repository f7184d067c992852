import { describe, expect, it } from 'vitest';
import { admissionOf, isRotationLost } from './admission.js';

type SessionRecord = Parameters<typeof admissionOf>[1];

const NOW = 1_000_000;
const GRACE = 30_000;

function aRecord(some: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: 'id',
    secretHash: 'current',
    data: {},
    groups: [],
    createdAt: NOW - 1000,
    expiresAt: NOW + 1000,
    ...some,
  };
}

const previous = (some: Partial<NonNullable<SessionRecord['previous']>>) =>
  aRecord({ previous: { hash: 'before', replacedAt: NOW, grace: GRACE, ...some } });

describe('a token', () => {
  it.each<[string, string, SessionRecord, string]>([
    ['with the current secret', 'current', aRecord(), 'current'],
    ['with an unknown secret', 'unknown', aRecord(), 'replaced'],
    ['with the previous secret', 'before', previous({}), 'previous'],
    [
      'with the previous secret, replaced nine graces ago,',
      'before',
      previous({ replacedAt: NOW - 9 * GRACE }),
      'previous',
    ],
    [
      'with the previous secret, replaced ten graces ago,',
      'before',
      previous({ replacedAt: NOW - 10 * GRACE }),
      'replaced',
    ],
    [
      'with the previous secret, first replaced ten graces ago,',
      'before',
      previous({ since: NOW - 10 * GRACE }),
      'replaced',
    ],
    [
      'with the previous secret, in the grace after the new one was presented,',
      'before',
      previous({ validUntil: NOW + 1 }),
      'previous',
    ],
    ['with the previous secret, after that grace,', 'before', previous({ validUntil: NOW }), 'replaced'],
    ['of a session past its absolute timeout', 'current', aRecord({ createdAt: NOW - 5000 }), 'too old'],
    ['of another session', 'current', aRecord({ id: 'other' }), 'unreadable'],
  ])('%s is admitted or rejected', (_, secretHash, record, expected) => {
    expect(admissionOf({ id: 'id', secretHash }, record, 5000, NOW)).toBe(expected);
  });

  it.each<[string, object]>([
    ['secretHash', { secretHash: 1 }],
    ['data', { data: null }],
    ['data', { data: [] }],
    ['groups', { groups: 'g' }],
    ['groups', { groups: [1] }],
    ['from', { from: [null] }],
    ['createdAt', { createdAt: NaN }],
    ['expiresAt', { expiresAt: undefined }],
    ['previous.hash', { previous: { hash: 1, replacedAt: 1, grace: 1 } }],
    ['previous.grace', { previous: { hash: '', replacedAt: 1 } }],
    ['previous.since', { previous: { hash: '', replacedAt: 1, grace: 1, since: NaN } }],
  ])('of a record with a damaged %s is unreadable: %j', (_, damage) => {
    const record = aRecord(damage as Partial<SessionRecord>);
    expect(admissionOf({ id: 'id', secretHash: 'current' }, record, Infinity, NOW)).toBe('unreadable');
  });
});

it('a rotation is lost a grace after it, unless a client has presented its secret', () => {
  const isLost = (some: object) => isRotationLost(previous(some).previous!, NOW);
  expect(isLost({ replacedAt: NOW - GRACE + 1 })).toBe(false);
  expect(isLost({ replacedAt: NOW - GRACE })).toBe(true);
  expect(isLost({ replacedAt: NOW - GRACE, validUntil: NOW + 5 })).toBe(false);
});
