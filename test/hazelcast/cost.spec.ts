import { randomUUID } from 'node:crypto';
import { Client } from 'hazelcast-client';
import { HazelcastStore, type HazelcastStoreOptions } from 'nestjs-session-stores/stores/hazelcast';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { aRecord } from '../record.js';
import { HazelcastProxy } from '../servers/hazelcast.proxy.mjs';

let proxy: HazelcastProxy;
let client: Awaited<ReturnType<typeof Client.newHazelcastClient>>;

beforeAll(async () => {
  const { clusterName, members } = inject('hazelcast');
  proxy = await HazelcastProxy.to(members[0]!);
  client = await Client.newHazelcastClient({
    clusterName,
    network: { clusterMembers: [proxy.address], smartRouting: false },
    properties: { 'hazelcast.logging.level': 'OFF' },
  });
});
afterAll(async () => {
  await client?.shutdown();
  await proxy?.close();
});

async function aStore(maps: HazelcastStoreOptions['maps']): Promise<HazelcastStore> {
  const store = new HazelcastStore({ client, prefix: `${randomUUID()}:`, maps });
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

const REPLACED = ['replaceIfSame', 'setTtl'];
const ENDED = ['replace', 'setTtl'];

describe('a session without replica maps', () => {
  it.each<[name: string, calls: string[], work: (store: HazelcastStore) => Promise<unknown>]>([
    ['a create', ['putIfAbsent'], (store) => store.create(aRecord('new'))],
    ['a read', ['get'], (store) => store.read('k')],
    ['a destroy', ENDED, (store) => store.destroy('k')],
    ['a destroy of what is gone', ENDED, (store) => store.destroy('gone')],
    ['a look for one that has ended', ['getAll'], (store) => store.haveEnded(['k'])],
  ])('needs one round trip for %s', async (_, calls, work) => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    await store.create(aRecord('k'));
    expect(await proxy.roundTripsOf(() => work(store))).toEqual([calls]);
  });

  it('needs one round trip for a save, a touch or a rotation of a record that was read', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    await store.create(aRecord('k'));
    const record = (await store.read('k'))!;
    const from = record.expiresAt;
    const trips = await proxy.roundTripsOf(async () => {
      await store.update(record, { set: { b: '2' } });
      await store.update(record, { touch: { from, to: from + 60_000 } });
      await store.rotate(record, record.secretHash, 'another', 0);
    });
    expect(trips).toEqual([REPLACED, REPLACED, REPLACED]);
  });

  it('needs two round trips for any number of parallel saves: one for the first, and one for the others', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    await store.create(aRecord('k'));
    const record = (await store.read('k'))!;
    const trips = await proxy.roundTripsOf(() =>
      Promise.all(Array.from({ length: 40 }, (_, at) => store.update(record, { set: { [`p${at}`]: '1' } }))),
    );
    expect(trips).toEqual([REPLACED, REPLACED]);
  });

  it('needs one round trip for a regenerate of a record that was read', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    await store.create(aRecord('k'));
    const { id, hint } = (await store.read('k'))!;
    expect(await proxy.roundTripsOf(() => store.regenerate(id, hint))).toEqual([REPLACED]);
  });

  it('needs two round trips for a regenerate without a record that was read, and one if it is gone', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    await store.create(aRecord('k'));
    expect(await proxy.roundTripsOf(() => store.regenerate('k'))).toEqual([['get'], REPLACED]);
    expect(await proxy.roundTripsOf(() => store.regenerate('k'))).toEqual([['get']]);
  });

  it('needs one round trip to check whether any of several have ended', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    const ids = Array.from({ length: 20 }, (_, at) => `k${at}`);
    const [first, ...others] = await proxy.roundTripsOf(() => store.haveEnded(ids));
    expect(new Set(first)).toEqual(new Set(['getAll']));
    expect(others).toEqual([]);
  });

  it('needs one call for each session that is cleared, between two queries', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    for (const id of ['k', 'l', 'm']) await store.create(aRecord(id, { groups: ['g'] }));
    expect(await proxy.roundTripsOf(() => store.clear('g'))).toEqual([
      ['keySetWithPredicate'],
      ['put', 'put', 'put'],
      ['keySetWithPredicate'],
    ]);
  });

  it('needs one more round trip for a write without a record that was read', async () => {
    const store = await aStore([{ mapName: 'Sessions' }]);
    await store.create(aRecord('k'));
    const trips = await proxy.roundTripsOf(() => store.update(aRecord('k'), { set: { b: '2' } }));
    expect(trips).toEqual([['get'], REPLACED]);
  });
});

describe('a session with two replica maps', () => {
  const bean = ({ data }: { data: Readonly<Record<string, unknown>> }): object => ({ a: data['a'] });
  const maps: HazelcastStoreOptions['maps'] = [
    { mapName: 'Sessions' },
    { mapName: `One of ${randomUUID()}`, bean },
    { mapName: `Two of ${randomUUID()}`, bean },
  ];

  it('needs one round trip for a read', async () => {
    const store = await aStore(maps);
    await store.create(aRecord('k'));
    expect(await proxy.roundTripsOf(() => store.read('k'))).toEqual([['get']]);
  });

  it('needs three round trips for a create, save or touch: session, replicas in parallel, existence check', async () => {
    const store = await aStore(maps);
    const created = await proxy.roundTripsOf(() => store.create(aRecord('k')));
    expect(created).toEqual([['putIfAbsent'], ['putIfAbsent', 'putIfAbsent'], ['get']]);
    const record = (await store.read('k'))!;
    const from = record.expiresAt;
    for (const change of [{ set: { b: '2' } }, { touch: { from, to: from + 60_000 } }]) {
      const saved = await proxy.roundTripsOf(() => store.update(record, change));
      expect(saved).toEqual([[...REPLACED, 'get', 'get'], [...REPLACED, ...REPLACED], ['get']]);
    }
  });

  it('needs two round trips for a destroy: session, then both replicas in parallel', async () => {
    const store = await aStore(maps);
    await store.create(aRecord('k'));
    expect(await proxy.roundTripsOf(() => store.destroy('k'))).toEqual([ENDED, ['delete', 'delete']]);
  });
});

it('a write whose connection breaks is not resent, and rejects with an error that says it may have been done', async () => {
  const store = await aStore([{ mapName: 'Sessions' }]);
  await store.create(aRecord('k'));
  const record = (await store.read('k'))!;
  proxy.cutAt('replaceIfSame');
  const trips = await proxy.roundTripsOf(() =>
    expect(store.update(record, { set: { b: '2' } })).rejects.toThrow(
      'update: the connection to a member broke, so the call may or may not have taken effect',
    ),
  );
  expect(trips.flat().filter((call) => call === 'replaceIfSame')).toHaveLength(1);
});
