import { randomUUID } from 'node:crypto';
import { HazelcastStore } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { connect, type HazelcastClient } from './client.js';
import { disturbed } from './disturbed.js';

let client: HazelcastClient;
beforeAll(async () => {
  client = await connect();
});
afterAll(() => client?.shutdown());

/** A store whose members run a replace a second time, as they do if its partition moves, and others on the same map. */
async function stores(between: () => Promise<unknown> = async () => {}) {
  const prefix = randomUUID();
  let left = 1;
  const repeating = disturbed(client, ['replaceIfSame'], async (call) => {
    const first = await call();
    if (left-- <= 0) return first;
    await between();
    return call();
  });
  const [store, other] = [
    new HazelcastStore({ client: repeating, prefix }),
    new HazelcastStore({ client, prefix }),
  ] as const;
  await Promise.all([store.open(), other.open()]);
  onTestFinished(() => Promise.all([store.close(), other.close()]) as never);
  return { store, other };
}

describe('a call that a member runs a second time', () => {
  it('adds once', async () => {
    const { store } = await stores();
    await store.create(aRecord('k', { data: { visits: '5' } }));
    expect((await store.update({ id: 'k' }, { add: { name: 'visits', by: 1 } }))?.text).toBe('6');
    expect((await store.read('k'))?.data['visits']).toBe('6');
  });

  it('adds once, also if another process has added in between', async () => {
    const add = { name: 'visits', by: 1 };
    const { store, other } = await stores(async () => {
      for (let time = 0; time < 3; time++) await other.update({ id: 'k' }, { add });
    });
    await store.create(aRecord('k', { data: { visits: '5' } }));
    expect((await store.update({ id: 'k' }, { add }))?.text).toBe('6');
    expect((await store.read('k'))?.data['visits']).toBe('9');
  });

  it('adds once, and is rejected, if others have added so often that it is not known any more', async () => {
    const add = { name: 'visits', by: 1 };
    const { store, other } = await stores(async () => {
      for (let time = 0; time < 20; time++) await other.update({ id: 'k' }, { add });
    });
    await store.create(aRecord('k', { data: { visits: '5' } }));
    await expect(store.update({ id: 'k' }, { add })).rejects.toThrow(
      'it is not known whether the call has taken effect',
    );
    expect((await store.read('k'))?.data['visits']).toBe('26');
  });

  it('resolves to the value that it has taken', async () => {
    const { store } = await stores();
    await store.create(aRecord('k', { data: { code: '"1"' } }));
    const record = await store.read('k');
    expect((await store.update(record!, { take: 'code' }))?.text).toBe('"1"');
  });
});

it('an add with an old hint starts again from the session as it is', async () => {
  const { store, other } = await stores();
  await store.create(aRecord('k', { data: { visits: '0' } }));
  const old = await store.read('k');
  const add = { name: 'visits', by: 1 };
  for (let time = 0; time < 40; time++) await other.update({ id: 'k' }, { add });
  expect((await store.update(old!, { add }))?.text).toBe('41');
});
