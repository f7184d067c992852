import { describe, expect, it } from 'vitest';
import { harmOf, type IndexDescription } from './foreign-index.js';

describe('an index of another program', () => {
  it.each<[Partial<IndexDescription>, string | undefined]>([
    [{ key: { sid: 1 }, unique: true }, 'reject sessions as duplicates'],
    [{ key: { sid: 1 }, prepareUnique: true }, 'reject sessions as duplicates'],
    [{ key: { sid: 1, 'data.user': 1 }, unique: true, sparse: true }, 'reject sessions as duplicates'],
    [
      { key: { sid: 1 }, unique: true, partialFilterExpression: { expiresAt: { $exists: true } } },
      'reject sessions as duplicates',
    ],
    [{ key: { until: 1 }, unique: true, sparse: true }, 'reject sessions as duplicates'],
    [{ key: { sid: 1 }, unique: true, sparse: true }, undefined],
    [{ key: { sid: 1 }, unique: true, partialFilterExpression: { sid: { $exists: true } } }, undefined],
    [{ key: { sid: 1, _id: 1 }, unique: true }, undefined],
    [{ key: { sid: 1 } }, undefined],
    [{ key: { createdAt: 1 }, expireAfterSeconds: 60 }, 'remove live sessions'],
    [{ key: { 'previous.replacedAt': 1 }, expireAfterSeconds: 0 }, 'remove live sessions'],
    [{ key: { 'previous.since': 1 }, expireAfterSeconds: 0 }, 'remove live sessions'],
    [{ key: { createdAt: 1 }, expireAfterSeconds: 60, partialFilterExpression: { kind: 'log' } }, undefined],
    [{ key: { createdAt: 1 } }, undefined],
    [{ key: { expires: 1 }, expireAfterSeconds: 0 }, undefined],
    [{ key: { expiresAt: 1 }, expireAfterSeconds: 0 }, undefined],
    [{ key: { until: 1 }, expireAfterSeconds: 0 }, undefined],
  ])('%j would %s', (index, harm) => {
    expect(harmOf({ name: 'x', key: {}, ...index })).toBe(harm);
  });
});
