import { describe, expect, it } from 'vitest';
import { NO_SECRET_HASH } from '../contract/record.js';
import { dueRotation, GRACE, type RotationFacts } from './due-rotation.js';

const MINUTE = 60_000;
const NOW = 100 * MINUTE;

/** A client with the current secret of a session that was created 20 minutes ago, where secrets last 15. */
const current: RotationFacts = {
  standing: 'current',
  token: { secretHash: 'now', graceEnds: 0 },
  record: { secretHash: 'now', createdAt: NOW - 20 * MINUTE },
  canGiveToken: true,
  isPassive: false,
  isSocket: false,
  isCached: false,
  rotateAfter: 15 * MINUTE,
  needsSecret: true,
  now: NOW,
};

/** A client whose token is the id alone. */
const bare: Partial<RotationFacts> = {
  token: { secretHash: NO_SECRET_HASH, graceEnds: 0 },
  record: { secretHash: NO_SECRET_HASH, createdAt: NOW },
};

/** A client with the previous secret of a session that was rotated a grace ago. */
const lost: RotationFacts = {
  ...current,
  standing: 'superseded',
  token: { secretHash: 'before', graceEnds: 0 },
  record: {
    ...current.record,
    previous: { hash: 'before', replacedAt: NOW - 1000, grace: 1000 },
  },
  rotateAfter: Infinity,
};

const replacedAt = (minutes: number) => ({
  record: {
    ...current.record,
    previous: { hash: 'before', replacedAt: NOW - minutes * MINUTE, grace: 1000, validUntil: 0 },
  },
});

describe('the secret of a session', () => {
  it.each<[string, Partial<RotationFacts>, boolean]>([
    ['created rotateAfter ago', { rotateAfter: 20 * MINUTE }, true],
    ['created later than that', { rotateAfter: 20 * MINUTE + 1 }, false],
    ['rotated rotateAfter ago', replacedAt(15), true],
    ['rotated later than that', replacedAt(14.9), false],
    [
      'of a client whose older requests may still arrive',
      { token: { secretHash: 'now', graceEnds: NOW + 1 } },
      false,
    ],
    ['that the request has rotated itself', { token: { secretHash: 'new', graceEnds: 0 } }, false],
    ['in a held response', { canGiveToken: 'held' }, true],
    ['in a response that has begun', { canGiveToken: 'sent' }, false],
    ['without a response', { canGiveToken: 'never' }, false],
    ['on a passive request', { isPassive: true }, false],
    ['on a socket', { isSocket: true }, false],
    ['of a session from the cache', { isCached: true }, false],
    ['of a session that is new', { standing: 'new' }, false],
    ['of a session that has ended', { standing: 'ended' }, false],
    ['without rotateAfter', { rotateAfter: Infinity }, false],
    ['of a client whose token is the id alone', bare, true],
    ['of such a client, in a store without secrets', { ...bare, needsSecret: false }, false],
  ])('%s is rotated by itself: %s', (_, facts, isDue) => {
    const { secretHash } = { ...current, ...facts }.token;
    const expected = isDue ? { from: secretHash, grace: GRACE } : undefined;
    expect(dueRotation({ ...current, ...facts })).toEqual(expected);
  });

  const { previous } = lost.record;

  it.each<[string, Partial<RotationFacts>, boolean]>([
    ['a grace after the rotation', {}, true],
    ['within the grace', { now: NOW - 1 }, false],
    [
      'after its successor was presented',
      { record: { ...lost.record, previous: { ...previous!, validUntil: NOW + 1 } } },
      false,
    ],
    ['that is an even older one', { token: { secretHash: 'oldest', graceEnds: 0 } }, false],
    ['on a passive request', { isPassive: true }, false],
    ['in a response that has begun', { canGiveToken: 'sent' }, false],
    ['on a socket', { canGiveToken: 'never', isSocket: true }, false],
  ])('is rotated again for a client with the previous one %s: %s', (_, facts, isDue) => {
    const expected = isDue ? { from: 'before', grace: 1000 } : undefined;
    expect(dueRotation({ ...lost, ...facts })).toEqual(expected);
  });
});
