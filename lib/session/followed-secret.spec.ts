import { describe, expect, it } from 'vitest';
import type { SessionRecord } from '../contract/record.js';
import { FollowedSecret } from './followed-secret.js';

const OPENED = 1000;
const GRACE = 100;

function aRecord(secretHash: string, previous?: SessionRecord['previous']): SessionRecord {
  return { id: 'a', secretHash, previous, data: {}, groups: [], createdAt: 0, expiresAt: 8.64e15 };
}

describe('the secret of an open connection', () => {
  it('is valid while it is the current one', () => {
    const secret = new FollowedSecret('first', OPENED);
    expect(secret.isValid(aRecord('first'), OPENED + 1)).toBe(true);
  });

  it.each([
    {
      title: 'is followed through rotations while the connection is open',
      replacedAt: OPENED,
      at: OPENED + 10_000,
      valid: true,
    },
    {
      title: 'may be a previous one in its grace',
      replacedAt: OPENED - 1,
      at: OPENED + 10 * GRACE - 2,
      valid: true,
    },
    {
      title: 'is not valid if its grace was over before',
      replacedAt: OPENED - 1,
      at: OPENED + 10 * GRACE,
      valid: false,
    },
  ])('$title', ({ replacedAt, at, valid }) => {
    const secret = new FollowedSecret('first', OPENED);
    const record = aRecord('second', { hash: 'first', replacedAt, grace: GRACE });
    expect(secret.isValid(record, at)).toBe(valid);
  });

  it('is followed through one rotation after another', () => {
    const secret = new FollowedSecret('first', OPENED);
    const second = { hash: 'first', replacedAt: OPENED + 10, grace: GRACE };
    const third = { hash: 'second', replacedAt: OPENED + 5000, grace: GRACE };
    expect(secret.isValid(aRecord('second', second), OPENED + 10)).toBe(true);
    expect(secret.isValid(aRecord('third', third), OPENED + 9000)).toBe(true);
  });

  it('is not valid after a rotation without a grace', () => {
    expect(new FollowedSecret('first', OPENED).isValid(aRecord('second'), OPENED + 10)).toBe(false);
  });

  it('is not valid if it is neither the current nor the previous one', () => {
    const previous = { hash: 'other', replacedAt: OPENED + 10, grace: GRACE };
    expect(new FollowedSecret('first', OPENED).isValid(aRecord('second', previous), OPENED + 10)).toBe(false);
  });
});
