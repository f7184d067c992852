import { randomUUID } from 'node:crypto';
import { MongoStore } from 'nestjs-session-stores/stores/mongo';
import { expect, inject, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';

it('of parallel changes, only those fail that make the session too large for MongoDB', async () => {
  const store = new MongoStore({ uri: inject('mongo').url, collection: randomUUID(), timeout: 10_000 });
  await store.open();
  onTestFinished(async () => {
    await store.clear();
    await store.close();
  });
  await store.create(aRecord('k', { data: { large: 'x'.repeat(16 * 2 ** 20 - 200_000) } }));
  const update = (name: string, size: number) =>
    store.update({ id: 'k' }, { set: { [name]: 'x'.repeat(size) } });
  // The first are sent at once, and the others wait for them.
  const first = Array.from({ length: 4 }, (_, at) => update(`first${at}`, 1));
  const outcomes = await Promise.allSettled([
    ...first,
    update('small', 1),
    update('oneHalf', 120_000),
    update('otherHalf', 120_000),
  ]);
  const failed = outcomes.filter(({ status }) => status === 'rejected');
  expect(failed).toMatchObject([
    { reason: { message: expect.stringMatching('update: the session is larger than the 16 MB') as string } },
  ]);
  const names = Object.keys((await store.read('k'))!.data);
  expect(names).toEqual(expect.arrayContaining(['first0', 'first1', 'first2', 'first3', 'small']));
  expect(names.filter((name) => name.endsWith('Half'))).toHaveLength(1);
});
