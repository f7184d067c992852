import { SessionStoreError, type SessionStore, type SessionRecord } from 'nestjs-session-stores/store';
import { expect } from 'vitest';
import { aRecord } from '../record.js';

/** A call of each kind on `record` or one of its groups, by the operation that its error names. */
export function callsOf(store: SessionStore, record: SessionRecord): Record<string, () => Promise<unknown>> {
  return {
    create: () => store.create(aRecord(`${record.id} created`, { groups: ['g'] })),
    read: () => store.read(record.id),
    update: () => store.update(record, { set: { b: '2' }, join: ['h'], leave: ['g'] }),
    rotate: () => store.rotate(record, record.secretHash, 'next', 1000),
    destroy: () => store.destroy(record.id),
    regenerate: () => store.regenerate(record.id),
    haveEnded: () => store.haveEnded([record.id]),
    page: () => store.page({ group: 'g', limit: 10 }),
    count: () => store.count('g'),
    clear: () => store.clear('g'),
  };
}

/** How much longer than its timeout a call may take on a busy machine, in milliseconds. */
const SLACK = 1000;

/** Asserts that each call fails with a `SessionStoreError` within `timeout`. Resolves to the errors by operation. */
export async function failInTime(
  calls: Record<string, () => Promise<unknown>>,
  timeout: number,
): Promise<Record<string, SessionStoreError>> {
  const errors: Record<string, SessionStoreError> = {};
  await Promise.all(
    Object.entries(calls).map(async ([operation, call]) => {
      const begun = performance.now();
      const error = await call().then(
        () => expect.unreachable(`${operation} resolved`),
        (reason: unknown) => reason,
      );
      expect(performance.now() - begun, operation).toBeLessThan(timeout + SLACK);
      expect(error).toBeInstanceOf(SessionStoreError);
      expect(error).toMatchObject({ store: 'redis', operation, status: 503 });
      // What happened, and then what to do about it, after a colon or as a question.
      expect((error as Error).message).toMatch(
        new RegExp(`^\\[session:redis\\] ${operation}: .+(: .+|\\?)$`),
      );
      expect((error as Error).message).not.toMatch(/127\.0\.0\.1/);
      errors[operation] = error as SessionStoreError;
    }),
  );
  return errors;
}
