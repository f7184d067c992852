import { describe, expect, it } from 'vitest';
import { planSave, type SaveFacts } from './save-plan.js';

const MINUTE = 60_000;
const LIFETIME = 100 * MINUTE;
const NOW = 1_000 * MINUTE;

/** A session that was just renewed, to which nothing has happened. */
const unchanged: SaveFacts = {
  createdAt: NOW - MINUTE,
  data: undefined,
  groups: undefined,
  cookie: undefined,
  expiresAt: NOW + LIFETIME,
  storedLifetime: LIFETIME,
  lifetime: LIFETIME,
  absoluteTimeout: Infinity,
  now: NOW,
  isWanted: false,
  renewal: 'if due',
  isCookieDue: false,
};

const stored = (facts: Partial<SaveFacts> = {}) => planSave({ ...unchanged, ...facts });
const fresh = (facts: Partial<SaveFacts> = {}) =>
  planSave({ ...unchanged, createdAt: undefined, expiresAt: 0, ...facts });
const set = { a: '1' };

describe('a new session', () => {
  it.each<[string, Partial<SaveFacts>, boolean]>([
    ['that is empty', {}, false],
    ['whose cookie has changed', { data: { set: { cookie: '{}' } } }, false],
    ['that leaves a group', { groups: { leave: ['g'] } }, false],
    ['that was touched', { renewal: 'asked' }, false],
    ['with data', { data: { set } }, true],
    ['in a group', { groups: { join: ['g'] } }, true],
    ['that is wanted', { isWanted: true }, true],
  ])('%s, with %j, is created: %s', (_, facts, isCreated) => {
    expect(fresh(facts) !== undefined).toBe(isCreated);
  });

  it('expires a lifetime from now, or at its absolute timeout, and its cookie is due', () => {
    expect(fresh({ data: { set } })).toMatchObject({
      expiresAt: NOW + LIFETIME,
      cookieDue: true,
      changed: true,
    });
    expect(fresh({ data: { set }, absoluteTimeout: 5 })?.expiresAt).toBe(NOW + 5);
  });
});

describe('a stored session', () => {
  const earlier = { expiresAt: NOW + LIFETIME - 10 * MINUTE };
  const due = { expiresAt: NOW + LIFETIME - 10 * MINUTE - 1 };

  it.each<[string, Partial<SaveFacts>, object | undefined]>([
    ['that is unchanged', {}, undefined],
    ['after a tenth of its lifetime', earlier, undefined],
    ['after more than a tenth of its lifetime', due, { touch: { from: due.expiresAt, to: NOW + LIFETIME } }],
    ['whose renewal has failed', { ...due, renewal: 'failed' }, undefined],
    [
      'that was touched',
      { ...earlier, renewal: 'asked' },
      { touch: { from: earlier.expiresAt, to: NOW + LIFETIME } },
    ],
    ['whose cookie is due', { isCookieDue: true }, {}],
    ['with new data', { data: { set } }, { set }],
    ['with less data', { data: { remove: ['a'] } }, { remove: ['a'] }],
    ['that joins and leaves', { groups: { join: ['g'], leave: ['h'] } }, { join: ['g'], leave: ['h'] }],
    ['with another cookie', { data: { set: { cookie: '{}' } } }, { set: { cookie: '{}' } }],
    ['with another lifetime', { data: { set }, lifetime: MINUTE }, { set, expiresAt: NOW + MINUTE }],
    ['that changes after its renewal has failed', { data: { set }, renewal: 'failed' }, { set }],
  ])('%s is updated with its changes only', (_, facts, change) => {
    expect(stored(facts)?.change).toEqual(change);
  });

  it('sends a cookie that is due, and counts as changed only if more than its expiry is written', () => {
    expect(stored({ isCookieDue: true })).toMatchObject({ cookieDue: true, changed: false });
    expect(stored(due)).toMatchObject({ cookieDue: false, changed: false });
    expect(stored({ data: { remove: ['cookie'] } })).toMatchObject({ cookieDue: false, changed: true });
  });

  it('does not outlive its absolute timeout', () => {
    const createdAt = NOW - 5 * MINUTE;
    expect(stored({ createdAt, absoluteTimeout: 6 * MINUTE })?.change).toEqual({
      touch: { from: NOW + LIFETIME, to: NOW + MINUTE },
    });
  });
});
