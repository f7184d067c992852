import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Client, type ClientConfig } from 'hazelcast-client';
import { HazelcastStore, type HazelcastStoreOptions } from 'nestjs-session-stores/stores/hazelcast';
import { sessionStoreLaws } from 'nestjs-session-stores/laws';
import { describe, expect, it, onTestFinished } from 'vitest';
import { aRecord } from '../../../test/record.js';
import { eventually } from '../../../test/eventually.js';
import type { HazelcastClient } from '../../../test/hazelcast/client.js';
import { twoClients } from '../../../test/hazelcast/two.clients.js';

const { config, clients, withStores } = twoClients();
/** How often each law is run. */
const ROUNDS = process.env['LONG'] === '1' ? 20 : 1;

describe('two stores on a cluster of two members keep the law', () => {
  for (const law of sessionStoreLaws) {
    it.concurrent(law.name, { timeout: ROUNDS * 30_000 }, async () => {
      for (let round = 0; round < ROUNDS; round++) await withStores((stores) => law.holds(stores));
    });
  }
});

describe('a store with its own client', () => {
  it.each(sessionStoreLaws.filter(({ name }) => /^[123]/.test(name)))('keeps the law: $name', (law) =>
    withStores((stores) => law.holds(stores), { config }),
  );

  it('rejects open in time and with the reason, and leaves nothing open', async () => {
    const store = new HazelcastStore({
      config: { ...config, network: { clusterMembers: ['127.0.0.1:9'] } },
      timeout: 1000,
    });
    const begun = performance.now();
    await expect(store.open()).rejects.toThrow(
      '[session:hazelcast] open: could not connect to 127.0.0.1:9. Are members running',
    );
    expect(performance.now() - begun).toBeLessThan(2000);
    await expect(store.read('k')).rejects.toThrow('the store could not be opened');
  });

  it('closes its connections to members that do not respond, at its deadline', async () => {
    const silent = await Promise.all([aMuteMember(), aMuteMember()]);
    const clusterMembers = silent.map(({ address }) => address);
    const store = new HazelcastStore({ config: { ...config, network: { clusterMembers } }, timeout: 1000 });
    const begun = performance.now();
    await expect(store.open()).rejects.toThrow('open: could not connect');
    const connected = () => silent.flatMap(({ sockets }) => sockets);
    await eventually(() => connected().every(({ closed }) => closed));
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(connected()).toHaveLength(2);
  });

  it.each<[string, unknown, string]>([
    ['a misspelt name', { clusterNam: 'dev' }, "config: Unexpected config key 'clusterNam'"],
    ['members that are not a list', { network: { clusterMembers: 'one' } }, 'config: one is not an array'],
    [
      'a timeout that is not a number',
      { network: { connectionTimeout: 'soon' } },
      'config: soon is not a number',
    ],
  ])('says what is wrong with a config that the client refuses: %s', async (_, wrong, problem) => {
    const store = new HazelcastStore({ config: { ...config, ...(wrong as ClientConfig) } });
    await expect(store.open()).rejects.toThrow(TypeError);
    await expect(store.open()).rejects.toThrow(problem);
  });

  it('opens again after it was closed', async () => {
    const store = new HazelcastStore({ config, prefix: `${randomUUID()}:` });
    for (const id of ['a', 'b']) {
      await store.open();
      await store.create(aRecord(id));
      expect(await store.count()).toBe(id === 'a' ? 1 : 2);
      await store.close();
    }
    await expect(store.count()).rejects.toThrow('the store is not open');
  });
});

/** A server that accepts connections and never responds. */
async function aMuteMember(): Promise<{ address: string; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.resume()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, sockets };
}

describe('a given client', () => {
  it('is not shut down, and may be a promise', async () => {
    const store = new HazelcastStore({ client: Promise.resolve(clients[0]) });
    await store.open();
    await store.close();
    expect(clients[0].getLifecycleService().isRunning()).toBe(true);
  });

  it('that is a rejected promise makes open reject', async () => {
    const store = new HazelcastStore({ client: Promise.reject(new Error('no such cluster')) });
    await expect(store.open()).rejects.toMatchObject({
      name: 'SessionStoreError',
      cause: { message: 'no such cluster' },
    });
  });

  it('that has shut down makes calls reject with what to do', async () => {
    const client = await Client.newHazelcastClient(config);
    const store = new HazelcastStore({ client });
    await store.open();
    await client.shutdown();
    await expect(store.read('k')).rejects.toThrow('read: the client has shut down and does not reconnect');
  });
});

it.each([
  ['neither client nor config', {}, 'none is set'],
  ['both', { client: {} as HazelcastClient, config }, 'leave the other out'],
  ['a config that is not an object', { config: 'dev' }, 'config must be an object'],
  ['a near cache', { config: { ...config, nearCaches: { 'Sess*': {} } } }, 'nearCaches'],
  ['redoOperation', { config: { ...config, network: { redoOperation: true } } }, 'redoOperation'],
  ['asyncStart', { config: { ...config, connectionStrategy: { asyncStart: true } } }, 'asyncStart'],
  ['no maps', { config, maps: [] }, 'maps must be'],
  ['a map without a name', { config, maps: [{ mapName: '' }] }, 'mapName'],
  ['a name twice', { config, maps: [{ mapName: 'A' }, { mapName: 'A', bean: Object }] }, 'different names'],
  ['a first map with a bean', { config, maps: [{ mapName: 'A', bean: Object }] }, 'must have no bean'],
  ['a second without', { config, maps: [{ mapName: 'A' }, { mapName: 'B' }] }, 'the map B needs a bean'],
  ['a prefix that is not a string', { config, prefix: 1 }, 'prefix must be'],
  ['an invalid timeout', { config, timeout: 0 }, 'timeout must be'],
])('options with %s are rejected', (_, options, problem) => {
  expect(() => new HazelcastStore(options as HazelcastStoreOptions)).toThrow(problem);
});

it('sessions with one id in two prefixes stay apart, whatever the prefixes', async () => {
  const base = randomUUID();
  const stores = ['a', 'a/b', 'a%2Fb'].map(
    (prefix) => new HazelcastStore({ client: clients[0], prefix: `${base}${prefix}/` }),
  );
  await Promise.all(stores.map((store) => store.open()));
  await Promise.all(stores.map((store) => store.create(aRecord('k', { groups: ['g', 'b/g'] }))));
  expect(await Promise.all(stores.map((store) => store.count('g')))).toEqual([1, 1, 1]);
  expect(await stores[0]!.clear('b/g')).toBe(1);
  expect(await stores[0]!.clear()).toBe(0);
  expect(await Promise.all(stores.map((store) => store.count()))).toEqual([0, 1, 1]);
  await Promise.all(stores.map((store) => store.close()));
});

it('no id reaches a session of another prefix in the same map', async () => {
  const maps: HazelcastStoreOptions['maps'] = [{ mapName: `Sessions of ${randomUUID()}` }];
  const stores = ['', 'app:', 'app:admin:', 'app:/'].map(
    (prefix) => new HazelcastStore({ client: clients[0], prefix, maps }),
  );
  await Promise.all(stores.map((store) => store.open()));
  const foreign = ['app:', 'app:admin:', 'app:/', 'app:%2F/', 'admin:', '/', '//'].flatMap((start) => [
    `${start}k`,
    `${start}/k`,
  ]);
  for (const store of stores) await store.create(aRecord('k'));
  for (const store of stores) {
    for (const id of foreign) {
      expect(await store.read(id)).toBeUndefined();
      expect(await store.destroy(id)).toBe(false);
    }
    expect(await store.read('k')).toMatchObject({ id: 'k' });
    // Each is listed under its own id.
    await store.create(aRecord('%2F/k%'));
    const { records } = await store.page({ limit: 10 });
    expect(records.map(({ id }) => id).toSorted()).toEqual(['%2F/k%', 'k']);
    await store.close();
  }
});

it('pages of all sessions read only as many sessions as they show, to the last page', () =>
  withStores(
    async ([store]) => {
      const count = 1500;
      for (let at = 0; at < count; at += 500) {
        await Promise.all(Array.from({ length: 500 }, (_, index) => store.create(aRecord(`k${at + index}`))));
      }
      const widths: number[] = [];
      let after: string | undefined;
      do {
        const { next } = await store.page({ limit: 100, after });
        const [, from, to] = /^(\d+)-(\d+):/.exec(next ?? '') ?? [];
        if (to !== undefined) widths.push((Number(to) - Number(from)) / 2 ** 32);
        after = next;
      } while (after !== undefined);
      expect(widths.length).toBeGreaterThanOrEqual(count / 100 - 1);
      expect(Math.max(...widths)).toBeLessThan(1.1 * (100 / count));
    },
    { maps: [{ mapName: `Sessions of ${randomUUID()}` }] },
  ));

it.each([
  ['all', undefined],
  ['a group', 'g'],
])('pages of %s hold about four MiB, so that large sessions do not fill the memory', (_, group) =>
  withStores(
    async ([store]) => {
      const data = { a: JSON.stringify('x'.repeat(1024 * 1024)) };
      const ids = Array.from({ length: 10 }, (__, index) => `k${index}`);
      for (const id of ids) await store.create(aRecord(id, { data, groups: ['g'] }));
      const paged: string[] = [];
      const lengths: number[] = [];
      let after: string | undefined;
      do {
        const { records, next } = await store.page({ group, limit: 1000, after });
        paged.push(...records.map(({ id }) => id));
        lengths.push(records.length);
        after = next;
      } while (after !== undefined);
      expect(paged.toSorted()).toEqual(ids);
      expect(lengths).toEqual([4, 4, 2]);
    },
    { maps: [{ mapName: `Sessions of ${randomUUID()}` }] },
  ),
);
